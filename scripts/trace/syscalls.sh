#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# syscalls.sh: system calls of the daemon by thread and name: how many, and how long.  A worker's should be few: what a request
# needs is submitted and completed in one io_uring_enter with that of all others.
#
#   scripts/trace/syscalls.sh PID [SECONDS]      PID of tollbar run
set -eu
[ $# -ge 1 ] || { sed -n '3,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
exec perf trace -s -p "$1" -- sleep "${2:-5}"
