#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# recipes.sh: every recipe of scripts/trace on a daemon that serves paid requests and refuses others, behind a filter that
# drops frames.  Needs root.  Last line: "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh
. tests/e2e/live.sh

LOAD=
BODY='{"model":"m","messages":[{"role":"user","content":"hello"}]}'
URL=http://10.77.0.1:8402/v1/chat/completions

cleanup() {
	[ -n "$LOAD" ] && kill "$LOAD" 2>/dev/null && wait "$LOAD" 2>/dev/null
	live_down
}
trap cleanup EXIT

start() {
	live_start "interface = node0
	state = $DIR/state
	log = error" "penalty_failures = 0" "$(live_paid)"
}

# A little of everything, until it is killed: paid requests, unpaid ones, broken frames.
traffic() {
	while :; do
		client build/tests/tools/load --connections 4 --pay 40 --key "$DIR/key" --data "$BODY" "$URL" >/dev/null 2>&1
		client curl -s -o /dev/null -m 1 -d "$BODY" "$URL"
		client build/tests/tools/frames --interface client0 --to-mac "$MAC" --port 8402 --to-ip 10.77.0.1 \
			--from-ip 10.77.0.2 --count 100 syn-fin >/dev/null
		sleep 0.05
	done
}

# A recipe's output for some seconds, in $DIR/out; once more and for longer when the pattern is not in it, since it takes long to
# set up on a busy machine.
recipe() { # SECONDS PATTERN COMMAND...
	local seconds=$1 pattern=$2 factor
	shift 2
	for factor in 1 5; do
		node timeout -k 5 -s INT $((seconds * factor)) "$@" >"$DIR/out" 2>"$DIR/err"
		grep -qE "$pattern" "$DIR/out" "$DIR/err" && return
	done
}
bt() { # NAME PATTERN [ARGUMENT...]
	local name=$1 pattern=$2
	shift 2
	recipe 6 "$pattern" bpftrace -p "$DAEMON" "scripts/trace/$name.bt" "$@"
}
has() { # WHAT PATTERN: a line of the output
	ok "$1" "$(grep -cE "$2" "$DIR/out" | sed 's/^[1-9][0-9]*$/yes/')" yes
}

bpftrace_recipes() {
	bt steps '^@us'
	for step in head parse decode early hash verify body permit claim queue connect first_byte settle first_out; do
		has "steps: $step" "^@us\[usdt:.*:$step\]:"
	done
	ok "steps: nothing is left over" "$(grep -c '@last' "$DIR/out")" 0
	bt overhead '^@overhead'
	has "overhead: of a request" '^@overhead_us:'
	has "overhead: of its signature" '^@signature_us:'
	ok "overhead: the signature is a part of it" \
		"$(awk -F': ' '/_sum_us/ {sum[$1] = $2} END {print (sum["@signature_sum_us"] > 0 && sum["@signature_sum_us"] < sum["@overhead_sum_us"])}' "$DIR/out")" 1
	bt slow '^0x' 1
	has "slow: a request, its steps in order" '^0x[0-9a-f]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+$'
	ok "slow: each step later than the one before" \
		"$(awk '/^0x/ && ($2 > $3 || $5 > $6 || $6 > $7) {bad++} END {print bad + 0}' "$DIR/out")" 0
	bt slow '' 100000000
	ok "slow: nothing is that slow" "$(grep -c '^0x' "$DIR/out")" 0
	bt refused '^@us'
	has "refused: by word" '^@refused\[payment_missing\]: [1-9]'
	has "refused: by the second" '^[0-9][0-9]:[0-9][0-9]:[0-9][0-9]$'
	has "refused: how late" '^@us\[payment_missing\]:'
	recipe 6 '^@ns_each' scripts/trace/batches.sh "$DAEMON"
	has "batches: how many together" '^@signatures:'
	has "batches: what one takes" '^@ns_each:'
}

# A program that only aborts, on the client's side: the filter itself never gives an exception.
exceptions() {
	recipe 4 '' bpftrace scripts/trace/xdp-exceptions.bt
	ok "exceptions: none of the filter's" "$(grep -c '^@exceptions' "$DIR/out")" 0
	printf '%s\n' '__attribute__((section("xdp"), used)) int aborts(void *ctx) { return 0; }' \
		'char terms[] __attribute__((section("license"), used)) = "GPL";' >"$DIR/aborts.c"
	clang -O2 -target bpf -c "$DIR/aborts.c" -o "$DIR/aborts.o" || { ok "clang" $? 0; return; }
	client ip link set dev client0 xdpgeneric obj "$DIR/aborts.o" sec xdp
	recipe 4 '^@exceptions' bpftrace scripts/trace/xdp-exceptions.bt
	client ip link set dev client0 xdpgeneric off
	has "exceptions: another's, by interface and action" "^@exceptions\[$(client cat /proc/net/dev_snmp6/client0 | awk '/^ifIndex/ {print $2}'), 0\]: [1-9]"
}

perf_recipes() {
	recipe 20 io_uring scripts/trace/syscalls.sh "$DAEMON" 2
	cat "$DIR/err" >>"$DIR/out" # perf trace speaks on either
	has "syscalls: the workers' ring" 'io_uring_enter +[1-9]'
	recipe 30 % scripts/trace/cpu.sh "$DAEMON" 2
	has "cpu: of the program" '^ +[0-9.]+% +tollbar '
	has "cpu: of the kernel" '^ +[0-9.]+% +\[.*\] '
}

filter_ns() {
	local was
	was=$(cat /proc/sys/kernel/bpf_stats_enabled)
	recipe 10 packets scripts/trace/filter-ns.sh node0 2
	has "filter: packets and nanoseconds" '^node0: [1-9][0-9]* packets in 2 s, [0-9]+ a second, [1-9][0-9]* ns each$'
	ok "filter: counting is as it was" "$(cat /proc/sys/kernel/bpf_stats_enabled)" "$was"
	node scripts/trace/filter-ns.sh lo 1 >"$DIR/out" 2>"$DIR/err"
	ok "filter: an interface without one" "$? $(cat "$DIR/out" "$DIR/err")" "1 filter-ns.sh: lo has no filter"
	node ip link set dev lo xdpgeneric obj build/gate.bpf.o sec xdp.frags
	node ping -q -c 2 -i 0.2 127.0.0.1 >/dev/null &
	node scripts/trace/filter-ns.sh lo 1 >"$DIR/out"
	has "filter: its other program" '^lo: [1-9][0-9]* packets in 1 s'
	node ip link set dev lo xdpgeneric off
}

usages() {
	for script in scripts/trace/*; do
		ok "$script says how it is called" "$(grep -cE "^(#|//)   .*(${script##*/})" "$script")" 1
		grep -qF "${script##*/}" "$0" || [[ $script == *.bt ]] || ok "$script is run here" no yes
	done
	for script in scripts/trace/*.sh; do
		"$script" >/dev/null 2>"$DIR/err"
		ok "$script without arguments" "$? $(grep -c "$script" "$DIR/err")" "2 1"
	done
}

bpftrace -e 'BEGIN { exit(); }' >/dev/null 2>"$DIR/err" ||
	{ echo "skipped: bpftrace does not run here: $(tail -n 1 "$DIR/err")"; exit 77; }
live_up
(umask 077 && echo 0x4242424242424242424242424242424242424242424242424242424242424242 >"$DIR/key")
MAC=$(node ip -br link show dev node0 | awk '{print $3}')
tollbar attach node0 || { cat "$DIR/attach"; exit 1; }
mkdir "$DIR/state"
live_helper facilitator
start
traffic &
LOAD=$!

usages
bpftrace_recipes
perf_recipes
filter_ns
exceptions
[ "$FAILED" = 0 ] || sed 's/^/err: /' "$DIR/err"
check_done
