#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# filter-ns.sh: packets through the filter, and nanoseconds each, as the kernel itself counts them.  Counting costs every BPF
# program of the machine some 20 ns a run while it is on; it is off again when this ends.
#
#   scripts/trace/filter-ns.sh IFACE [SECONDS]
set -eu
[ $# -ge 1 ] || { sed -n '3,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
iface=$1 seconds=${2:-5}

# alone on the interface its id is there; behind libxdp's dispatcher every program of this name counts
program=$(ip -d link show dev "$iface" | sed -n 's/.*prog\/xdp id \([0-9]*\) name \([a-z_]*\) .*/\1 \2/p')
case $program in
*" tollbar_gate" | *" tollbar_frags") which="id ${program% *}" ;;
*" xdp_dispatcher") which="name tollbar_gate" ;;
*) echo "filter-ns.sh: $iface has no filter" >&2; exit 1 ;;
esac
# shellcheck disable=SC2086 # two words
look() { bpftool prog show $which | awk '{for (i = 1; i < NF; i++) {if ($i == "run_time_ns") ns += $(i + 1); if ($i == "run_cnt") runs += $(i + 1)}} END {print ns + 0, runs + 0}'; }

switch=/proc/sys/kernel/bpf_stats_enabled
was=$(cat $switch)
trap 'echo "$was" >$switch' EXIT
trap 'exit 1' INT TERM
echo 1 >$switch
before=$(look)
sleep "$seconds"
after=$(look)
echo "$before $after" | awk -v iface="$iface" -v seconds="$seconds" '{
	runs = $4 - $2
	printf "%s: %d packets in %s s, %.0f a second", iface, runs, seconds, runs / seconds
	if (runs > 0) printf ", %.0f ns each", ($3 - $1) / runs
	print ""
}'
