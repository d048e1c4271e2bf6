/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOLLBAR_BASE_PROBE_H
#define TOLLBAR_BASE_PROBE_H
/* probe.h: USDT probes, provider `tollbar`.  One nop each until perf or bpftrace attaches.
 * Listed with their arguments in ARCHITECTURE.md. */
#include <sys/sdt.h>

#define PROBE2(name, a, b) DTRACE_PROBE2(tollbar, name, a, b)
#define PROBE4(name, a, b, c, d) DTRACE_PROBE4(tollbar, name, a, b, c, d)

#endif
