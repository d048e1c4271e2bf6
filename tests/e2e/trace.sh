#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# trace.sh: `tollbar trace` on a live interface, without a daemon: what it shows, that it ends, and that the kernel stops
# sampling when it dies.  And `tollbar status --watch`, also without one.  Needs root.  Last line: "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh
. tests/e2e/live.sh

TRACER=
trap '[ -n "$TRACER" ] && kill "$TRACER" 2>/dev/null; live_down' EXIT # timeout tells the tracer, too

frames() { # COUNT KIND...
	client build/tests/tools/frames --interface client0 --to-mac "$MAC" --port 8402 \
		--to-ip 10.77.0.1 --from-ip 10.77.0.2 --to-ip6 fd77::1 --from-ip6 fd77::2 --count "$@" >/dev/null
}
trace() { # ARGUMENT...: in the background, output in $DIR/out and $DIR/err; returns when the kernel samples
	: >"$DIR/out"
	# not by the function: $! must be the tracer
	nsenter --net="/run/netns/$NAME-node" timeout 20 "$TOLLBAR" trace -i node0 "$@" >"$DIR/out" 2>"$DIR/err" &
	TRACER=$!
	for _ in $(seq 100); do
		frames 1 null6
		[ -s "$DIR/out" ] && return
		sleep 0.05
	done
	echo "the tracer shows nothing" && cat "$DIR/err" && exit 1
}
finish() { # SIGNAL
	kill "-$1" "$(cat "/proc/$TRACER/task/$TRACER/children")" # timeout's child
	wait "$TRACER" 2>/dev/null
	STATUS=$?
	TRACER=
}
lines() { grep -c "$1" "$DIR/out"; }
# runs of the tracer that end by themselves
short() { node timeout 20 "$TOLLBAR" trace -i node0 "$@" >"$DIR/out" 2>"$DIR/err"; }
soon() { # COMMAND...: in a second, when the tracer is there
	(sleep 1 && "$@") &
}

kinds() { # HOW the program got there
	trace
	frames 2 syn-fin udp-length-big ip4-total-big
	frames 1 syn
	sleep 0.7
	finish INT
	ok "$1: ended by Ctrl-C" $STATUS 0
	ok "$1: each drop, by its reason" "$(lines ' tcp_flags  10.77.0.2:40000 > 10.77.0.1:8402  tcp  54 bytes  ') \
$(lines ' udp_length  10.77.0.2:40000 > 10.77.0.1:8402  udp  ') $(lines ' ip4_length  ')" "2 2 2"
	ok "$1: IPv6" "$([ "$(lines ' tcp_flags  \[fd77::2\]:40000 > \[fd77::1\]:8402  tcp  74 bytes  ')" -ge 1 ] && echo yes)" yes
	ok "$1: what passes is not shown" "$(lines pass_)" 0
	ok "$1: the frame, from its first byte" "$(lines "  ${MAC//:/}")" "$(lines .)"
	ok "$1: it says what it did not show" "$(sed 's/[0-9]* shown/N shown/' "$DIR/err")" "node0: N shown, 0 more over the rate, 0 lost"
}

options() {
	soon frames 3 syn-fin udp-length-big
	short --reason udp_length --seconds 4
	ok "only this reason" "$? $(lines ' udp_length ') $(lines .)" "0 3 3"
	soon frames 9 xmas
	short --count 4
	ok "so many" "$? $(lines ' tcp_flags ') $(lines .)" "0 4 4"
	soon frames 200 xmas
	short --rate 5 --seconds 4
	ok "so many a second" "$([ "$(lines .)" -ge 5 ] && [ "$(lines .)" -le 20 ] && echo yes)" yes
	ok "the rest is counted" "$(grep -c ', [1-9][0-9]* more over the rate, 0 lost' "$DIR/err")" 1
	soon frames 400 xmas
	short --every 10 --seconds 4
	ok "one in so many" "$([ "$(lines .)" -ge 38 ] && [ "$(lines .)" -le 40 ] && echo yes)" yes
	soon frames 2 xmas
	short --json --count 2
	ok "JSON" "$(lines '^{"time":"20[0-9T:.-]*Z","interface":"node0","reason":"tcp_flags","dropped":true,"source":"10.77.0.2","source_port":40000,"destination":"10.77.0.1","destination_port":8402,"protocol":6,"bytes":54,"frame":"[0-9a-f]\{108\}"}$')" 2
	tollbar attach node0 --mode allow --observe
	soon frames 2 syn
	short --count 2
	ok "observe" "$(lines ' not_allowed (observed)  10.77.0.2:40000 ')" 2
	tollbar attach node0 --mode open
}

trickle() { for _ in $(seq 20); do frames 1 syn-fin; sleep 0.1; done; }

ends() {
	trace --reason tcp_flags
	short --count 1
	ok "a second tracer is refused" "$? $(cat "$DIR/err")" "1 tollbar trace: node0: somebody else is tracing"
	: >"$DIR/out"
	finish KILL
	short --count 1
	ok "right after one was killed, still" $? 1
	sleep 2.1
	soon frames 1 syn-fin
	short --count 1
	ok "two seconds later it is gone" "$? $(lines .)" "0 1"
	soon trickle
	node timeout 20 "$TOLLBAR" trace -i node0 2>"$DIR/err" | head -n 1 >"$DIR/out"
	ok "a reader that leaves ends it" "${PIPESTATUS[0]} $(lines .) $(grep -c shown "$DIR/err")" "0 1 1" # 124: timeout did
	kill $! && wait $! 2>/dev/null
}

watching() {
	local escape
	escape=$(printf '\033')
	soon frames 300 syn-fin
	node timeout 20 "$TOLLBAR" status --watch -i node0 --count 3 >"$DIR/out" 2>"$DIR/err"
	ok "tables, one after the other" "$? $(lines '^node0  *a second  *total$') $(lines "$escape")" "0 3 0"
	ok "with the rate of the drops" "$(awk '/^  tcp_flags/ {sum += $2} END {print (sum >= 290 && sum <= 305)}' "$DIR/out")" 1
	ok "and their total" "$(awk '/^  tcp_flags/ {total = $3} END {print (total >= 300)}' "$DIR/out")" 1
	ok "nothing of a daemon" "$(lines requests)" 0
	# timeout would take the terminal away
	script -qec "nsenter --net=/run/netns/$NAME-node $TOLLBAR status --watch -i node0 --count 2" /dev/null </dev/null >"$DIR/out"
	ok "in place on a terminal" "$(lines "$escape\\[H") $(lines "$escape\\[J")" "2 2"
}

live_up
MAC=$(node ip -br link show dev node0 | awk '{print $3}')
tollbar attach node0 --tcp 8402 --udp 8402 || { cat "$DIR/attach"; exit 1; }
kinds "tollbar attach"
options
watching
ends
tollbar detach node0
node ip link set dev node0 xdpdrv obj build/gate.bpf.o sec xdp || exit 1
tollbar attach node0 --tcp 8402 --udp 8402
kinds "ip link"
check_done
