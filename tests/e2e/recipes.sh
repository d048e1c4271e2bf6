#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# recipes.sh: every recipe of scripts/trace on a daemon that serves paid requests and refuses others, behind a filter that
# drops frames.  Needs root.  Last line: "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh

TOLLBAR=build/tollbar
NAME=tbrecipes-$$
DIR=$(mktemp -d)
STARTED=()
LOAD=
DAEMON=

cleanup() {
	[ -n "$LOAD" ] && kill "$LOAD" 2>/dev/null && wait "$LOAD" 2>/dev/null
	for pid in "${STARTED[@]}"; do kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null; done
	node "$TOLLBAR" detach node0 >/dev/null 2>&1
	scripts/netns.sh down "$NAME"
	rm -rf "$DIR"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

node() { nsenter --net="/run/netns/$NAME-node" "$@"; }
client() { nsenter --net="/run/netns/$NAME-client" "$@"; }
wait_for() { # COMMAND...
	for _ in $(seq 100); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.05
	done
	echo "waited in vain: $*" && cat "$DIR"/*.log && exit 1
}
serve() { # NAME COMMAND...: in the node's namespace; $! must be the server, so not by the function above
	local name=$1
	shift
	nsenter --net="/run/netns/$NAME-node" "$@" >"$DIR/$name.log" 2>&1 &
	STARTED+=($!)
}

config() {
	cat <<-CONF
	[node]
	listen = 10.77.0.1:8402
	admin = 127.0.0.1:9402
	interface = node0
	state = $DIR/state
	workers = 1
	log = error
	[filter]
	penalty_failures = 0
	[facilitator]
	url = http://127.0.0.1:$(cat "$DIR/facilitator")
	[upstream model]
	url = http://127.0.0.1:$(cat "$DIR/upstream")
	[offer usdc]
	method = eip3009
	network = eip155:84532
	asset = 0x036CbD53842c5426634e7929541eC2318f3dCF7e
	pay_to = 0x209693Bc6afc0C5328bA36FaF03C514EF312287C
	amount = 10000
	max_timeout_s = 300
	token_name = USDC
	token_version = 2
	[route chat]
	match = POST /v1/chat/completions
	offers = usdc
	upstream = model
	CONF
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

# A recipe's output for some seconds, in $DIR/out.
recipe() { # SECONDS COMMAND...
	local seconds=$1
	shift
	node timeout -k 5 -s INT "$seconds" "$@" >"$DIR/out" 2>"$DIR/err"
}
bt() { # NAME [ARGUMENT...]
	local name=$1
	shift
	recipe 6 bpftrace -p "$DAEMON" "scripts/trace/$name.bt" "$@"
}
has() { # WHAT PATTERN: a line of the output
	ok "$1" "$(grep -cE "$2" "$DIR/out" | sed 's/^[1-9][0-9]*$/yes/')" yes
}

bpftrace_recipes() {
	bt steps
	for step in head parse decode early hash verify body permit claim queue connect first_byte settle first_out; do
		has "steps: $step" "^@us\[usdt:.*:$step\]:"
	done
	ok "steps: nothing is left over" "$(grep -c '@last' "$DIR/out")" 0
	bt overhead
	has "overhead: of a request" '^@overhead_us:'
	has "overhead: of its signature" '^@signature_us:'
	ok "overhead: the signature is a part of it" \
		"$(awk -F': ' '/_sum_us/ {sum[$1] = $2} END {print (sum["@signature_sum_us"] > 0 && sum["@signature_sum_us"] < sum["@overhead_sum_us"])}' "$DIR/out")" 1
	bt slow 1
	has "slow: a request, its steps in order" '^0x[0-9a-f]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+$'
	ok "slow: each step later than the one before" \
		"$(awk '/^0x/ && ($2 > $3 || $5 > $6 || $6 > $7) {bad++} END {print bad + 0}' "$DIR/out")" 0
	bt slow 100000000
	ok "slow: nothing is that slow" "$(grep -c '^0x' "$DIR/out")" 0
	bt refused
	has "refused: by word" '^@refused\[payment_missing\]: [1-9]'
	has "refused: by the second" '^[0-9][0-9]:[0-9][0-9]:[0-9][0-9]$'
	has "refused: how late" '^@us\[payment_missing\]:'
	recipe 6 scripts/trace/batches.sh "$DAEMON"
	has "batches: how many together" '^@signatures:'
	has "batches: what one takes" '^@ns_each:'
}

# A program that only aborts, on the client's side: the filter itself never gives an exception.
exceptions() {
	recipe 4 bpftrace scripts/trace/xdp-exceptions.bt
	ok "exceptions: none of the filter's" "$(grep -c '^@exceptions' "$DIR/out")" 0
	printf '%s\n' '__attribute__((section("xdp"), used)) int aborts(void *ctx) { return 0; }' \
		'char terms[] __attribute__((section("license"), used)) = "GPL";' >"$DIR/aborts.c"
	clang -O2 -target bpf -c "$DIR/aborts.c" -o "$DIR/aborts.o" || { ok "clang" $? 0; return; }
	client ip link set dev client0 xdpgeneric obj "$DIR/aborts.o" sec xdp
	recipe 4 bpftrace scripts/trace/xdp-exceptions.bt
	client ip link set dev client0 xdpgeneric off
	has "exceptions: another's, by interface and action" "^@exceptions\[$(client cat /proc/net/dev_snmp6/client0 | awk '/^ifIndex/ {print $2}'), 0\]: [1-9]"
}

perf_recipes() {
	recipe 20 scripts/trace/syscalls.sh "$DAEMON" 2
	cat "$DIR/err" >>"$DIR/out" # perf trace speaks on either
	has "syscalls: the workers' ring" 'io_uring_enter +[1-9]'
	recipe 30 scripts/trace/cpu.sh "$DAEMON" 2
	has "cpu: of the program" '^ +[0-9.]+% +tollbar '
	has "cpu: of the kernel" '^ +[0-9.]+% +\[.*\] '
}

filter_ns() {
	local was
	was=$(sysctl -n kernel.bpf_stats_enabled)
	recipe 10 scripts/trace/filter-ns.sh node0 2
	has "filter: packets and nanoseconds" '^node0: [1-9][0-9]* packets in 2 s, [0-9]+ a second, [1-9][0-9]* ns each$'
	ok "filter: counting is as it was" "$(sysctl -n kernel.bpf_stats_enabled)" "$was"
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
BODY='{"model":"m","messages":[{"role":"user","content":"hello"}]}'
URL=http://10.77.0.1:8402/v1/chat/completions
(umask 077 && echo 0x4242424242424242424242424242424242424242424242424242424242424242 >"$DIR/key")
scripts/netns.sh up "$NAME" || exit 1
MAC=$(node ip -br link show dev node0 | awk '{print $3}')
node "$TOLLBAR" attach node0 2>"$DIR/attach.log" || { cat "$DIR/attach.log"; exit 1; }
mkdir "$DIR/state"
serve upstream build/tests/tools/upstream --port 0 --port-file "$DIR/upstream"
serve facilitator build/tests/tools/facilitator --port 0 --port-file "$DIR/facilitator"
wait_for test -s "$DIR/upstream"
wait_for test -s "$DIR/facilitator"
config >"$DIR/conf"
serve tollbar "$TOLLBAR" run -c "$DIR/conf"
DAEMON=$!
wait_for node curl -fs -m 1 http://127.0.0.1:9402/readyz
traffic &
LOAD=$!

usages
bpftrace_recipes
perf_recipes
filter_ns
exceptions
[ "$FAILED" = 0 ] || sed 's/^/err: /' "$DIR/err"
check_done
