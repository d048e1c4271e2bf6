#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every figure of the project, one "name value" a line, and all of them in build/bench.json.
#
#   scripts/bench.sh [GROUP...]      groups: steps ec funds results xdp ledger tracing proxy tls sse paid paid-npm paid-nginx native flood; default all
#
# Each ratio is the median of per-round ratios measured in one run, the sides taking turns, over the same upstream.  Where
# CPU time is compared (proxy, sse) the proxy is on cpu 0, and the load and the upstream share cpu 1, if there are two.
# Where requests a second are compared (paid), both sides run as they come: tollbar with a worker per core, express as the
# one process it is, and everything shares all cores.
# Names ending in _us are microseconds of the proxy's CPU time, all its processes and threads; _rate is requests a second.
# BENCH_ROUNDS (default 7) changes how often; an answer other than the expected one stops the run.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/offer.sh disable=SC1091
. scripts/offer.sh

rounds=${BENCH_ROUNDS:-7}
work=$(mktemp -d)
lines=$work/lines
: >"$lines"
started=()
declare -A url_of pid_of
workers=1
pin() { if (($(nproc) > 1)); then on_proxy=(taskset -c 0) on_load=(taskset -c 1); else on_proxy=() on_load=(); fi; }
# Throughput is what a machine gives: both sides as they come, on every core, with the load beside them.
unpin() { on_proxy=() on_load=() workers=0; }
pin

stop_all() {
	local pid
	for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
	started=()
}
trap 'stop_all; flood_down; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

give_up() { echo "bench: $*" >&2; exit 1; }
figure() { printf '%s %s\n' "$1" "$2" | tee -a "$lines"; }

# --- the servers ---

wait_for() { # seconds command...
	local end=$((SECONDS + $1))
	shift
	until "$@" 2>/dev/null; do
		((SECONDS < end)) || give_up "waited in vain: $*"
		sleep 0.05
	done
}

# Starts a server in the background; its pid is in $pid, its output in $work/NAME.out.
serve() { # name command...
	local name=$1
	shift
	"$@" >"$work/$name.out" 2>&1 &
	pid=$!
	started+=("$pid")
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
	node -e "const s = require('net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close(); })"
}

start_upstream() { # option... → $upstream
	rm -f "$work/upstream.port"
	serve upstream "${on_load[@]}" build/tests/tools/upstream --port-file "$work/upstream.port" "$@"
	wait_for 5 test -s "$work/upstream.port"
	upstream=127.0.0.1:$(cat "$work/upstream.port")
}

start_facilitator() { # → $facilitator
	rm -f "$work/facilitator.port"
	serve facilitator "${on_load[@]}" build/tests/tools/facilitator --port-file "$work/facilitator.port"
	wait_for 5 test -s "$work/facilitator.port"
	facilitator=http://127.0.0.1:$(cat "$work/facilitator.port")
}

# nginx from the system, or from its package, unpacked here: installing it would also start it.
find_nginx() {
	nginx=$(command -v nginx || ls /usr/sbin/nginx 2>/dev/null || ls build/nginx/usr/sbin/nginx 2>/dev/null || true)
	[[ -n $nginx ]] && return
	mkdir -p build/nginx
	(cd build/nginx && { apt-get download -qq nginx || { apt-get update -qq && apt-get download -qq nginx; }; } &&
		dpkg-deb -x nginx_*.deb . && rm nginx_*.deb) >&2 || give_up "nginx cannot be had"
	nginx=build/nginx/usr/sbin/nginx
}

start_nginx() { # → url_of, pid_of
	local port
	find_nginx
	port=$(free_port)
	mkdir -p "$work/nginx"
	cat >"$work/nginx/nginx.conf" <<-END
		daemon off;
		worker_processes 1;
		$( ((EUID == 0)) && echo "user root;")
		pid $work/nginx/pid;
		error_log $work/nginx/error.log crit;
		events { worker_connections 4096; }
		http {
			access_log off;
			client_body_temp_path $work/nginx/body;
			proxy_temp_path $work/nginx/proxy;
			fastcgi_temp_path $work/nginx/fastcgi;
			uwsgi_temp_path $work/nginx/uwsgi;
			scgi_temp_path $work/nginx/scgi;
			upstream model { server $upstream; keepalive 256; keepalive_requests 1000000000; }
			server {
				listen 127.0.0.1:$port${nginx_tls:-};
				keepalive_requests 1000000000;
				location / {
					proxy_pass http://model;
					proxy_http_version 1.1;
					proxy_set_header Connection "";
					proxy_buffering off;
					proxy_request_buffering off;
				}
			}
		}
	END
	serve nginx "${on_proxy[@]}" "$nginx" -p "$work/nginx" -c "$work/nginx/nginx.conf"
	pid_of[nginx]=$pid
	wait_for 10 listens "$port"
	url_of[nginx]=http://127.0.0.1:$port
}

tollbar_conf() { # address port state-directory facilitator-url asset, more lines of [node] on stdin
	cat <<-END
		[node]
		listen = $1:$2
		admin = 127.0.0.1:$(free_port)
		state = $3
		workers = $workers
		log = error
		$(cat)
		${tls_section:-}
		[facilitator]
		url = $4
		in_flight = 64
		[upstream model]
		url = http://$upstream
		in_flight = 256
		$(offer_section exact "$5")
		[route paid]
		match = POST /v1/chat/completions
		offers = exact
		upstream = model
		[route free]
		match = POST /v1/completions
		upstream = model
	END
}

# $side and $program: another build of it, beside it.  $node_lines: more of [node].
start_tollbar() { # facilitator-url asset [metered|sessions] → url_of, pid_of
	local port name=${side:-tollbar}
	port=$(free_port)
	rm -rf "$work/state-$name"
	mkdir "$work/state-$name"
	tollbar_conf 127.0.0.1 "$port" "$work/state-$name" "$1" "$2" <<<"${node_lines:-}" >"$work/$name.conf"
	[[ ${3:-exact} == exact ]] || metered_offer "$2"
	[[ ${3:-} != sessions ]] || sed -i 's/^offers = metered$/&\nsession = on/; s/^workers = .*/&\nsessions = 65536/' "$work/tollbar.conf"
	serve "$name" "${on_proxy[@]}" "${program:-build/tollbar}" run -c "$work/$name.conf"
	pid_of[$name]=$pid
	wait_for 10 listens "$port"
	url_of[$name]=http://127.0.0.1:$port
}

# The paid route takes an upto offer instead; ending does not wait for settlements.
metered_offer() { # asset
	sed -i 's/^offers = exact$/offers = metered/' "$work/tollbar.conf"
	cat >>"$work/tollbar.conf" <<-END
		[timeouts]
		drain_ms = 1
		[offer metered]
		method = upto
		network = eip155:84532
		asset = $1
		pay_to = 0x209693Bc6afc0C5328bA36FaF03C514EF312287C
		facilitator = 0x209693Bc6afc0C5328bA36FaF03C514EF312287C
		amount = 10000
		max_timeout_s = 300
		input_per_mtok = 1000000
		output_per_mtok = 1000000
	END
}

start_express() { # facilitator-url asset → url_of
	serve express "${on_proxy[@]}" node tests/bench/express.mjs "$1" "http://$upstream" "$2"
	wait_for 30 grep -q '^port' "$work/express.out"
	pid_of[express]=$pid
	url_of[express]=http://127.0.0.1:$(awk '/^port/ {print $2}' "$work/express.out")
}

# --- measuring ---

# CPU time of a process, its children and all their threads, in nanoseconds.
cpu_ns() { # pid
	local process thread ns sum=0
	for process in $1 $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
		for thread in "/proc/$process/task/"*/schedstat; do
			read -r ns _ 2>/dev/null <"$thread" && sum=$((sum + ns)) # in the shell: mawk cannot print it
		done
	done
	echo "$sum"
}

# One load run; its figures are in the array $got.
declare -A got
load() { # option... url
	local name value output
	output=$("${on_load[@]}" build/tests/tools/load "$@") || give_up "load $* said:
$output
$(tail -n 5 "$work"/*.out)"
	got=()
	while read -r name value; do got[$name]=$value; done <<<"$output"
}

# CPU microseconds per `unit` of one load run on a proxy, in $cost.
cost_of() { # unit pid load-option...
	local unit=$1 pid=$2 before
	shift 2
	before=$(cpu_ns "$pid")
	load "$@"
	cost=$(awk -v ns=$(($(cpu_ns "$pid") - before)) -v n="${got[$unit]}" 'BEGIN {printf "%.4f", ns / n / 1000}')
}

median() { printf '%s\n' "$@" | sort -n | awk '{at[NR] = $1} END {print (NR % 2) ? at[(NR + 1) / 2] : (at[NR / 2] + at[NR / 2 + 1]) / 2}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.4f", a / b}'; }

# Rounds of `measure tollbar` and `measure OTHER` in turn, the first of a round changing; the value is in $cost.
# Prints figure NAME (tollbar over other) and both medians with their UNIT.
duel() { # name other unit
	local name=$1 other=$2 unit=$3 round side order ratios=() ours=() theirs=()
	for ((round = 0; round < rounds; round++)); do
		declare -A value=()
		if ((round % 2)); then order="tollbar $other"; else order="$other tollbar"; fi
		for side in $order; do
			measure "$side"
			value[$side]=$cost
		done
		ours+=("${value[tollbar]}")
		theirs+=("${value[$other]}")
		ratios+=("$(ratio "${value[tollbar]}" "${value[$other]}")")
	done
	figure "$name" "$(median "${ratios[@]}")"
	figure "${name}_tollbar_$unit" "$(median "${ours[@]}")"
	figure "${name}_${other}_$unit" "$(median "${theirs[@]}")"
}

asset=$USDC
header="X-Filler: $(printf '%1536s' '' | tr ' ' a)" # stands for a payment header, which an unpaid route ignores
body='{"model":"stand-in","messages":[{"role":"user","content":"Say something, please: what is a toll bar, and who was it that opened it?"}],"temperature":0.7,"max_tokens":64}'
stream_body=${body%\}},\"stream\":true\}

# CPU per forwarded request of an unpaid route: 64 connections, 1.5 KB header.
group_proxy() {
	start_upstream
	start_nginx
	start_tollbar http://127.0.0.1:9 "$asset" # nothing is settled here
	measure() {
		cost_of completed "${pid_of[$1]}" --connections 64 --seconds "${BENCH_SECONDS:-1.5}" --data "$body" --header "$header" "${url_of[$1]}/v1/completions"
	}
	measure nginx # warm up: connections, buffers
	measure tollbar
	duel proxy_over_nginx nginx us
	stop_all
}

# The same over TLS 1.3, on connections that stay, so that no handshake is in it; then on a connection for each request.  One
# certificate, ECDSA P-256; no session is resumed.
group_tls() {
	local nginx_tls port
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$work/tls.key" -out "$work/tls.pem" -days 2 -subj /CN=bench 2>/dev/null ||
		give_up "no certificate"
	start_upstream
	nginx_tls=" ssl; ssl_certificate $work/tls.pem; ssl_certificate_key $work/tls.key; ssl_protocols TLSv1.2 TLSv1.3"
	start_nginx
	port=$(free_port)
	tls_section=$'[tls]\n'"listen = 127.0.0.1:$port"$'\n'"certificate = $work/tls.pem"$'\n'"key = $work/tls.key" \
		start_tollbar http://127.0.0.1:9 "$asset"
	url_of[tollbar]=https://127.0.0.1:$port url_of[nginx]=${url_of[nginx]/http:/https:}
	measure() {
		cost_of completed "${pid_of[$1]}" --connections 64 --seconds "${BENCH_SECONDS:-1.5}" --data "$body" --header "$header" "${url_of[$1]}/v1/completions"
	}
	measure nginx
	measure tollbar
	duel tls_over_nginx nginx us
	measure() {
		cost_of completed "${pid_of[$1]}" --connections 32 --seconds "${BENCH_SECONDS:-1.5}" --header "Connection: close" --data "$body" "${url_of[$1]}/v1/completions"
	}
	duel tls_connection_over_nginx nginx us
	stop_all
}

# CPU per relayed server-sent event: 32 streams of 200 events, one each millisecond.
group_sse() {
	start_upstream --tokens 200 --tick-us 1000
	start_nginx
	start_tollbar http://127.0.0.1:9 "$asset"
	measure() {
		cost_of events "${pid_of[$1]}" --connections 32 --requests 256 --data "$stream_body" "${url_of[$1]}/v1/completions"
		((got[events] == 256 * 202)) || give_up "$1 lost events: ${got[events]} of $((256 * 202))"
	}
	measure nginx
	measure tollbar
	duel sse_over_nginx nginx us
	stop_all
}

# Paid exact requests a second, a fresh nonce each, 32 connections unless $connections says other; what one costs its server
# is printed beside.
pay_against() { # side payments key-file
	local side=$1
	cost_of completed "${pid_of[$side]}" --connections "${connections:-32}" --pay "$2" --key "$3" --data "$body" "${url_of[$side]}/v1/chat/completions"
	echo "# $side: ${got[rate]} paid requests a second, $cost us of its CPU each"
	cost=${got[rate]}
}

paid_duel() { # name facilitator-url asset key-file payments-tollbar payments-express
	local name=$1 key=$4 side rounds=${BENCH_PAID_ROUNDS:-3}
	local -A cnt=([tollbar]=$5 [express]=$6)
	unpin
	start_upstream
	start_express "$2" "$3"
	start_tollbar "$2" "$3"
	measure() {
		pay_against "$1" "${cnt[$1]}" "$key"
	}
	for side in express tollbar; do pay_against "$side" 64 "$key" >/dev/null; done # warm up
	duel "$name" express rate
	stop_all
}

make_key() { (umask 077 && echo 0x4242424242424242424242424242424242424242424242424242424242424242 >"$work/key"); }

group_paid() {
	make_key
	unpin
	start_facilitator
	paid_duel paid_over_express "$facilitator" "$asset" "$work/key" 20000 1500
}

# The same with the real facilitator on a private chain: it is the bottleneck, so this says how little is left to win.
group_paid-npm() {
	local url token key
	serve npm-facilitator "${on_load[@]}" node tests/bench/facilitator.mjs
	wait_for 60 grep -q '^ready' "$work/npm-facilitator.out"
	read -r _ url token key < <(grep '^ready' "$work/npm-facilitator.out")
	(umask 077 && echo "$key" >"$work/key-npm")
	echo "# the npm facilitator settles one transaction at a time; it limits both sides of the next figure"
	paid_duel paid_over_express_npm_facilitator "$url" "$token" "$work/key-npm" 96 96
}

# shellcheck source=scripts/bench-flood.sh disable=SC1091
. scripts/bench-flood.sh
# shellcheck source=scripts/bench-native.sh disable=SC1091
. scripts/bench-native.sh

# CPU of a paid request, verified, claimed durably and forwarded, over a request nginx forwards as it comes: 64 connections,
# one payer, known after the warm-up, the same upstream and body, and nginx's request padded to the payment's size.  Of
# tollbar all threads count: workers, ledger commits, settlement.
#   paid_over_nginx           upto, where a payment opens a session: the answer leaves once claim and debt are on disk.  Each
#                             request has a payment of its own; it is settled when its session is idle, which is later
#   paid_streamed_over_nginx  upto, streamed, 1 token: the same with three writes to the client.  The facilitator never answers,
#                             so settling, which would come later, is left out but for the 64 calls under way
#   paid_settled_over_nginx   exact: the answer is held, settled at a facilitator that answers at once, then released
paid_nginx_duel() { # name tollbar-options... then nginx-options after --
	local name=$1 option to_tollbar=() to_nginx=()
	shift
	for option; do
		shift
		[[ $option == -- ]] && break
		to_tollbar+=("$option")
	done
	to_nginx=("$@")
	measure() {
		if [[ $1 == tollbar ]]; then
			cost_of completed "${pid_of[tollbar]}" --connections 64 --pay "${BENCH_PAYMENTS:-8000}" --key "$work/key" \
				"${to_tollbar[@]}" "${url_of[tollbar]}/v1/chat/completions"
		else
			cost_of completed "${pid_of[nginx]}" --connections 64 --requests "${BENCH_PAYMENTS:-8000}" \
				"${to_nginx[@]}" "${url_of[nginx]}/v1/chat/completions"
		fi
	}
	measure nginx
	measure tollbar
	duel "$name" nginx us
}

group_paid-nginx() {
	local padding rounds=${BENCH_PAID_NGINX_ROUNDS:-5}
	make_key
	pin
	start_facilitator
	start_upstream
	start_nginx
	start_tollbar "$facilitator" "$asset"
	build/tests/tools/load --pay 1 --key "$work/key" --save-headers "$work/header" --data "$body" "${url_of[tollbar]}/v1/chat/completions" >/dev/null
	padding="X-Filler: $(printf "%$(($(wc -c <"$work/header") - 11))s" '' | tr ' ' a)"
	paid_nginx_duel paid_settled_over_nginx --data "$body" -- --data "$body" --header "$padding"
	kill "${pid_of[tollbar]}"
	start_tollbar "$facilitator" "$asset" sessions
	paid_nginx_duel paid_over_nginx --method upto --data "$body" -- --data "$body" --header "$padding"
	kill "${pid_of[tollbar]}"
	start_tollbar "$facilitator" "$asset" metered
	curl -sf -o /dev/null -d hang "$facilitator/mode"
	paid_nginx_duel paid_streamed_over_nginx --method upto --data "$stream_body" --header "X-Tokens: 1" -- \
		--data "$stream_body" --header "X-Tokens: 1" --header "$padding"
	stop_all
}

# The ledger alone, then what its disk costs: paid exact requests a second, over the same daemon linked with a log that is
# not written (tests/bench/volatile.c).  256 connections: a commit takes what came while the last one was under way, and
# neither side is to be measured on waiting.
group_ledger() {
	local rounds=${BENCH_PAID_ROUNDS:-5} connections=256
	"${on_proxy[@]}" build/tests/bench/bench_ledger | tee -a "$lines"
	make_key
	unpin
	start_facilitator
	start_upstream
	start_tollbar "$facilitator" "$asset"
	side=volatile program=build/tests/bench/volatile start_tollbar "$facilitator" "$asset"
	measure() {
		pay_against "$1" "${BENCH_PAYMENTS:-16000}" "$work/key"
	}
	for side in volatile tollbar; do measure "$side" >/dev/null; done # warm up
	duel durable_claim_cost volatile rate
	stop_all
}

# Paid requests a second of a daemon that is asked for all it can say of each (a line of the access log, Server-Timing; step times
# are always counted), over one that is asked for nothing; then with bpftrace at every probe, too.
group_tracing() {
	local rounds=${BENCH_PAID_ROUNDS:-5} connections=256
	make_key
	unpin
	start_facilitator
	start_upstream
	side=silent start_tollbar "$facilitator" "$asset"
	node_lines="access_log = $work/access.log"$'\n'"server_timing = yes" start_tollbar "$facilitator" "$asset"
	measure() {
		pay_against "$1" "${BENCH_PAYMENTS:-16000}" "$work/key"
	}
	for side in silent tollbar; do measure "$side" >/dev/null; done # warm up
	duel tracing_on_over_off silent rate
	serve bpftrace bpftrace -p "${pid_of[tollbar]}" scripts/trace/steps.bt
	wait_for 30 grep -q Attaching "$work/bpftrace.out"
	duel tracing_probes_on_over_off silent rate
	stop_all
}

group_steps() { "${on_proxy[@]}" build/tests/bench/bench_steps | tee -a "$lines"; }
# 77: this machine cannot.
group_ec() { "${on_proxy[@]}" build/tests/bench/bench_ec | tee -a "$lines" || ((PIPESTATUS[0] == 77)); }
group_funds() { "${on_proxy[@]}" build/tests/bench/bench_funds | tee -a "$lines"; }
group_results() { "${on_proxy[@]}" build/tests/bench/bench_results | tee -a "$lines"; }
group_xdp() {
	"${on_proxy[@]}" build/tests/bench/bench_xdp | tee -a "$lines"
	"${on_proxy[@]}" build/tests/bench/bench_xdp_native | tee -a "$lines"
}

groups=("$@")
((${#groups[@]})) || groups=(steps ec funds results xdp ledger tracing proxy tls sse paid paid-npm paid-nginx native flood)
for group in "${groups[@]}"; do
	declare -F "group_$group" >/dev/null || give_up "no group '$group'"
	"group_$group"
done

awk 'NF == 2 && $1 ~ /^[a-z]/ && $2 ~ /^-?[0-9.]+$/ {printf "%s\n  \"%s\": %s", n++ ? "," : "{", $1, $2} END {print "\n}"}' "$lines" >build/bench.json
