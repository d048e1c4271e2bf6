#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# beside.sh: the filter beside other XDP programs on one interface, with a paid request through all of them: behind libxdp's
# dispatcher where the kernel allows one, and by itself with a next program in its tail-call slot.
# Needs root.  Last line: "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh
. tests/e2e/live.sh

end() {
	rm -f "/sys/fs/bpf/$NAME"
	node xdp-loader unload node0 --all >/dev/null 2>&1 # what a test that failed left behind libxdp's dispatcher
	live_down
}
trap end EXIT

paid() { # WHAT: one request is paid for, served and settled
	local settled
	settled=$(settled)
	client "$TOLLBAR" pay --key "$DIR/key" --data '{"model":"m","messages":[{"role":"user","content":"hello"}]}' \
		http://10.77.0.1:8402/v1/chat/completions >"$DIR/answer" 2>"$DIR/paid"
	ok "$1: paid request" $? 0
	ok "$1: the model's answer" "$(grep -c '"choices"' "$DIR/answer")" 1
	ok "$1: settled" "$(settled)" $((settled + 1))
}
settled() { node curl -s "http://127.0.0.1:$(cat "$DIR/facilitator")/stats" | grep -o '"settled":[0-9]*' | tr -dc 0-9; }

# Did a figure move while the command ran?
moved() { # FIGURE-COMMAND COMMAND...
	local figure=$1 before after
	shift
	before=$($figure)
	"$@" >/dev/null
	after=$($figure)
	[ "$after" -gt "$before" ] && echo yes || echo no
}
ours() { metric 'tollbar_packets_total{reason="pass_open",verdict="pass"}'; }
third() { bpftool map dump name another_seen | tr -d '\n' | sed 's/.*"value": *\([0-9]*\).*/\1/'; }
from_guest() { ask 10.77.0.2 /v1/models; }
from_denied() { ask 10.77.0.66 /v1/models; }

chain() {
	local denied=10.77.0.66
	node xdp-filter load -m native node0 && tollbar attach node0 && node xdp-loader load -m native -P 50 node0 build/tests/bpf/another.bpf.o
	ok "three programs on one interface" $? 0
	ok "in order of priority" "$(node xdp-loader status node0 | grep -oE 'xdpfilt[a-z_]*|tollbar_gate|another' | tr '\n' ' ' | sed 's/xdpfilt[a-z_]*/xdp-filter/')" \
		"xdp-filter tollbar_gate another "
	live_start "interface = node0
	state = $DIR/state" "" "$(live_paid)"
	paid "behind the dispatcher"
	ok "what passes reaches ours" "$(moved ours from_guest)" yes
	ok "and the one behind" "$(moved third from_guest)" yes
	node xdp-filter ip -m src $denied
	ok "what xdp-filter drops is not served" "$(from_denied)" 000
	ok "nor seen by ours" "$(moved ours from_denied)" no
	node xdp-filter ip -r -m src $denied
	tollbar attach node0 --deny "$DIR/deny"
	ok "what ours drops is not served" "$(from_denied)" 000
	ok "nor seen by the one behind" "$(moved third from_denied)" no
	ok "while others pass" "$(from_guest)" 200
	live_stop
	tollbar detach node0
	ok "detach of ours" $? 0
	ok "leaves the others" "$(node xdp-loader status node0 | grep -oE 'xdpfilt[a-z_]*|tollbar_gate|another' | tr '\n' ' ' | sed 's/xdpfilt[a-z_]*/xdp-filter/')" \
		"xdp-filter another "
	ok "at work" "$(moved third from_guest)" yes
	node xdp-loader unload node0 --all
}

# A next program in the tail-call slot, on a kernel of any kind.
next() {
	node ip link set dev node0 xdp obj build/gate.bpf.o sec xdp # alone, also where there is a dispatcher
	bpftool prog load build/tests/bpf/another.bpf.o "/sys/fs/bpf/$NAME" type xdp
	tollbar attach node0 --next "/sys/fs/bpf/$NAME"
	ok "attach --next" $? 0
	live_start "interface = node0
	state = $DIR/state-next" "deny = $DIR/deny" "$(live_paid)"
	paid "with a next program"
	ok "what passes reaches it" "$(moved third from_guest)" yes
	ok "what ours drops does not" "$(moved third from_denied) $(from_denied)" "no 000"
	bpftool map update name another_verdict key 0 0 0 0 value 1 0 0 0
	ok "its word is the last" "$(from_guest)" 000
	ok "though ours passed it" "$(moved ours from_guest)" yes
	tollbar attach node0 --next none
	ok "without it" "$? $(from_guest) $(moved third from_guest)" "0 200 no"
	tollbar attach node0 --next /sys/fs/bpf/nosuch
	ok "one that is not there" "$? $(from_guest)" "1 200"
	live_stop
	tollbar detach node0
	ok "detach" "$? $(node ip -d link show dev node0 | grep -c prog/xdp)" "0 0"
	tollbar attach node0 --generic
	if ! node ip -d link show dev node0 | grep -q 'name xdp_dispatcher'; then
		tollbar attach node0 --next "/sys/fs/bpf/$NAME"
		ok "a next program of the other kind is refused" "$? $(grep -c 'section xdp.frags' "$DIR/attach")" "1 1"
	fi
	tollbar detach node0
	rm -f "/sys/fs/bpf/$NAME"
}

# Does this kernel let one program replace a function of another?
has_dispatcher() {
	tollbar attach node0 || { cat "$DIR/attach"; exit 1; }
	node ip -d link show dev node0 | grep -q 'name xdp_dispatcher'
	local found=$?
	tollbar detach node0
	return $found
}

live_up
live_helper facilitator
(umask 077 && echo 0x4646464646464646464646464646464646464646464646464646464646464646 >"$DIR/key")
echo 10.77.0.66 >"$DIR/deny"
next
if has_dispatcher; then chain; else skip "the chain: this kernel refuses libxdp's dispatcher"; fi
[ $FAILED = 0 ] || cat "$DIR/attach" "$DIR/log"
check_done
