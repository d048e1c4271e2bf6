#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# filter.sh: the filter on live interfaces: two network namespaces joined by a veth pair, TCP connections from several
# sources.  Nothing listens: a SYN that passes is answered with a reset at once, a dropped one is not answered.
# Arguments: some of its parts (see the end) instead of all.  Needs root.  Last line: "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh

TOLLBAR=${TOLLBAR:-build/tollbar}
OBJECT=build/gate.bpf.o
NODE=tbfilter-n$$
CLIENT=tbfilter-c$$
DIR=$(mktemp -d)

cleanup() {
	tollbar detach node0 # its pins outlive the namespace
	ip netns del "$NODE" 2>/dev/null
	ip netns del "$CLIENT" 2>/dev/null
	rm -rf "$DIR"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# The namespace of the network alone: ip netns exec would hide /sys/fs/bpf.
node() { nsenter --net="/run/netns/$NODE" "$@"; }
client() { nsenter --net="/run/netns/$CLIENT" "$@"; }
tollbar() { node "$TOLLBAR" "$@" 2>>"$DIR/log"; }
attached() { node ip -d link show dev node0 | grep -o 'prog/xdp.*name [a-z_]*' | sed 's/.*name //'; }

setup() {
	ip netns add "$NODE" && ip netns add "$CLIENT" || exit 1
	node ip link add node0 type veth peer name client0 netns "$CLIENT" || exit 1
	node ip addr add 10.99.0.1/24 dev node0
	node ip addr add fd99::1/64 dev node0 nodad
	for i in 2 3 4; do
		client ip addr add 10.99.0.$i/24 dev client0
		client ip addr add fd99::$i/64 dev client0 nodad
	done
	node ip link set lo up
	node ip link set node0 up
	client ip link set client0 up
	# the link is up when a first packet comes through
	for _ in $(seq 50); do
		[ "$(reach 10.99.0.2 9)" = pass ] && [ "$(reach fd99::2 9)" = pass ] && return
		sleep 0.1
	done
	echo "the veth pair carries nothing" && exit 1
}

reach() { # SOURCE PORT [SECONDS]: "pass" or "drop"
	local target=10.99.0.1 prefix=32 said
	case $1 in *:*) target=fd99::1 prefix=128 ;; esac
	client ip route replace $target/$prefix dev client0 src "$1"
	said=$(nsenter --net="/run/netns/$CLIENT" timeout "${3:-0.5}" bash -c "exec 3<>/dev/tcp/$target/$2" 2>&1)
	case $said in *refused*) echo pass ;; *) echo drop ;; esac
}

expect() { # WHAT, then SOURCE PORT WANT for each connection
	local what=$1 said
	shift
	while [ $# -gt 0 ]; do
		said=$(reach "$1" "$2")
		[ "$said$3" = droppass ] && said=$(reach "$1" "$2" 5) # a machine with much else to do answers late
		ok "$what: $1 to port $2" "$said" "$3"
		shift 3
	done
}

forget_neighbours() {
	node ip neigh flush all
	client ip neigh flush all
}

list() { # NAME PREFIX...: writes a list file, prints its path
	local name=$1
	shift
	printf '%s\n' "$@" >"$DIR/$name"
	echo "$DIR/$name"
}

policy() { # HOW it was attached
	expect "$1, nothing set" 10.99.0.2 8402 pass fd99::2 8402 pass
	tollbar attach node0 --mode allow --tcp 8402
	ok "$1, mode" $? 0
	forget_neighbours
	expect "$1, empty allowlist" 10.99.0.2 8402 drop fd99::2 8402 drop 10.99.0.2 9 pass fd99::2 9 pass
	tollbar attach node0 --allow "$(list allow 10.99.0.2 fd99::2/127 '# two of three')"
	expect "$1, allowlist" 10.99.0.2 8402 pass 10.99.0.3 8402 drop fd99::3 8402 pass fd99::4 8402 drop
	tollbar attach node0 --observe
	expect "$1, observe" 10.99.0.2 8402 pass 10.99.0.3 8402 pass fd99::4 8402 pass
	tollbar attach node0 --mode allow --allow "$(list allow 10.99.0.0/24)" --deny "$(list deny 10.99.0.3 fd99::/64)"
	expect "$1, deny beats allow" 10.99.0.2 8402 pass 10.99.0.3 8402 drop 10.99.0.3 9 pass fd99::2 8402 drop
	tollbar attach node0 --mode open
	expect "$1, denylist in open mode" 10.99.0.2 8402 pass 10.99.0.3 8402 drop fd99::2 8402 drop fd99::2 9 pass
	tollbar attach node0 --deny "$(list deny 10.99.0.2 10.99.0.3/24)"
	ok "$1, list with a mistake" $? 1
	tollbar attach node0 --deny "$DIR"
	ok "$1, a directory for a list" $? 1
	expect "$1, the list before stays" 10.99.0.2 8402 pass 10.99.0.3 8402 drop
	tollbar attach node0 --deny /dev/null
	expect "$1, no list" 10.99.0.3 8402 pass fd99::2 8402 pass
}

used_up() { # SOURCE: is a connection refused before long?  Each takes a small part of the second in which one comes free.
	for _ in $(seq 20); do [ "$(reach "$1" 8402)" = drop ] && return; done
	return 1
}

limits() {
	tollbar attach node0 --mode open --tcp 8402 --connections 1:3
	ok "limits" $? 0
	for source in 10.99.0.2 fd99::2; do
		expect "within the burst" $source 8402 pass $source 8402 pass $source 8402 pass
		used_up $source
		ok "$source is stopped above its limit" $? 0
		expect "another port" $source 9 pass
	done
	expect "an IPv4 neighbour" 10.99.0.3 8402 pass 10.99.0.3 8402 pass 10.99.0.3 8402 pass
	sleep 1.2
	expect "a second later" 10.99.0.2 8402 pass fd99::3 8402 pass
	used_up 10.99.0.2
	tollbar attach node0 --allow "$(list allow 10.99.0.2)"
	expect "listed" 10.99.0.2 8402 pass 10.99.0.2 8402 pass
	tollbar attach node0 --allow /dev/null --connections 0
	expect "no limits" fd99::3 8402 pass fd99::3 8402 pass
	for wrong in x 1:x 1: -1 10000001 100:1; do
		tollbar attach node0 --packets "$wrong"
		ok "--packets $wrong" $? 2
	done
	tollbar detach node0
}

pings() {
	command -v ping >/dev/null || { skip "ping is missing: ICMP is left to tests/bpf"; return; }
	tollbar attach node0 --mode allow --tcp 8402
	for target in 10.99.0.1 fd99::1; do
		nsenter --net="/run/netns/$CLIENT" ping -q -c 1 -W 2 $target >/dev/null
		ok "ping $target" $? 0
		nsenter --net="/run/netns/$CLIENT" ping -q -c 1 -W 2 -s 4000 $target >/dev/null
		ok "ping $target in fragments" $? 0
	done
}

by_tollbar() {
	tollbar attach node0
	ok "attach" $? 0
	case $(attached) in xdp_dispatcher | tollbar_gate) ok "attached" 0 0 ;; *) ok "attached" "$(attached)" tollbar_gate ;; esac
	policy "tollbar attach"
	pings
	tollbar detach node0
	ok "detach" $? 0
	ok "detached" "$(attached)" ""
	expect "detached" 10.99.0.3 8402 pass
	tollbar detach node0
	ok "detach again" $? 1
}

by_ip_link() { # KIND: xdp, xdpdrv or xdpgeneric
	node ip link set dev node0 "$1" obj $OBJECT sec xdp
	ok "ip link $1" $? 0
	policy "ip link $1"
	tollbar detach node0
	ok "detach from $1" "$? $(attached)" "0 "
}

in_netns_exec() {
	# It mounts, which needs a root that is a mount point; a chroot has none.
	mountpoint -q / || { skip "ip netns exec: / is no mount point here"; return; }
	ip netns exec "$NODE" "$TOLLBAR" attach node0 --mode allow --tcp 8402 2>>"$DIR/log"
	ok "attach in ip netns exec" $? 0
	expect "after ip netns exec" 10.99.0.2 8402 drop 10.99.0.2 9 pass
	ip netns exec "$NODE" "$TOLLBAR" detach node0 2>>"$DIR/log"
	ok "detach in ip netns exec" "$? $(attached)" "0 "
}

beside_another() {
	node ip link set dev node0 xdp obj build/tests/bpf/another.bpf.o sec xdp
	tollbar attach node0
	ok "attach beside another" "$? $(attached)" "1 another"
	tollbar attach node0 --replace --mode allow --tcp 8402
	ok "attach instead of another" "$? $(attached)" "0 tollbar_gate"
	expect "instead of another" 10.99.0.2 8402 drop
	tollbar detach node0
	ok "another is back" "$? $(attached)" "0 another"
	expect "another is back" 10.99.0.2 8402 pass
	node ip link set dev node0 xdp off
}

setup
[ $# = 0 ] && set -- by_tollbar limits "by_ip_link xdp" "by_ip_link xdpgeneric" in_netns_exec beside_another
for part in "$@"; do $part; done
[ -e "/sys/fs/bpf/tollbar/node0@$(node stat -Lc %i /proc/self/ns/net)" ]
ok "no pins left" $? 1
[ $FAILED = 0 ] || sed 's/^/log: /' "$DIR/log"
check_done
