#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# native.sh: native requests and knocks through the filter on live interfaces: who gets in, what the kernel drops and for which
# reason, cookies by the daemon and by the kernel, allow mode.  Needs root.  Last line: "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh
# shellcheck source=tests/e2e/live.sh disable=SC1091
. tests/e2e/live.sh
FLOOD=""

# The accounts of the keys 1 and 2.
LISTED=0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf
SECOND=0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF
key() { # NUMBER
	(umask 077 && printf '0x%064x\n' "$1" >"$DIR/key$1")
	echo "$DIR/key$1"
}

packets() { # REASON: so far, whatever became of them
	node curl -s -m 2 http://127.0.0.1:9402/metrics | awk -v reason="reason=\"$1\"" 'index($1, "tollbar_packets_total{") && index($1, reason) { sum += $2 } END { print sum + 0 }'
}
pay() { # KEY-NUMBER OPTION...: the exit status of one paid request by UDP
	local number=$1
	shift
	client "$TOLLBAR" pay --udp --terms "$DIR/terms" --key "$(key "$number")" --data '{"model":"m","messages":[{"role":"user","content":"hello"}]}' \
		"$@" 10.77.0.1:8403 >"$DIR/answer" 2>"$DIR/said"
	echo $?
}
knock() { # KEY-NUMBER OPTION...
	local number=$1
	shift
	client "$TOLLBAR" knock --key "$(key "$number")" --chain 84532 --wait 2 "$@" 10.77.0.1 >"$DIR/answer" 2>"$DIR/said"
	echo $?
}
payers() { # ADDRESS...
	printf '[list]\nmode = allow\n[default]\n' >"$DIR/payers"
	printf '[%s]\n' "$@" >>"$DIR/payers"
}
reload() {
	: >"$DIR/log"
	kill -HUP "$DAEMON"
	for _ in $(seq 50); do grep -q event=payers_loaded "$DIR/log" && return; sleep 0.1; done
	ok "the payers are read again" "$(cat "$DIR/log")" event=payers_loaded
}

start() { # NODE-SETTINGS FILTER-SETTINGS NATIVE-SETTINGS
	live_start "interface = node0
	state = $DIR/state
	payers = $DIR/payers
	$1" "$2" "$(live_paid)
	native = 1
	[native]
	listen = 10.77.0.1:8403
	$3"
}

# What the node asks for, which the other requests then take from a file.
terms() {
	[ -s "$DIR/terms" ] && return
	client "$TOLLBAR" pay --udp --key "$(key 1)" --data '{"model":"m","messages":[{"role":"user","content":"hello"}]}' \
		--save-terms "$DIR/terms" http://10.77.0.1:8402/v1/chat/completions >"$DIR/answer" 2>"$DIR/said"
	ok "a listed payer" "$? $(grep -c choices "$DIR/answer")" "0 1"
	ok "passed as a native request" "$(packets pass_native)" 1
}

requests() {
	start "" "" ""
	terms
	ok "another payer: silence" "$(pay 2 --wait 1)" 1
	ok "dropped by the kernel" "$(($(packets native_payer) > 0)) $(packets pass_native)" "1 1"
	payers $LISTED $SECOND
	reload
	ok "listed meanwhile" "$(pay 2)" 0
	payers $SECOND
	reload
	ok "not any more" "$(pay 1 --wait 1)" 1
	payers $LISTED
	reload
	ok "once more" "$(pay 1)" 0
	ok "a deadline too near" "$(pay 1 --wait 1 --valid-for 3) $(($(packets native_expired) > 0))" "1 1"
	ok "and too far" "$(pay 1 --wait 1 --valid-for 4000) $(($(packets native_far) > 0))" "1 1"
	client bash -c 'head -c 200 /dev/zero >/dev/udp/10.77.0.1/8403; printf TBR1 >/dev/udp/10.77.0.1/8403'
	sleep 0.2
	ok "junk" "$(packets native_magic) $(packets native_length)" "1 1"
	live_stop
}

# Cookies for all: sent by the daemon on a veth, by the kernel where it is told that it can.
cookies() {
	start "" "" "cookies = on
	knock = yes"
	ok "by the daemon" "$(pay 1) $(packets native_cookie)" "0 0"
	ok "a knock" "$(knock 1) $(packets native_cookie)" "0 0"
	live_stop
	client ip link set dev client0 xdp obj build/gate.bpf.o sec xdp # or it does not take what XDP sends
	start "" "" "cookies = on
	cookies_from = kernel
	knock = yes"
	ok "by the kernel" "$(pay 1) $(packets native_cookie)" "0 1"
	ok "a knock" "$(knock 1) $(packets native_cookie)" "0 2"
	ok "of a stranger: silence" "$(knock 2) $(packets native_cookie)" "1 2"
	live_stop
	client ip link set dev client0 xdp off
}

# HTTP status of a request by TCP; 000 and curl's word for no answer at all.
by_tcp() { # SOURCE
	client curl -s -o /dev/null -m 1 --interface "$1" -w '%{http_code}' http://10.77.0.1:8402/v1/models
	echo " $?"
}

# In allow mode the port is not there for whoever did not knock: not even a refusal.
knocking() {
	start "" "mode = allow" "knock = yes"
	ok "nobody is let in" "$(by_tcp 10.77.0.2) $(by_tcp 10.77.0.66)" "000 28 000 28"
	ok "a stranger's knock" "$(knock 2)" 1
	ok "opens nothing" "$(by_tcp 10.77.0.2)" "000 28"
	ok "a payer's" "$(knock 1 --seconds 5)" 0
	ok "opens the ports to its source" "$(by_tcp 10.77.0.2) $(($(packets pass_knocked) > 0))" "200 0 1"
	ok "and to no other" "$(by_tcp 10.77.0.66)" "000 28"
	ok "a request needs no knock" "$(pay 1 --wait 1; grep -c ^taken "$DIR/said")" "0
1"
	sleep 6
	ok "for as long as it said" "$(by_tcp 10.77.0.2)" "000 28"
	live_stop
}

# Forged requests, copies of one another but for source and nonce, whose signature is nobody's.
forge() { # PAYER: into $DIR/forged
	local now hex at
	now=$(date +%s)
	hex=$(printf '544252310101%04x%016x%s%s%032x%016x%016x%064x%032x%s1b01%04x%08x%s' 308 84532 "${1#0x}" "${USDC#0x}" 10000 0 $((now + 200)) 1 2 \
		"$(printf '21%.0s' $(seq 64))" 0 100 "$(printf '00%.0s' $(seq 100))")
	for ((at = 0; at < ${#hex}; at += 2)); do printf '%b' "\\x${hex:at:2}"; done >"$DIR/forged"
}
flood() { # RATE
	nsenter --net="/run/netns/$NAME-client" build/tests/tools/flood --interface client0 --to-mac "$MAC" --to-ip 10.77.0.1 --port 8403 \
		--datagram "$DIR/forged" --rate "$1" --seconds 60 >"$DIR/flood" &
	FLOOD=$!
}
flood_ends() {
	kill "$FLOOD" 2>/dev/null
	wait "$FLOOD" 2>/dev/null
	FLOOD=
}
many() { # COUNT: how many of so many requests of the listed payer were served
	local served=0
	for _ in $(seq "$1"); do [ "$(pay 1)" = 0 ] && served=$((served + 1)); done
	echo "$served"
}
rises() { # REASON ABOVE
	for _ in $(seq 100); do [ "$(packets "$1")" -gt "$2" ] && return; sleep 0.1; done
	return 1
}
end() {
	[ -n "$FLOOD" ] && flood_ends
	live_down
}
trap end EXIT

# Forged requests as fast as the machine makes them: of payers on no list; of the very payer who asks meanwhile.  Those cost a
# verification each until there are too many, and then nothing: whoever cannot be reached at his source does not get the cookie.
floods() {
	local verified
	client ip link set dev client0 xdp obj build/gate.bpf.o sec xdp
	start "" "" "cookies_from = kernel
	cookies_per_s = 500"
	terms
	ok "no flood" "$(many 3)" 3
	forge $SECOND
	flood 0
	rises native_payer $(($(packets native_payer) + 100000))
	ok "payers on no list are dropped" $? 0
	ok "and a listed one is served" "$(many 10)" 10
	flood_ends
	forge $LISTED
	flood 0
	rises native_cookie $(($(packets native_cookie) + 100000))
	ok "the payer's own address, forged: asked for cookies" $? 0
	ok "and he himself is served" "$(many 10)" 10
	flood_ends
	verified=$(metric 'tollbar_requests_refused_total{reason="signature_bad"}')
	# as many as are allowed in a second, on each CPU that the flood came by, and once more if it came back to one
	ok "of the forged ones some were verified ($verified)" "$((verified > 0 && verified <= 500 * $(nproc) * 2))" 1
	ok "nobody is penalised" "$(packets penalized)" 0
	live_stop
	client ip link set dev client0 xdp off
}

live_up
MAC=$(node ip link show node0 | awk '/link\/ether/ { print $2 }')
live_helper facilitator
payers $LISTED
tollbar attach node0 --payers 100 || { cat "$DIR/attach"; exit 1; }
[ $# = 0 ] && set -- requests knocking cookies floods # what a knock opens stays open for the next
for part in "$@"; do $part; done
check_done
