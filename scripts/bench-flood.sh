# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154 # read by bench.sh, whose functions and variables it uses
# Goodput under attack: paid requests a second through tollbar while another process floods its service port with SYNs,
# stray segments and malformed ones from random sources that are on no list.  Needs root.
#
# Three veth pairs join the two namespaces:
#   node0    the filter is attached: 1,000 prefixes and 10,000 single addresses allowed, all others not
#   spare0   a bare XDP_DROP
#   bare0    no XDP
# goodput_NAME is the rate while the flood comes in at node0, over the rate of the same requests through node0 while the
# same flood hits spare0: both sides lose the same CPU to the generator.  goodput_NAME_no_xdp has flood and requests at
# bare0, over the same.  Every request must be answered 200.
#
# The pairs have one queue of 256 places, for flood and requests alike: what the filter does not take off in time pushes
# requests out.  full_flood_queues is the full flood once more where each has a queue per CPU and sends on that of its own
# CPU, as NICs do.  (There the flood's own CPU does the stack's work for it, so that without XDP it gets slower instead.)

flood_namespaces=
flood_queues=1 # of each interface
flood_payments=${BENCH_FLOOD_PAYMENTS:-4000}

flood_down() {
	[[ -n $flood_namespaces ]] || return 0
	flood_node build/tollbar detach node0 >/dev/null 2>&1 || true # its pins outlive the namespace
	scripts/netns.sh down "$flood_namespaces"
}
flood_node() { nsenter --net="/run/netns/$flood_namespaces-node" "$@"; }
flood_client() { nsenter --net="/run/netns/$flood_namespaces-client" "$@"; }

flood_pair() { # node-interface client-interface network
	flood_node ip link add "$1" numrxqueues "$flood_queues" numtxqueues "$flood_queues" type veth \
		peer name "$2" numrxqueues "$flood_queues" numtxqueues "$flood_queues" netns "$flood_namespaces-client"
	flood_node ip address add "$3.1/24" dev "$1"
	flood_client ip address add "$3.2/24" dev "$2"
	flood_node ip link set "$1" up
	flood_client ip link set "$2" up
	flood_client ethtool -K "$2" tx off gro on >/dev/null
	flood_node ethtool -K "$1" gro on >/dev/null
	((flood_queues == 1)) || flood_node unshare -m sh -c "$flood_spread" spread "$1"
	((flood_queues == 1)) || flood_client unshare -m sh -c "$flood_spread" spread "$2"
}

# Each CPU sends on the queue of its number.  Run in a mount namespace of its own, whose /sys is the network namespace's.
# shellcheck disable=SC2016 # for the shell inside
flood_spread='mount -t sysfs none /sys && cd "/sys/class/net/$1/queues" || exit
for queue in tx-*; do printf "%x" $((1 << ${queue#tx-})) >"$queue/xps_cpus" || exit; done'

flood_up() {
	flood_namespaces=tbbench-$$
	scripts/netns.sh up "$flood_namespaces"
	flood_node ip link delete node0 # for one with as many queues as wanted
	flood_pair node0 client0 10.77.0
	flood_pair spare0 spare1 10.78.0
	flood_pair bare0 bare1 10.79.0
	flood_node build/tests/tools/flood --floor spare0
	flood_node build/tollbar attach node0 2>/dev/null
}

# The client's network, and entries among the addresses the flood comes from, which it misses (tests/tools/flood.bpf.c).
flood_allow_list() {
	echo 10.77.0.0/24
	awk 'BEGIN {
		for (i = 1; i < 1000; i++) printf "%d.%d.%d.0/24\n", 128 + i % 64, i * 37 % 256, i * 14 % 256 + 1
		for (i = 0; i < 10000; i++) printf "%d.%d.%d.%d\n", 128 + i % 64, i * 41 % 256, i * 22 % 256 + 1, i % 254 + 1
	}'
}

# Its namespace is entered by exec, so that $! is the server.
flood_serve() { # name command...
	local name=$1
	shift
	serve "$name" nsenter --net="/run/netns/$flood_namespaces-node" "$@"
}

flood_start_servers() { # → flood_url[node0], flood_url[bare0]
	rm -f "$work/upstream.port" "$work/facilitator.port"
	flood_serve upstream build/tests/tools/upstream --port-file "$work/upstream.port"
	flood_serve facilitator build/tests/tools/facilitator --port-file "$work/facilitator.port"
	wait_for 5 test -s "$work/upstream.port"
	wait_for 5 test -s "$work/facilitator.port"
	upstream=127.0.0.1:$(cat "$work/upstream.port")
	flood_allow_list >"$work/allow"
	rm -rf "$work/state"
	mkdir "$work/state"
	tollbar_conf 10.77.0.1 8402 "$work/state" "http://127.0.0.1:$(cat "$work/facilitator.port")" "$asset" >"$work/flood.conf" <<-END
		listen = 10.79.0.1:8402
		interface = node0
	END
	printf '[filter]\nmode = allow\nallow = %s\n' "$work/allow" >>"$work/flood.conf"
	flood_serve tollbar build/tollbar run -c "$work/flood.conf"
	wait_for 10 flood_client curl -s -o /dev/null -m 1 http://10.77.0.1:8402/
}

mac_of() { flood_node ip link show "$1" | awk '/link\/ether/ {print $2}'; }

# Paid requests a second at $1 while the flood hits $2; in $cost.
flood_measure() { # requests-at flood-at rate
	local -A network=([node0]=10.77.0 [spare0]=10.78.0 [bare0]=10.79.0) from=([node0]=client0 [spare0]=spare1 [bare0]=bare1)
	local flood_pid
	nsenter --net="/run/netns/$flood_namespaces-client" build/tests/tools/flood --interface "${from[$2]}" --to-mac "$(mac_of "$2")" \
		--to-ip "${network[$2]}.1" --port 8402 --rate "$3" --seconds 60 >"$work/flood.out" 2>&1 & # no function: $! must be the flood
	flood_pid=$!
	started+=("$flood_pid")
	sleep 0.3
	load --connections 32 --pay "$flood_payments" --key "$work/key" --data "$body" "http://${network[$1]}.1:8402/v1/chat/completions"
	kill "$flood_pid"
	wait "$flood_pid" || give_up "the flood ended: $(cat "$work/flood.out")"
	cost=${got[rate]}
	echo "# requests at $1, flood at $2: $cost a second, flood $(awk '/^rate/ {print $2}' "$work/flood.out") a second"
}

flood_duel() { # name rate
	local round order side rounds=${BENCH_FLOOD_ROUNDS:-5} ours=() bare=()
	for ((round = 0; round < rounds; round++)); do
		local -A value=()
		order="node0 spare0 bare0"
		((round % 2)) && order="bare0 spare0 node0"
		for side in $order; do
			case $side in
			spare0) flood_measure node0 spare0 "$2" ;;
			*) flood_measure "$side" "$side" "$2" ;;
			esac
			value[$side]=$cost
		done
		ours+=("$(ratio "${value[node0]}" "${value[spare0]}")")
		bare+=("$(ratio "${value[bare0]}" "${value[spare0]}")")
	done
	figure "goodput_$1" "$(median "${ours[@]}")"
	figure "goodput_$1_no_xdp" "$(median "${bare[@]}")"
}

flood_stage() { # queues
	flood_queues=$1
	flood_up
	flood_start_servers
	on_load=(nsenter --net="/run/netns/$flood_namespaces-client")
}

flood_unstage() {
	stop_all
	flood_down
	flood_namespaces=
}

group_flood() {
	((EUID == 0)) || give_up "flood: namespaces need root"
	make_key
	unpin
	flood_stage 1
	flood_duel 300k_flood 300000
	flood_duel 2m_flood 2000000
	flood_duel full_flood 0
	flood_unstage
	flood_stage "$(nproc)"
	flood_duel full_flood_queues 0
	flood_unstage
}
