#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# batches.sh: how many signatures are verified together, and how many nanoseconds one of them takes.  By uprobes, so the program
# must not be stripped.
#
#   scripts/trace/batches.sh PID      PID of tollbar run; until Ctrl-C
set -eu
[ $# -eq 1 ] || { sed -n '3,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }

exec bpftrace -p "$1" -e '
uprobe:/proc/'"$1"'/exe:verify_batch
{
	@signatures = lhist(arg2, 0, 64, 4);
	@cnt[tid] = (uint64)arg2;
	@start[tid] = nsecs;
}

uretprobe:/proc/'"$1"'/exe:verify_batch
/@cnt[tid] > 0/
{
	@ns_each = hist((nsecs - @start[tid]) / @cnt[tid]);
	delete(@cnt[tid]);
	delete(@start[tid]);
}

END
{
	clear(@cnt);
	clear(@start);
}'
