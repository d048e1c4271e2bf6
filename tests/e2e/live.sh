# SPDX-License-Identifier: Apache-2.0
# live.sh: a node and a client in two network namespaces, and the daemon between them, for the shell tests, which source it
# after check.sh.  It ends with them, however they end; one with more to take away sets a trap of its own, which calls
# live_down.
# shellcheck shell=bash
# shellcheck source=scripts/offer.sh disable=SC1091
. scripts/offer.sh
TOLLBAR=${TOLLBAR:-build/tollbar}
NAME=tblive-$$
DIR=$(mktemp -d)
DAEMON=
HELPERS=() # the other processes, which end with the test

# The namespace of the network alone: ip netns exec would hide /sys/fs/bpf.
node() { nsenter --net="/run/netns/$NAME-node" "$@"; }
client() { nsenter --net="/run/netns/$NAME-client" "$@"; }
tollbar() { node "$TOLLBAR" "$@" 2>>"$DIR/attach"; }

live_up() {
	scripts/netns.sh up "$NAME" || exit 1
	live_helper upstream
}

live_down() {
	[ -n "$DAEMON" ] && kill "$DAEMON" 2>/dev/null && wait "$DAEMON" 2>/dev/null
	for pid in "${HELPERS[@]}"; do kill "$pid" 2>/dev/null; done
	for iface in $(node ip -o link 2>/dev/null | sed -n 's/^[0-9]*: \([^@:]*\)[@:].*/\1/p'); do
		tollbar detach "$iface" >/dev/null
	done
	scripts/netns.sh down "$NAME"
	rm -rf "$DIR"
}

trap live_down EXIT
trap 'exit 1' INT TERM

live_helper() { # TOOL: starts it on the node; its port is then in $DIR/TOOL
	nsenter --net="/run/netns/$NAME-node" "build/tests/tools/$1" --port 0 --port-file "$DIR/$1" >/dev/null &
	HELPERS+=($!)
	for _ in $(seq 50); do [ -s "$DIR/$1" ] && return; sleep 0.1; done
	echo "$1 does not come up" && exit 1
}

# Starts the daemon; it serves GET /v1/models unpaid.
live_start() { # NODE-SETTINGS FILTER-SETTINGS MORE-SECTIONS
	cat >"$DIR/conf" <<-CONF
	[node]
	listen = 10.77.0.1:8402
	admin = 127.0.0.1:9402
	workers = 2
	$1
	[filter]
	${2:-}
	[upstream model]
	url = http://127.0.0.1:$(cat "$DIR/upstream")
	[route models]
	match = GET /v1/models
	upstream = model
	${3:-}
	CONF
	# not by the function: $! must be the daemon, not a subshell around it
	nsenter --net="/run/netns/$NAME-node" "$TOLLBAR" run -c "$DIR/conf" 2>>"$DIR/log" &
	DAEMON=$!
	for _ in $(seq 100); do
		node curl -s -o /dev/null -m 1 http://127.0.0.1:9402/readyz && return
		sleep 0.1
	done
	echo "the daemon does not come up" && cat "$DIR/log" && exit 1
}

live_stop() {
	kill "$DAEMON" && wait "$DAEMON"
	ok "the daemon's exit status" $? 0
	DAEMON=
}

# MORE-SECTIONS for a daemon that takes payments for POST /v1/chat/completions; after live_helper facilitator.
live_paid() {
	cat <<-CONF
	[facilitator]
	url = http://127.0.0.1:$(cat "$DIR/facilitator")
	$(offer_section usdc)
	[route chat]
	match = POST /v1/chat/completions
	offers = usdc
	upstream = model
	CONF
}

# The node's address on a source's network, as a URL has it.
address_for() { # SOURCE
	case $1 in
	*:*) echo "[${1%%::*}::1]" ;;
	*) echo 10.77.0.1 ;;
	esac
}

# HTTP status of a request from a source; 000: nothing came back.
ask() { # SOURCE PATH
	client curl -s -o /dev/null -m 1 --interface "$1" -w '%{http_code}' "http://$(address_for "$1"):8402$2"
}

# A figure of /metrics; nothing when there is none.
metric() { # NAME{LABELS}
	node curl -s -m 2 http://127.0.0.1:9402/metrics | grep -v "^#" | grep -F "$1 " | sed 's/.* //'
}

# A connection from the client's network that stays, and asks for GET /v1/models whenever live_kept_asks is called, which gives the
# status; nothing when no answer comes within five seconds.
live_keep() {
	mkfifo "$DIR/turns"
	# shellcheck disable=SC2016 # for the inner shell
	nsenter --net="/run/netns/$NAME-client" bash -c '
		exec 3<>/dev/tcp/10.77.0.1/8402
		while read -r _; do
			printf "GET /v1/models HTTP/1.1\r\nHost: node\r\n\r\n" >&3
			read -r -t 5 _ status _ <&3
			echo "$status"
			while read -r -t 5 line <&3 && [ "$line" != $'"'\\r'"' ]; do
				case $line in Content-Length:*) bytes=${line#*: } ;; esac
			done
			read -r -N "${bytes%?}" -t 5 _ <&3
		done' <"$DIR/turns" >"$DIR/kept" 2>&1 &
	HELPERS+=($!)
	exec 9>"$DIR/turns"
}
live_kept_asks() {
	local before
	before=$(wc -l <"$DIR/kept")
	echo turn >&9
	for _ in $(seq 60); do [ "$(wc -l <"$DIR/kept")" -gt "$before" ] && break; sleep 0.1; done
	tail -n 1 "$DIR/kept"
}
