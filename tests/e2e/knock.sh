#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# knock.sh: a TCP port that is not there for whoever is not on a list of sources, until he knocks: the daemon and its filter in one
# network namespace, a listed payer, a stranger and an impostor in the other.  The payer is at 10.77.0.2 and fd77::66, which the
# stack takes by itself, the others at 10.77.0.66 and fd77::2, and 10.77.0.99 is nobody's.  First the filter sends the
# cookies, then the daemon.  Needs root.  Last line: "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh
. tests/e2e/live.sh

HOME4=10.77.0.2
AWAY4=10.77.0.66
NOBODY4=10.77.0.99
BODY='{"model":"m","messages":[{"role":"user","content":"hello"}]}'
URL=http://10.77.0.1:8402/v1/chat/completions

keys() {
	umask 077
	echo 0x4242424242424242424242424242424242424242424242424242424242424242 >"$DIR/key"
	echo 0x4343434343434343434343434343434343434343434343434343434343434343 >"$DIR/stranger"
	printf '[list]\nmode = allow\n[0x17c5185167401eD00cF5F5b2fc97D9BBfDb7D025]\n' >"$DIR/payers" # of the first key
	echo 192.0.2.0/24 >"$DIR/allow"
	echo 10.77.0.67 >"$DIR/deny"
}

start() { # WHO-SENDS-COOKIES
	live_start "listen = [fd77::1]:8402
	interface = node0
	payers = $DIR/payers
	state = $DIR/state" "mode = allow
	allow = $DIR/allow
	deny = $DIR/deny" "[native]
	listen = 10.77.0.1:8403
	listen = [fd77::1]:8403
	knock = yes
	knock_s = 60
	cookies_from = $1
	$(live_paid)
	native = 1"
}

served() { ask "$1" /v1/models; } # SOURCE: 200, or 000 when nothing came back
# What the payer is told, by the program he has.
knock() { # SECONDS [NODE]
	client "$TOLLBAR" knock --key "$DIR/key" --chain 84532 --wait 2 --seconds "$1" "${2:-10.77.0.1}" 2>"$DIR/said" | sed 's/ until.*//'
}
# What somebody else is who tries things: one word for each datagram.
tries() { # FROM OPTION...
	local from=$1 to=10.77.0.1
	shift
	case $from in *:*) from="[$from]" to="[fd77::1]" ;; esac
	client build/tests/tools/knocks --to "$to:8403" --from "$from:41000" "$@" | sed 's/ .*//' | xargs
}
signs() { tries "$1" --key "$DIR/key" --chain 84532 --seconds 30 "${@:2}"; } # FROM OPTION...
# Segments, resets, and errors by ICMP, so far.
sent_by_node() {
	node nstat -az TcpOutSegs TcpOutRsts IcmpOutDestUnreachs Icmp6OutDestUnreachs | awk '!/^#/ { cnt += $2 } END { print cnt }'
}
knocks_held() { metric tollbar_knocks_total; }
passed_knocked() { metric 'tollbar_packets_total{reason="pass_knocked",verdict="pass"}'; }

# --- the tests ---

not_there() {
	local before
	before=$(sent_by_node)
	ok "nobody is let in" "$(served $HOME4) $(served $AWAY4) $(served fd77::2)" "000 000 000"
	client curl -s -o /dev/null -m 1 "$URL"
	ok "for a client it is as if nobody were there" $? 28
	ok "nothing came back" "$(($(sent_by_node) - before))" 0
}

opened() {
	ok "a listed payer's knock" "$(knock 30)" "opened $HOME4"
	ok "opens to his address" "$(served $HOME4)" 200
	ok "and to no other" "$(served $AWAY4) $(served fd77::66)" "000 000"
	ok "as the filter says" "$([ "$(passed_knocked)" -gt 2 ] && echo yes)" yes
	ok "a paid request" "$(client "$TOLLBAR" pay --key "$DIR/key" --data "$BODY" "$URL" 2>/dev/null | grep -c choices)" 1
	ok "by IPv6, too" "$(knock 30 '[fd77::1]') $(served fd77::66)" "opened fd77::66 200"
	ok "where a neighbour in the /64 stays out" "$(served fd77::2)" 000
}

not_opened() {
	local before
	before=$(knocks_held)
	ok "a stranger's knock" "$(tries $AWAY4 --key "$DIR/stranger" --chain 84532 --seconds 30)" nothing
	ok "on another chain" "$(tries $AWAY4 --key "$DIR/key" --chain 1 --seconds 30)" nothing
	ok "for longer than is given" "$(tries $AWAY4 --key "$DIR/key" --chain 84532 --seconds 90)" nothing
	ok "with a cookie that is nobody's" "$(signs $AWAY4 --cookie 0102030405060708)" cookie
	ok "the payer knocks, and is overheard" "$(signs $HOME4 --save "$DIR/heard")" "cookie opened"
	ok "sent again from elsewhere" "$(tries $AWAY4 --send "$DIR/heard")" cookie
	ok "from where nobody is" "$(tries $NOBODY4 --send "$DIR/heard") $(signs $NOBODY4)" "nothing nothing"
	ok "with the payer's cookie" "$(signs $AWAY4 --cookie "$(od -An -tx1 -j48 -N8 "$DIR/heard" | tr -d ' ')")" cookie
	client ip address add $NOBODY4/24 dev client0
	ok "all that opened nothing" "$(served $AWAY4) $(served $NOBODY4) $(served fd77::2)" "000 000 000"
	ok "but the payer's own, which may be sent again" "$(tries $HOME4 --send "$DIR/heard")" opened
	ok "and were the only ones that held" "$(($(knocks_held) - before))" 2
	client ip address add 10.77.0.67/24 dev client0
	client ip address add 10.77.0.68/24 dev client0
	ok "from an address on the deny list" "$(signs 10.77.0.67) $(served 10.77.0.67)" "nothing 000"
}

reload_payers() { # until the kernel has them, too
	: >"$DIR/log"
	kill -HUP "$DAEMON"
	for _ in $(seq 100); do grep -q event=limits_loaded "$DIR/log" && return; sleep 0.1; done
	echo "SIGHUP does nothing"
}

listed_later() {
	local knock="--key $DIR/stranger --chain 84532 --seconds 30" line='[0x5975c152fE58cDcB7E25586A3c9b994A16dbB615]'
	echo "$line" >>"$DIR/payers"
	reload_payers
	# shellcheck disable=SC2086 # words
	ok "a payer who was listed meanwhile" "$(tries $AWAY4 $knock) $(served $AWAY4)" "cookie opened 200"
	sed -i '$d' "$DIR/payers"
	reload_payers
	# shellcheck disable=SC2086
	ok "and taken off the list again" "$(tries 10.77.0.68 $knock)" nothing
	ok "the other payer" "$(signs $HOME4)" "cookie opened"
}

ends() {
	live_stop
	tollbar detach node0 >/dev/null # what is open is the filter's
	tollbar attach node0 && start daemon
	ok "shut again" "$(served $HOME4)" 000
	ok "for five seconds" "$(signs $HOME4 --seconds 5 --save "$DIR/heard")" "cookie opened"
	live_keep
	ok "open" "$(served $HOME4) $(live_kept_asks)" "200 200"
	sleep 5.2
	ok "over" "$(served $HOME4)" 000
	ok "for connections that were there, too" "$(live_kept_asks)" ""
	ok "the same knock again" "$(tries $HOME4 --send "$DIR/heard")" nothing
	ok "opens nothing" "$(served $HOME4)" 000
	ok "another does" "$(knock 30) $(served $HOME4)" "opened $HOME4 200"
}

# The payer list stands for the list of sources: a request comes in by UDP, its result is behind the port.
request_first() {
	knock 30 >/dev/null
	client "$TOLLBAR" pay --udp --save-terms "$DIR/terms" --key "$DIR/key" --data "$BODY" "$URL" >/dev/null 2>&1
	ok "terms kept while it was open" "$(grep -c tollbar-native "$DIR/terms")" 1
	live_stop
	tollbar detach node0 >/dev/null
	tollbar attach node0 && start daemon
	client "$TOLLBAR" pay --udp --terms "$DIR/terms" --key "$DIR/key" --data "$BODY" "$URL" >"$DIR/answer" 2>"$DIR/pay" &
	local paying=$!
	for _ in $(seq 50); do grep -q '^taken' "$DIR/pay" && break; sleep 0.1; done
	ok "taken while the port is shut" "$(grep -c '^taken' "$DIR/pay") $(served $HOME4)" "1 000"
	ok "knocked" "$(knock 30)" "opened $HOME4"
	wait $paying
	ok "and the answer is there" "$? $(grep -c choices "$DIR/answer")" "0 1"
}

live_up
live_helper facilitator
keys
# A veth passes on what XDP sends only where the other end has a program, too.  Ours without a policy passes everything.
client ip link set dev client0 xdp obj build/gate.bpf.o sec xdp
tollbar attach node0 || { cat "$DIR/attach"; exit 1; }
start kernel
[ $# = 0 ] && set -- not_there opened not_opened listed_later ends request_first
for part in "$@"; do $part; done
live_stop
check_done
