#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# syn.sh: SYN cookies on live interfaces: the daemon in one network namespace, stock clients and a flood of forged SYNs in
# the other.  Arguments: which of one_by_one, under_flood, generic_mode.  Needs root.  Last line: "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh
. tests/e2e/live.sh
FLOOD=""

end() {
	[ -n "$FLOOD" ] && kill "$FLOOD" 2>/dev/null && wait "$FLOOD" 2>/dev/null
	live_down
}
trap end EXIT

# HTTP status of one request over a connection of its own; 000: none was opened
asks() { # ADDRESS
	client curl -s -o /dev/null -m 2 -w '%{http_code}' "http://$1:8402/v1/models"
}
# The same from port 41000, on a connection that the node is the first to close: curl, as telnet, waits for that.
ask_from_port() {
	printf 'GET /v1/models HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n' |
		client curl -s -m 4 --local-port 41000 telnet://10.77.0.1:8402 | sed -n '1s/[^ ]* \([0-9]*\).*/\1/p'
}
answered() { metric 'tollbar_packets_total{reason="syn_cookie",verdict="answer"}'; } # SYNs, so far
# Cookies that the kernel took back, beyond those it sent itself (it does, to all, when its setting is 2).
returned() { node nstat -az TcpExtSyncookiesRecv TcpExtSyncookiesSent | awk '/Recv/ { cnt += $2 } /Sent/ { cnt -= $2 } END { print cnt }'; }
syncookies() { node sh -c "echo $1 >/proc/sys/net/ipv4/tcp_syncookies"; }
wait_for() { # COMMAND...
	for _ in $(seq 100); do "$@" && return; sleep 0.1; done
	echo "waited in vain for: $*" && cat "$DIR/log" && exit 1
}
rises() { [ "$(answered)" -gt "$1" ]; } # above COUNT

arm() { # off, on or auto
	sed -i "s/^\s*syn_cookies = .*/syn_cookies = $1/" "$DIR/conf"
	: >"$DIR/log"
	kill -HUP "$DAEMON"
	wait_for grep -q event=limits_loaded "$DIR/log"
}

flood() { # SYNS_A_SECOND SECONDS
	nsenter --net="/run/netns/$NAME-client" build/tests/tools/flood --interface client0 --to-mac "$MAC" --to-ip 10.77.0.1 \
		--port 8402 --syn --rate "$1" --seconds "$2" >"$DIR/flood" &
	FLOOD=$!
}

many() { # COUNT: how many of so many requests were served
	local served=0
	for _ in $(seq "$1"); do [ "$(asks 10.77.0.1)" = 200 ] && served=$((served + 1)); done
	echo "$served"
}

one_by_one() {
	local received count
	syncookies 2
	ok "off" "$(asks 10.77.0.1) $(asks '[fd77::1]') $(answered)" "200 200 0"
	ok "a connection that stays" "$(live_kept_asks)" 200
	arm on
	received=$(returned)
	ok "on: IPv4" "$(asks 10.77.0.1) $(answered)" "200 1"
	ok "on: IPv6" "$(asks '[fd77::1]') $(answered)" "200 2"
	ok "the kernel took both cookies back" "$(($(returned) - received))" 2
	ok "the connection that stays" "$(live_kept_asks)" 200
	ok "a connection that the node closes" "$(ask_from_port)" 200
	ok "the node keeps it for a minute" "$(node ss -Htan state time-wait sport = :8402 dport = :41000 | wc -l)" 1
	count=$(answered)
	ok "and opens it anew all the same" "$(ask_from_port)" 200
	ok "by itself" "$(answered)" "$count"
	ok "a port where nobody listens" "$(client curl -s -m 2 http://10.77.0.1:8403/; echo $?)" 7
	syncookies 0
	arm on
	ok "without cookies of the kernel it says so" "$(grep -c 'event=syn_cookies .*tcp_syncookies' "$DIR/log")" 1
	ok "and SYNs pass" "$(asks 10.77.0.1) $(answered)" "200 $count"
	arm off
	syncookies 2
	ok "off again" "$(asks 10.77.0.1) $(answered)" "200 $count"
}

under_flood() {
	local count calm
	count=$(answered)
	syncookies 1 # as every distribution has it
	arm auto
	ok "auto, no flood" "$(many 5) $(answered)" "5 $count"
	flood 50000 30
	wait_for rises $((count + 10000))
	ok "auto, flood: all are served" "$(many 30)" 30
	ok "auto, flood: the connection that stays" "$(live_kept_asks)" 200
	kill "$FLOOD" 2>/dev/null
	wait "$FLOOD"
	FLOOD=
	ok "the flood sent more than the kernel's queue holds" "$([ "$(awk '/^sent/ { print $2 }' "$DIR/flood")" -gt 20000 ] && echo yes)" yes
	sleep 3.2
	calm=$(answered)
	ok "a calm second later it is off" "$(many 5) $(answered)" "5 $calm"
	ok "nobody was refused, though there is a limit" "$(node "$TOLLBAR" status -a 127.0.0.1:9402 --json | grep -o '"packets_dropped":[0-9]*')" '"packets_dropped":0'
}

generic_mode() {
	local received
	arm off
	tollbar detach node0
	client ip link set dev client0 xdp off
	tollbar attach node0 --generic --tcp 8402 --syn-cookies on
	syncookies 2
	received=$(returned)
	ok "generic mode" "$(asks 10.77.0.1) $(asks '[fd77::1]') $(($(returned) - received))" "200 200 2"
	for wrong in yes auto: auto:0 auto:x auto:10000001 on:5; do
		tollbar attach node0 --syn-cookies "$wrong"
		ok "--syn-cookies $wrong" $? 2
	done
}

live_up
MAC=$(node ip link show node0 | awk '/link\/ether/ { print $2 }')
node ip route add default via 10.77.0.2 # without a way back the kernel drops forged SYNs by itself
# A veth passes on what XDP sends only where the other end has a program, too.  Ours without a policy passes everything.
client ip link set dev client0 xdp obj build/gate.bpf.o sec xdp
tollbar attach node0 || { cat "$DIR/attach"; exit 1; }
live_start "interface = node0
	listen = [fd77::1]:8402" "connections_per_s = 100
	syn_cookies_per_s = 500
	syn_cookies = off"
live_keep
[ $# = 0 ] && set -- one_by_one under_flood generic_mode
for part in "$@"; do $part; done
check_done
