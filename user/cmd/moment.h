/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_CMD_MOMENT_H
#define TOLLBAR_CMD_MOMENT_H
/* moment.h: moments as people write and read them. */
#include <stdbool.h>
#include <stdint.h>

/* "2026-01-31T23:59:59Z"; what is beyond a calendar as a number. */
#define MOMENT_BYTES 24
void moment_print(char out[MOMENT_BYTES], uint64_t unix_s);
/* A UTC time (2026-01-31, 2026-01-31T23:59:59Z), Unix seconds, or so long ago: 30s, 90m, 36h, 7d.  False: none of these. */
bool moment_read(uint64_t *unix_s, const char *text, uint64_t now_s);

#endif
