#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# hard.sh: the filter and the daemon when something is unusual about the interface or goes wrong with it: jumbo frames,
# checksums nobody filled in, several queues, VLANs, bonds, generic mode, an interface that is down, missing, taken, or goes
# away and comes back; a daemon that is killed; two daemons.
# Arguments: some of its parts (see the end) instead of all.  Needs root.  Last line: "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh
. tests/e2e/live.sh

ANOTHER=build/tests/bpf/another.bpf.o

attached() { node ip -d link show dev "$1" | grep -o 'prog/xdp.*name [a-z_]*' | sed 's/.*name //'; }
said() { grep -c "$1" "$DIR/attach"; }
passed() { metric 'tollbar_packets_total{reason="pass_open",verdict="pass"}'; }
dropped() { metric "tollbar_packets_total{reason=\"$1\",verdict=\"drop\"}"; } # REASON
status() { node "$TOLLBAR" status -a 127.0.0.1:9402; }

ask_patiently() { client curl -s -o /dev/null -m 20 -w '%{http_code}' http://10.77.0.1:8402/v1/models; }
answers() { client ping -q -c 1 -W 1 10.77.0.1 >/dev/null && echo yes; }

# Waits, at most ten seconds, until a command says what it should.
comes() { # WHAT WANT COMMAND...
	local what=$1 want=$2 got
	shift 2
	for _ in $(seq 100); do
		got=$("$@")
		[ "$got" = "$want" ] && break
		sleep 0.1
	done
	ok "$what" "$got" "$want"
}

refusals() {
	tollbar attach node0 # how it is done on this kernel
	HOW=$(sed -n 's/.*event=attach interface=node0 mode=native how=//p' "$DIR/attach")
	tollbar detach node0
	tollbar attach nosuch0
	ok "an interface that does not exist" "$? $(said 'nosuch0: No such device')" "1 1"
	node ip link set dev node0 xdp obj $ANOTHER sec xdp
	tollbar attach node0
	ok "an interface that is taken" "$? $(said 'program another is attached') $(attached node0)" "1 1 another"
	node ip link set dev node0 xdp off
	node ip link set node0 down
	tollbar attach node0
	ok "an interface that is down" "$? $(said 'the interface is down')" "0 1"
	node ip link set node0 up
	comes "it works once it is up" yes answers
	tollbar detach node0
}

jumbo() {
	node ip link set node0 mtu 9000 && client ip link set client0 mtu 9000
	node ip link set dev node0 xdpdrv obj build/gate.bpf.o sec xdp 2>/dev/null
	ok "native mode, jumbo frames, ip link from section xdp" $? 2
	node ip link set dev node0 xdpdrv obj build/gate.bpf.o sec xdp.frags
	ok "from section xdp.frags" "$? $(attached node0)" "0 tollbar_frags"
	jumbo_traffic "ip link"
	tollbar detach node0
	ok "detach of it" "$? $(attached node0)" "0 "
	tollbar attach node0
	ok "native mode, jumbo frames, tollbar attach" "$? $(said 'native=no')" "0 0"
	ok "behind the dispatcher, if there is one" "$(tail -n 1 "$DIR/attach" | grep -c "how=$HOW")" 1
	jumbo_traffic "tollbar attach"
	client ip link set client0 mtu 1500 && node ip link set node0 mtu 1500
	tollbar detach node0
}
jumbo_traffic() { # HOW
	live_start "interface = node0" "checksum = yes"
	ok "$1: a request in jumbo frames" "$(client curl -s -o /dev/null -m 2 -w '%{http_code}' -H "X: $(head -c 8000 /dev/zero | tr '\0' x)" http://10.77.0.1:8402/v1/models)" 200
	client ping -q -c 1 -W 2 -M "do" -s 8900 10.77.0.1 >/dev/null
	ok "$1: ping in one jumbo frame" $? 0
	ok "$1: no length is wrong" "$(dropped ip4_length)" 0
	ok "$1: nor a checksum" "$(dropped checksum)" 0
	live_stop
}

# Without transmit offload a sender fills in its checksums, as netns.sh has it; with it, on veth, it does not.
checksums() {
	tollbar attach node0
	live_start "interface = node0" "checksum = yes"
	ok "right checksums" "$(ask 10.77.0.2 /v1/models) $(dropped checksum)" "200 0"
	client ethtool -K client0 tx on >/dev/null
	ok "checksums left out" "$(ask 10.77.0.2 /v1/models)" 000
	ok "are counted" "$([ "$(dropped checksum)" -gt 0 ] && echo yes)" yes
	live_stop
	live_start "interface = node0"
	ok "and pass when nobody asked" "$(ask 10.77.0.2 /v1/models)" 200
	live_stop
	client ethtool -K client0 tx off >/dev/null
	tollbar detach node0
}

generic() {
	tollbar attach node0 --generic
	live_start "interface = node0"
	ok "generic mode is said by the daemon" "$(grep -c 'event=filter_open.*mode=generic' "$DIR/log")" 1
	ok "by status" "$(status | grep -c 'generic mode')" 1
	ok "and by the metrics" "$(metric tollbar_filter_generic)" 1
	live_stop
	tollbar detach node0
}

# The interface goes away with the filter on it, and comes back.
gone_and_back() {
	: >"$DIR/log"
	tollbar attach node0
	live_start "interface = node0" "deny = $DIR/deny"
	node ip link del node0
	comes "the interface is gone: the daemon says so" 1 grep -c 'event=filter_lost.*no such interface' "$DIR/log"
	ok "and the metrics" "$(metric tollbar_filter_attached)" 0
	node ip link add node0 type veth peer name client0 netns "$NAME-client"
	node ip addr add 10.77.0.1/24 dev node0 && node ip link set node0 up
	client ip addr add 10.77.0.2/24 dev client0 && client ip addr add 10.77.0.66/24 dev client0 && client ip link set client0 up
	comes "it is back, without the filter: requests are served" 200 ask 10.77.0.2 /v1/models
	ok "the metrics do not pretend" "$(metric tollbar_filter_attached)" 0
	tollbar attach node0
	comes "attached again: found again" 1 metric tollbar_filter_attached
	ok "and said" "$(grep -c 'event=filter_found.*fresh=yes' "$DIR/log")" 1
	comes "with the policy" 000 ask 10.77.0.66 /v1/models
	ok "for those it is for" "$(ask 10.77.0.2 /v1/models)" 200
	ok "and counts" "$([ "$(passed)" -gt 0 ] && [ "$(dropped blocked)" -gt 0 ] && echo yes)" yes
	tollbar detach node0
	comes "detached behind the daemon's back" 1 grep -c 'event=filter_lost.*no filter there' "$DIR/log"
	live_stop
}

# What a stranger sees of the service port: open, refused or silent.
port() {
	local said
	said=$(nsenter --net="/run/netns/$NAME-client" timeout 1 bash -c 'exec 3<>/dev/tcp/10.77.0.1/8402' 2>&1)
	case $?:$said in 0:*) echo open ;; *refused*) echo refused ;; *) echo silent ;; esac
}

killed() {
	tollbar attach node0 --tcp 8402 --fail closed
	ok "fail = closed before any daemon: silent" "$(port) $(answers)" "silent yes"
	tollbar attach node0 --fail open
	live_start "interface = node0" "deny = $DIR/deny"
	kill -KILL "$DAEMON" && wait "$DAEMON" 2>/dev/null
	comes "fail = open: the port is only refused" refused port # a killed ring takes some milliseconds to go
	client curl -s -o /dev/null -m 1 --interface 10.77.0.66 http://10.77.0.1:8402/v1/models
	ok "and the lists are still in force: no answer" $? 28 # 7: refused
	live_start "interface = node0" "fail = closed
	fail_s = 3"
	ok "fail = closed, alive: served" "$(ask 10.77.0.2 /v1/models)" 200
	kill -KILL "$DAEMON" && wait "$DAEMON" 2>/dev/null
	comes "killed: silent after its time" silent port
	ok "other ports are not" "$(answers)" yes
	live_start "interface = node0" "fail = closed
	fail_s = 600"
	ok "started again: served" "$(ask 10.77.0.2 /v1/models)" 200
	live_stop
	ok "ended in order: silent at once" "$(port)" silent
	ask_patiently >"$DIR/restart" &
	local asking=$!
	live_start "interface = node0" "fail = closed"
	wait $asking
	ok "a request during a restart is served after it" "$(cat "$DIR/restart")" 200
	live_stop
	tollbar attach node0 --fail open
	ok "opened by hand" "$(port)" refused
	tollbar detach node0
}

queues() {
	node ip link del node0
	node ip link add node0 numrxqueues 4 numtxqueues 4 type veth peer name client0 netns "$NAME-client" numrxqueues 4 numtxqueues 4
	node ip addr add 10.77.0.1/24 dev node0 && node ip link set node0 up
	client ip addr add 10.77.0.2/24 dev client0 && client ip addr add 10.77.0.66/24 dev client0 && client ip link set client0 up
	client ethtool -K client0 tx off >/dev/null
	tollbar attach node0
	ok "four queues" $? 0
	live_start "interface = node0"
	comes "served" 200 ask 10.77.0.2 /v1/models
	local before served=0
	before=$(passed)
	for _ in $(seq 8); do [ "$(ask 10.77.0.2 /v1/models)" = 200 ] && served=$((served + 1)); done # a port and so a queue each
	ok "from all of them" $served 8
	ok "and counted" "$([ "$(passed)" -ge $((before + 8 * 4)) ] && echo yes)" yes
	live_stop
	tollbar detach node0
}

# Two cards, two daemons: one knows nothing of the other.
two() {
	node ip link add node1 type veth peer name client1 netns "$NAME-client"
	node ip addr add 10.78.0.1/24 dev node1 && node ip link set node1 up
	client ip addr add 10.78.0.2/24 dev client1 && client ip link set client1 up
	tollbar attach node0 && tollbar attach node1
	live_start "interface = node0"
	sed -e 's/10.77.0.1:8402/10.78.0.1:8402/; s/127.0.0.1:9402/127.0.0.1:9403/; s/node0/node1/' "$DIR/conf" >"$DIR/conf1"
	nsenter --net="/run/netns/$NAME-node" "$TOLLBAR" run -c "$DIR/conf1" 2>>"$DIR/log" &
	HELPERS+=($!)
	comes "the second daemon comes up" 200 node curl -s -o /dev/null -m 1 -w '%{http_code}' http://127.0.0.1:9403/readyz
	tollbar attach node1 --mode allow
	comes "the first serves" 200 ask 10.77.0.2 /v1/models
	ok "the second's list is its own" "$(client curl -s -o /dev/null -m 1 -w '%{http_code}' http://10.78.0.1:8402/v1/models)" 000
	ok "and so are the counters" "$(dropped not_allowed)" 0
	kill "${HELPERS[-1]}" && wait "${HELPERS[-1]}"
	ok "the second ends" $? 0
	comes "the first serves on" 200 ask 10.77.0.2 /v1/models
	live_stop
	tollbar detach node0 && tollbar detach node1
	ok "both are taken off" "$(attached node0)$(attached node1)" ""
	node ip link del node1
}

# Tagged frames reach the program on the card itself, where they are told by the addresses inside.
vlan() {
	node ip link add link node0 name node0.7 type vlan id 7 2>/dev/null || { skip "VLAN: this kernel has none"; return; }
	client ip link add link client0 name client0.7 type vlan id 7
	node ip addr add 10.79.0.1/24 dev node0.7 && node ip link set node0.7 up
	client ip addr add 10.79.0.2/24 dev client0.7 && client ip addr add 10.79.0.66/24 dev client0.7 && client ip link set client0.7 up
	tollbar attach node0
	echo 10.79.0.66 >"$DIR/deny7"
	live_start "listen = 10.79.0.1:8402
	interface = node0" "deny = $DIR/deny7"
	comes "tagged: served" 200 client curl -s -o /dev/null -m 1 -w '%{http_code}' http://10.79.0.1:8402/v1/models
	ok "tagged: denied" "$(client curl -s -o /dev/null -m 1 --interface 10.79.0.66 -w '%{http_code}' http://10.79.0.1:8402/v1/models)" 000
	ok "tagged: counted" "$([ "$(dropped blocked)" -gt 0 ] && echo yes)" yes
	live_stop
	tollbar detach node0
	node ip link del node0.7
}

bond() {
	node ip link add node9 type bond mode active-backup 2>/dev/null || { skip "bond: this kernel has none"; return; }
	node ip addr flush dev node0
	node ip link set node0 down && node ip link set node0 master node9
	node ip addr add 10.77.0.1/24 dev node9 && node ip link set node9 up
	tollbar attach node9
	ok "attach to a bond" "$? $(said 'interface=node9.*native=no')" "0 0"
	live_start "interface = node9" "deny = $DIR/deny"
	comes "bond: served" 200 ask 10.77.0.2 /v1/models
	ok "bond: denied" "$(ask 10.77.0.66 /v1/models)" 000
	ok "bond: counted" "$([ "$(dropped blocked)" -gt 0 ] && echo yes)" yes
	live_stop
	tollbar detach node9
	ok "detach from a bond" $? 0
	node ip link del node9
}

live_up
echo 10.77.0.66 >"$DIR/deny"
[ $# = 0 ] && set -- refusals jumbo checksums generic gone_and_back killed queues two vlan bond
for part in "$@"; do $part; done
[ $FAILED = 0 ] || sed 's/^/log: /' "$DIR/attach" "$DIR/log"
check_done
