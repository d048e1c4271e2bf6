#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two network namespaces joined by a veth pair, for tests and the demo.  Needs root.
#
#   scripts/netns.sh up NAME      NAME-node with interface node0, NAME-client with interface client0
#   scripts/netns.sh down NAME    removes both, with everything in them and the filter's pins; fine when there is nothing
#
#   node0    10.77.0.1/24  fd77::1/64
#   client0  10.77.0.2/24  fd77::2/64, and as a second source 10.77.0.66 and fd77::66
#
# Enter with `nsenter --net=/run/netns/NAME-node`: unlike `ip netns exec` it leaves /sys alone, so that bpffs is seen.
# Native XDP on veth: the MTU is 1500 (above 3506 the driver refuses), and transmit checksum offload is off on the
# client's side, since a frame between two ends of a veth otherwise carries no checksum that a program could check.
set -eu

[ $# -eq 2 ] || { sed -n '3,10s/^# \{0,1\}//p' "$0"; exit 2; }
node=$2-node client=$2-client

down() {
	for namespace in "$node" "$client"; do
		if ip netns list | grep -qw "^$namespace"; then
			rm -rf "/sys/fs/bpf/tollbar/"*"@$(stat -Lc %i "/run/netns/$namespace")" # a filter's pins outlive it
			ip netns delete "$namespace"
		fi
	done
	rmdir /sys/fs/bpf/tollbar 2>/dev/null || true # unless others have pins there
}

inside() { nsenter --net=/run/netns/"$namespace" "$@"; } # `ip -n` also wants / to be a mount point, which it is not in a chroot

addresses() { # namespace interface address...
	namespace=$1 interface=$2
	shift 2
	inside ip link set lo up
	for address in "$@"; do
		case $address in
		*:*) inside ip address add "$address" dev "$interface" nodad ;;
		*) inside ip address add "$address" dev "$interface" ;;
		esac
	done
	inside ip link set "$interface" up
}

up() {
	down
	trap 'down' EXIT
	ip netns add "$node"
	ip netns add "$client"
	ip link add node0 netns "$node" type veth peer name client0 netns "$client"
	addresses "$node" node0 10.77.0.1/24 fd77::1/64
	addresses "$client" client0 10.77.0.2/24 10.77.0.66/24 fd77::2/64 fd77::66/64
	nsenter --net=/run/netns/"$client" ethtool -K client0 tx off gro on >/dev/null
	nsenter --net=/run/netns/"$node" ethtool -K node0 gro on >/dev/null
	trap - EXIT
}

case $1 in
up) up ;;
down) down ;;
*) echo "netns.sh: up or down, not $1" >&2; exit 2 ;;
esac
