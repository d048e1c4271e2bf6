# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # read by bench.sh, whose functions and variables it uses and sets
# Requests by UDP.

# Daemon, facilitator and model server in a network namespace of their own, which ends with them: bench_queue lays a way to it
# that takes as long as it is told.
native_time_to_queue() {
	local holder ms workers=1
	((EUID == 0)) || give_up "native: namespaces need root"
	make_key
	serve namespace unshare -n sh -c 'ip link set lo up && exec sleep infinity'
	holder=$pid
	wait_for 5 grep -q '^ *lo:' "/proc/$holder/net/dev"
	rm -f "$work/facilitator.port"
	serve facilitator nsenter -n -t "$holder" build/tests/tools/facilitator --port-file "$work/facilitator.port"
	wait_for 5 test -s "$work/facilitator.port"
	rm -rf "$work/state"
	mkdir "$work/state"
	upstream=127.0.0.1:8404
	tollbar_conf 0.0.0.0 8402 "$work/state" "http://127.0.0.1:$(cat "$work/facilitator.port")" "$asset" </dev/null >"$work/native.conf"
	sed -i 's/^\[route paid\]$/&\nnative = 1/' "$work/native.conf"
	printf '[native]\nlisten = 0.0.0.0:8403\n[timeouts]\ndrain_ms = 1\n' >>"$work/native.conf"
	serve tollbar nsenter -n -t "$holder" build/tollbar run -c "$work/native.conf"
	wait_for 10 nsenter -n -t "$holder" curl -s -o /dev/null -m 1 http://127.0.0.1:8402/
	for ms in 10 1 0; do
		nsenter -n -t "$holder" build/tests/bench/bench_queue "$ms" 8402 8403 8404 "$work/key" | tee -a "$lines"
	done
	stop_all
}

# Native requests that were verified, claimed durably and queued, a second of one worker's CPU (all threads of the daemon count),
# over secp256k1_ecdsa_recover alone in a loop on the same core.  The model server has one place, which the first one takes,
# so all others wait in line; they are given up before the next round, whose requests find slots that were used before.
#   native_known    256 payers, whose keys are known from a request before
#   native_unknown  every request is another payer's first
start_native() { # facilitator-url → url_of, pid_of
	local port
	port=$(free_port)
	rm -rf "$work/state-native"
	mkdir "$work/state-native"
	tollbar_conf 127.0.0.1 "$port" "$work/state-native" "$1" "$asset" >"$work/native.conf" <<-END
		queue_requests = 65536
		queue_bytes = 1G
	END
	sed -i 's/^in_flight = 256$/in_flight = 1/; s/^\[route paid\]$/&\nnative = 1/' "$work/native.conf"
	cat >>"$work/native.conf" <<-END
		[native]
		listen = 127.0.0.1:$port
		requests = 65536
		results = 131072
		results_bytes = 1G
		cookies = off
		[timeouts]
		queue_ms = 4000
		drain_ms = 1
	END
	serve native "${on_proxy[@]}" build/tollbar run -c "$work/native.conf"
	pid_of[native]=$pid
	wait_for 10 listens "$port"
	url_of[native]=http://127.0.0.1:$port/v1/chat/completions
}

# One run of it, in $cost: nanoseconds of the daemon's CPU for each request.
native_cost() { # option...
	local output
	output=$("${on_load[@]}" build/tests/tools/native --count "${BENCH_PAYMENTS:-10000}" --server "${pid_of[native]}" "$@" "${url_of[native]}") ||
		give_up "native $* said: $output $(tail -n 5 "$work/native.out")"
	cost=$(awk '/^server_ns/ {print $2}' <<<"$output")
	sleep 6 # those in line are given up
}

native_requests() {
	local round alone first=1000 known=() unknown=() known_us=() unknown_us=()
	start_facilitator
	start_upstream --delay-ms 3600000
	start_native "$facilitator"
	native_cost --keys 256 --warm # touches the slots
	for ((round = 0; round < rounds; round++)); do
		alone=$("${on_proxy[@]}" build/tests/tools/native --recover 5000 | awk '{print $2}')
		native_cost --keys 256 --warm
		known+=("$(ratio "$alone" "$cost")") known_us+=("$(ratio "$cost" 1000)")
		native_cost --keys "${BENCH_PAYMENTS:-10000}" --first-key "$((first += 100000))"
		unknown+=("$(ratio "$alone" "$cost")") unknown_us+=("$(ratio "$cost" 1000)")
	done
	figure native_known "$(median "${known[@]}")"
	figure native_known_us "$(median "${known_us[@]}")"
	figure native_unknown "$(median "${unknown[@]}")"
	figure native_unknown_us "$(median "${unknown_us[@]}")"
	stop_all
}

group_native() {
	native_requests
	native_time_to_queue
}
