#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# cpu.sh: where the daemon's CPU time goes, by function, kernel and user space together.  By the CPU's clock, so that it works in
# a virtual machine, too.
#
#   scripts/trace/cpu.sh PID [SECONDS]      PID of tollbar run
set -eu
[ $# -ge 1 ] || { sed -n '3,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
record=$(mktemp)
trap 'rm -f "$record"' EXIT
trap 'exit 1' INT TERM
perf record -q -e cpu-clock -F 997 -p "$1" -o "$record" -- sleep "${2:-5}" >&2
perf report -i "$record" --stdio --sort dso,symbol --percent-limit 0.5 2>/dev/null | grep -v '^$'
