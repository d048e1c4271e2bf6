/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_EC_GENERATOR_H
#define TOLLBAR_EC_GENERATOR_H
/* generator.h: the table of the generator, one for the process; either engine makes it, row by row the same, and both use it. */
#include <stdint.h>

#define GENERATOR_WINDOW 13

/* Made by the first call that has memory, NULL without.  Any thread. */
const void *generator_table(void);

#endif
