#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# service.sh: the daemon under a service manager: what it says of itself, signs of life that end with a worker that hangs, and
# sockets that were opened before it and outlive it.  The manager is tests/tools/manager.c; of systemd's own tools those that do
# not need it to be running.  Last line: "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh

TOLLBAR=${TOLLBAR:-build/tollbar}
DIR=$(mktemp -d)
MANAGER=
HELPERS=()

stop_all() {
	for pid in $MANAGER "${HELPERS[@]}"; do kill "$pid" 2>/dev/null; done
	for pid in $MANAGER "${HELPERS[@]}"; do wait "$pid" 2>/dev/null; done
	rm -rf "$DIR"
}
trap stop_all EXIT
trap 'exit 1' INT TERM

free_port() {
	node -e "const s = require('net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close(); })"
}

until_true() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.05
	done
}

configure() { # SETTING...: of [node]
	printf '%s\n' '[node]' "admin = 127.0.0.1:$ADMIN" 'workers = 2' "$@" '[upstream model]' "url = http://127.0.0.1:$UPSTREAM" \
		'[route models]' 'match = GET /v1/models' 'upstream = model' >"$DIR/conf"
}

manage() { # MANAGER-OPTION...: starts the manager and through it the daemon
	: >"$DIR/said"
	build/tests/tools/manager --log "$DIR/said" "$@" -- "$TOLLBAR" run -c "$DIR/conf" 2>>"$DIR/log" &
	MANAGER=$!
}

manage_end() {
	kill "$MANAGER"
	wait "$MANAGER"
	ok "$1: the daemon's exit status" $? 0
	MANAGER=
}

said() { grep -cE "^$1" "$DIR/said"; }
said_least() { (($(said "$1") >= $2)); } # PATTERN COUNT
daemon() { sed -n 's/^started //p' "$DIR/said" | tail -n 1; }
status_of() { curl -s -o /dev/null -m 5 -w '%{http_code}' "http://127.0.0.1:$1"; }

words() {
	configure "listen = 127.0.0.1:$PORT"
	manage --watchdog-ms 4000
	until_true 20 said_least 'heard READY=1' 1
	ok "ready" "$(sed -n 's/^heard //p' "$DIR/said" | head -n 1)" "READY=1|STATUS=Serving"
	ok "ready to the word" "$(status_of "$PORT/v1/models")" 200
	ok "ready says the admin listener, too" "$(status_of "$ADMIN/readyz")" 200
	kill -HUP "$(daemon)"
	until_true 10 said_least 'heard READY=1' 2
	ok "reloaded" "$(sed -n 's/^heard //p' "$DIR/said" | grep -v WATCHDOG | sed -n '2,3s/[0-9]\{2,\}/N/p' | paste -sd ' ')" \
		"RELOADING=1|MONOTONIC_USEC=N"
	ok "no word of an end" "$(said 'heard STOPPING=1')" 0
	manage_end words
	ok "the end" "$(said 'heard STOPPING=1.EXTEND_TIMEOUT_USEC=320000000$')" 1
}

# A worker that hangs, though the rest of the process works: no sign of life, and the manager starts the daemon anew.
hung() {
	local before worker threads
	configure "listen = 127.0.0.1:$PORT"
	manage --watchdog-ms 2000
	until_true 20 said_least 'heard WATCHDOG=1' 3
	ok "signs of life" "$(said silent)" 0
	before=$(daemon)
	threads=$(find "/proc/$before/task" -mindepth 1 -maxdepth 1 -printf '%f\n' | grep -cvx "$before")
	ok "threads beside the first" "$threads" 2
	worker=$(find "/proc/$before/task" -mindepth 1 -maxdepth 1 -printf '%f\n' | grep -vx "$before" | sort -n | tail -n 1)
	build/tests/tools/hold "$worker" >"$DIR/held" &
	HELPERS+=($!)
	until_true 10 test -s "$DIR/held"
	ok "held" "$(cat "$DIR/held")" held
	ok "the admin listener answers meanwhile" "$(status_of "$ADMIN/livez")" 200
	until_true 30 said_least silent 1
	ok "it went silent" "$(said silent)" 1
	ok "the log says which" "$(grep -c 'event=worker_stuck worker=1 ' "$DIR/log" | sed 's/[1-9][0-9]*/some/')" some
	until_true 20 said_least 'heard READY=1' 2
	ok "started anew" "$([ "$(daemon)" != "$before" ] && echo yes)" yes
	ok "killed to be looked into" "$(said 'ended 134')" 1
	ok "and serves" "$(status_of "$PORT/v1/models")" 200
	kill "${HELPERS[-1]}" 2>/dev/null
	manage_end hung
}

answered_more() { (($(cat "$DIR"/answers.* | wc -l) > $1 + 50)); }

# Connections that come while there is no daemon wait for the next one.
activated() {
	local failed=0 asked=0
	configure "listen = 127.0.0.1:$PORT"
	manage --listen "127.0.0.1:$PORT" --listen "127.0.0.1:$PORT" --listen "127.0.0.1:$ADMIN"
	until_true 20 said_least 'heard READY=1' 1
	ok "one socket a worker, and one for the admin listener" "$(ss -Hltn | grep -cE ":($PORT|$ADMIN) ")" 3
	for _ in $(seq 20); do [ "$(status_of "$PORT/v1/models")" = 200 ] || failed=$((failed + 1)); done
	ok "served through them" "$failed" 0
	for client in 1 2 3 4; do
		(while [ ! -e "$DIR/enough" ]; do status_of "$PORT/v1/models"; echo; done >"$DIR/answers.$client") &
		HELPERS+=($!)
	done
	for restart in 2 3 4 5 6 7 8 9; do
		kill -HUP "$MANAGER"
		until_true 20 said_least 'heard READY=1' "$restart"
		asked=$(cat "$DIR"/answers.* | wc -l)
		until_true 20 answered_more "$asked"
	done
	touch "$DIR/enough"
	wait "${HELPERS[@]: -4}"
	HELPERS=("${HELPERS[@]::${#HELPERS[@]}-4}")
	ok "restarts" "$(said 'ended 0')" 8
	ok "requests over all of them, all answered" "$(cat "$DIR"/answers.* | sort | uniq -c | sed 's/^ *[0-9]* //')" 200
	manage_end activated
}

# A socket that no setting names would keep clients waiting for ever.
misplaced() {
	configure "listen = 127.0.0.1:$PORT"
	manage --listen "127.0.0.1:$((PORT == 65535 ? 65534 : PORT + 1))"
	wait "$MANAGER"
	ok "a socket nobody names" $? 1
	ok "and why" "$(grep -c 'event=activation .*no setting names' "$DIR/log" | sed 's/[1-9][0-9]*/said/')" said
	manage --listen "127.0.0.1:$PORT" --listen "127.0.0.1:$PORT" --listen "127.0.0.1:$PORT"
	wait "$MANAGER"
	ok "more sockets than workers" $? 1
	MANAGER=
}

by_systemd() {
	local tool
	tool=$(command -v systemd-socket-activate) || { skip "systemd-socket-activate is missing"; return; }
	configure "listen = 127.0.0.1:$PORT"
	"$tool" -l "127.0.0.1:$PORT" --fdname=api "$TOLLBAR" run -c "$DIR/conf" >/dev/null 2>>"$DIR/log" &
	HELPERS+=($!)
	until_true 10 eval "ss -Hltn | grep -q ':$PORT '"
	ok "nobody before the first connection" "$(status_of "$ADMIN/livez")" 000
	ok "the first connection starts it, and is served" "$(status_of "$PORT/v1/models")" 200
	kill "${HELPERS[-1]}"
	wait "${HELPERS[-1]}"
	ok "systemd-socket-activate: the daemon's exit status" $? 0
	ok "one socket for two workers is said" "$(grep -c 'event=activation name=api workers=2 note="they share' "$DIR/log")" 1
}

build/tests/tools/upstream --port 0 --port-file "$DIR/upstream" >/dev/null &
HELPERS+=($!)
until_true 10 test -s "$DIR/upstream" || exit 1
UPSTREAM=$(cat "$DIR/upstream")
PORT=$(free_port)
ADMIN=$(free_port)

for part in "${@:-words hung activated misplaced by_systemd}"; do
	for one in $part; do "$one"; done
done
[ "$FAILED" = 0 ] || tail -n 30 "$DIR"/{log,said}
check_done
