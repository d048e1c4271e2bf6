#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# metrics.sh: /metrics of a daemon that has everything on, judged by Prometheus' own tool, the Grafana dashboard against it, and
# `tollbar top` on terminals.  Needs root.  Last line: "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh
# shellcheck source=tests/e2e/live.sh disable=SC1091
. tests/e2e/live.sh

PROMTOOL=$(command -v promtool || echo build/promtool)

# Everything that has figures of its own; of the chain nobody answers, which is counted, too.
everything() {
	live_start "interface = node0
	state = $DIR/state" "" "$(live_paid)
	native = 1
	[native]
	listen = 10.77.0.1:8403
	[offer session]
	method = upto
	network = eip155:84532
	asset = 0x036cbd53842c5426634e7929541ec2318f3dcf7e
	pay_to = 0x209693bc6afc0c5328ba36faf03c514ef312287c
	amount = 1000000
	max_timeout_s = 300
	facilitator = 0x209693bc6afc0c5328ba36faf03c514ef312287d
	input_per_mtok = 1
	output_per_mtok = 1
	[route session]
	match = POST /v1/completions
	offers = session
	upstream = model
	session = on
	[chain sepolia]
	network = eip155:84532
	rpc = http://127.0.0.1:9"
}

judge() {
	node curl -s -m 5 http://127.0.0.1:9402/metrics >"$DIR/metrics"
	ok "$1: what promtool complains of" "$("$PROMTOOL" check metrics <"$DIR/metrics" 2>&1)" ""
}

live_up
live_helper facilitator
mkdir -m 700 "$DIR/state"
tollbar attach node0 || { cat "$DIR/attach"; exit 1; }
everything
judge "at the start"
for path in /v1/models /v1/models /nowhere; do ask 10.77.0.2 $path >/dev/null; done
client curl -s -o /dev/null -m 5 -d '{}' http://10.77.0.1:8402/v1/chat/completions
judge "after requests"
ok "they are in it" "$(grep -c '^tollbar_requests_total 4$' "$DIR/metrics")" 1
for family in packets_total sessions unsettled chain_up datagrams_total step_seconds_bucket; do
	ok "$family is there" "$(($(grep -c "^tollbar_${family}[{ ]" "$DIR/metrics") > 0))" 1
done
ok "each family has a help and a type" "$(grep -c '^# HELP' "$DIR/metrics")" "$(grep '^# TYPE' "$DIR/metrics" | sort -u | wc -l)"
ok "promtool sees what is wrong" "$("$PROMTOOL" check metrics <<<'tollbar_bad_total_count{} 1' >/dev/null 2>&1; echo $?)" 3

ok "the dashboard" "$(command node tests/e2e/lib/dashboard.mjs docs/grafana.json "$DIR/metrics" "$DIR/rules" 2>&1)" ""
ok "its expressions" "$("$PROMTOOL" check rules "$DIR/rules" >"$DIR/said" 2>&1 || cat "$DIR/said")" ""
sed 's/tollbar_overhead_seconds_bucket/tollbar_overhead_bucket/' docs/grafana.json >"$DIR/wrong"
ok "a metric that is not there is seen" "$(command node tests/e2e/lib/dashboard.mjs "$DIR/wrong" "$DIR/metrics" "$DIR/rules" | grep -c 'no tollbar_overhead_bucket$')" 6

# What a terminal of this size shows: lines without what steers it.
terminal() { # SIZE COMMAND: its screens in $DIR/screen
	script -qec "stty $1 </dev/tty; $2" /dev/null </dev/null >"$DIR/screen"
	sed -E 's/\x1b\[[0-9;?]*[A-Za-z]//g; s/\r$//' "$DIR/screen" >"$DIR/lines"
}
escapes() { grep -cF "$(printf '\033')[$1" "$DIR/screen"; }
widest() { awk '{ if (length($0) > max) max = length($0) } END { print max + 0 }' "$DIR/lines"; }

top="nsenter --net=/run/netns/$NAME-node $TOLLBAR top"
node "$TOLLBAR" top >"$DIR/out" 2>"$DIR/err"
ok "top: once, where there is no terminal" "$? $(grep -c '^tollbar: ready, up ' "$DIR/out") $(grep -c "$(printf '\033')" "$DIR/out")" "0 1 0"
ok "top: its totals" "$(awk '$1 == "requests" && $2 != "refused," { print $3 }' "$DIR/out") $(awk '$1 == "refused" { print $3 }' "$DIR/out")" "4 2"
ok "top: refusals by reason" "$(grep -cE '^  (route_unknown|payment_missing) ' "$DIR/out")" 2
terminal "rows 12 cols 50" "$top --count 2"
ok "top: in place on a terminal" "$(escapes H) $(escapes J)" "2 2"
ok "top: within it" "$(($(widest) > 30 && $(widest) <= 50)) $(wc -l <"$DIR/lines")" "1 22"
ok "top: colours" "$(($(escapes 31m) > 0))" 1
NO_COLOR=1 terminal "rows 30 cols 90" "$top --count 1"
ok "top: no colours" "$(escapes 3) $(escapes 1m)" "0 0"
terminal "rows 20 cols 90" "(sleep 1.5; stty cols 33 </dev/tty) & $top --count 5"
ok "top: drawn anew when the terminal changes" "$(escapes 2J)" 2
ok "top: as wide as it is then" "$(tail -n 3 "$DIR/lines" | awk '{ if (length($0) > max) max = length($0) } END { print (max <= 33) }')" 1
live_stop
node "$TOLLBAR" top >"$DIR/out" 2>"$DIR/err"
ok "top: nobody there" "$? $(wc -c <"$DIR/out") $(grep -c 'Connection refused' "$DIR/err")" "1 0 1"
check_done
