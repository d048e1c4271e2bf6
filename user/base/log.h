/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_LOG_H
#define TOLLBAR_BASE_LOG_H
/* log.h: lines of key=value to standard error, one write(2) each, cut at 1,024 bytes.
 *
 *   log_warn("event=store_commit error=%d", err);
 *
 * Never log a signature, a payment header, a prompt or a key: whoever holds an EIP-3009 authorization can submit it.
 * Bytes a client chose go through log_safe first.  Facts that happen once per request are counters, not lines. */
#include <stddef.h>
#include "base/span.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

extern enum log_level log_level; /* set once at start */

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

/* log_safe: text with everything outside 0x21..0x7e (and '"', '\\', '=') shown as '?', cut to fit, zero-terminated. */
const char *log_safe(char *out, size_t out_bytes, struct span text);

#endif
