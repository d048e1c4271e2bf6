#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# standing.sh: the daemon tells the kernel about a source whose requests keep failing, and about no other, however somebody
# tries; the operator sees the list and changes it, with and without a daemon.  A node and a client in two network namespaces;
# the client has several addresses, of which 10.77.0.66 (fd77::66) misbehaves.  Also: the probes are where perf and bpftrace
# look.  Needs root.  Last line: "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh
. tests/e2e/live.sh

BAD=10.77.0.66
GOOD=10.77.0.2
BODY='{"model":"m","messages":[{"role":"user","content":"hello"}]}'
URL=http://10.77.0.1:8402/v1/chat/completions


standing() { node "$TOLLBAR" standing "$@" 2>"$DIR/said"; }

# A request that no honest client sends, some times, with other arguments for curl.
misbehave() { # SOURCE TIMES [ARGUMENT...]
	local source=$1 times=$2
	shift 2
	for _ in $(seq "$times"); do
		client curl -s -o /dev/null -m 1 --interface "$source" -H 'Content-Length: 1' -H 'Transfer-Encoding: chunked' "$@" \
			-d x "http://$(address_for "$source"):8402/v1/models"
	done
}
# The same by a proxy, whose PROXY header names somebody.
misbehave_for() { # PROXY SOURCE TIMES
	client "$(type -P node)" -e '
		const [, proxy, source, times] = process.argv;
		const addresses = [...source.split("."), ...proxy.split(".")].map(Number);
		const header = Buffer.from([..."\r\n\r\n\0\r\nQUIT\n"].map((c) => c.charCodeAt(0)).concat(0x21, 0x11, 0, 12, addresses, 4, 1, 4, 2));
		const once = (left) => {
			if (left === 0) return;
			const socket = require("net").connect({ host: "10.77.0.1", port: 8402, localAddress: proxy });
			socket.setTimeout(2000, () => socket.destroy());
			socket.on("error", () => {}).on("close", () => once(left - 1)).resume();
			socket.end(Buffer.concat([header, Buffer.from("G T / HTTP/1.1\r\n\r\n")]));
		};
		once(Number(times));' "$@"
}
# HTTP status of a paid request with the payment header in a file, from a source.
pay() { # SOURCE FILE [ARGUMENT...]
	local source=$1 file=$2
	shift 2
	client curl -s -o /dev/null -m 2 --interface "$source" -w '%{http_code}' -H "@$file" "$@" -d "$BODY" "$URL"
}
payment() { # FILE [OPTION...]: a payment of the honest payer's
	local file=$1
	shift
	client "$TOLLBAR" pay --key "$DIR/key" --data "$BODY" --dump-header "$@" "$URL" >"$file" 2>"$DIR/pay" ||
		{ echo "no payment: $(cat "$DIR/pay")"; exit 1; }
}
entry() { standing --json | grep -oF "{\"source\":\"$1\"" | wc -l; } # SOURCE: 1 when it is on the list
field() { standing --json | sed 's/},{/}\n{/g' | grep -F "\"source\":\"$1\"" | grep -o "\"$2\":[^,}]*" | cut -d: -f2; } # SOURCE NAME
dropped() { node "$TOLLBAR" status -a 127.0.0.1:9402 --json | grep -o "\"$1\":[0-9]*" | head -1; } # REASON

start() { # PENALTY-SECONDS [NODE SETTING]
	live_start "listen = [fd77::1]:8402
	listen = [fd78::1]:8402
	interface = node0
	state = $DIR/state
	${2:-}" "penalty_failures = 5
	penalty_window_s = 20
	penalty_s = $1" "$(live_paid)"
}

# --- the tests ---

# Each penalty is asked about before it ends, and waited for: the first takes three seconds, the second six.
the_loop() {
	start 3
	ok "a good source is served" "$(ask $GOOD /v1/models)" 200
	misbehave $BAD 4
	ok "four failures are forgiven" "$(ask $BAD /v1/models)" 200
	ok "and not on the list" "$(entry $BAD)" 0
	misbehave $BAD 1
	ok "the fifth, by whichever worker, shuts the source out" "$(ask $BAD /v1/models)" 000
	ok "its neighbour is served all the while" "$(ask $GOOD /v1/models)" 200
	sleep 3
	ok "after its time the source is served again" "$(ask $BAD /v1/models)" 200
	ok "the kernel says why" "$(dropped penalized | tr -d 0-9)" '"penalized":'
	ok "so does the list, which remembers it" "$(standing --json | grep -oE "\"$BAD\".*")" \
		"\"$BAD\",\"dropped\":false,\"remaining_s\":0.000,\"offences\":1,\"reason\":\"http_ambiguous\"}]}"
	misbehave $BAD 5
	ok "again, and it is the second time" "$(field $BAD offences)" 2
	sleep 3
	ok "for twice as long: out after the first time's time" "$(ask $BAD /v1/models)" 000
	sleep 3
	ok "and in again after six seconds" "$(ask $BAD /v1/models)" 200
	for _ in 1 2 3 4 5 6; do ask $GOOD /no/such/route >/dev/null; done
	ok "asking for what is not there is no offence" "$(ask $GOOD /v1/models) $(entry $GOOD)" "200 0"
	live_stop
}

# How an honest source or payer could be made to look bad.  After each attack it is still served.
forgeries() {
	standing clear --all >/dev/null
	start 60
	client build/tests/tools/frames --interface client0 --to-mac "$(node ip -br link show dev node0 | awk '{print $3}')" \
		--port 8402 --to-ip 10.77.0.1 --from-ip $GOOD --count 50 unshaken syn syn-fin null xmas tcp-cut >/dev/null
	ok "spoofed frames arrive" "$(dropped tcp_flags) $(dropped tcp_header)" '"tcp_flags":150 "tcp_header":50'
	ok "frames in its name, without a handshake" "$(ask $GOOD /v1/models) $(standing | tail -1)" "200 node0: 0 dropped, 0 remembered"

	misbehave $BAD 5 -H "X-Forwarded-For: $GOOD" -H "Forwarded: for=$GOOD" -H "X-Real-IP: $GOOD" -H "Client-IP: $GOOD"
	ok "requests that say they come from it" "$(ask $GOOD /v1/models) $(entry $GOOD) $(ask $BAD /v1/models)" "200 0 000"
	standing clear $BAD >/dev/null

	payment "$DIR/forged" --bad-signature
	for _ in 1 2 3 4 5; do pay $BAD "$DIR/forged" >/dev/null; done
	payment "$DIR/honest"
	ok "payments that claim its payer" "$(pay $GOOD "$DIR/honest") $(field $BAD reason)" '200 "signature_bad"'
	standing clear $BAD >/dev/null

	for _ in 1 2 3 4 5; do pay $BAD "$DIR/honest" >/dev/null; done
	payment "$DIR/next"
	ok "replays of its payment" "$(pay $GOOD "$DIR/next") $(entry $GOOD) $(field $BAD reason)" '200 0 "replayed"'
	ok "the replayer is out, whatever it pays" "$(payment "$DIR/third" && pay $BAD "$DIR/third")" 000
	ok "which was not taken" "$(pay $GOOD "$DIR/third")" 200
	standing clear $BAD >/dev/null
}

# Who shares an address shares its standing: the kernel sees no more of two clients behind one NAT than this.
neighbours() {
	payment "$DIR/neighbour"
	misbehave $BAD 5
	ok "behind one IPv4 address: shut out together" "$(pay $BAD "$DIR/neighbour")" 000
	ok "the payment is good elsewhere" "$(pay $GOOD "$DIR/neighbour")" 200
	standing clear $BAD >/dev/null
	ok "IPv6 is served" "$(ask fd77::66 /v1/models) $(ask fd77::2 /v1/models) $(ask fd78::2 /v1/models)" "200 200 200"
	misbehave fd77::66 5
	ok "another address of the /64 does not help" "$(ask fd77::2 /v1/models)" 000
	ok "another /64 is served" "$(ask fd78::2 /v1/models)" 200
	ok "the list says /64" "$(field fd77::/64 offences)" 1
	standing clear fd77::2 >/dev/null
	ok "and takes any of its addresses" "$(ask fd77::66 /v1/models)" 200
}

proxies() {
	misbehave $BAD 5
	ok "out before it is trusted" "$(ask $BAD /v1/models)" 000
	live_stop
	start 60 "trusted_proxy = $BAD"
	ok "what was held against it ends" "$(ask $BAD /v1/models)" 200
	misbehave $BAD 12
	ok "a trusted proxy is never shut out" "$(ask $BAD /v1/models) $(entry $BAD)" "200 0"
	live_stop
	start 60 "trusted_proxy = $BAD
	proxy_protocol = v2"
	misbehave_for $BAD $GOOD 12
	ok "whom a proxy names is known" "$(grep -c "reason=http_bad .*source=::ffff:$GOOD " "$DIR/log")" 12
	ok "and not shut out" "$(entry $GOOD) $(entry $BAD)" "0 0"
	misbehave_for $GOOD $BAD 12
	ok "nobody else may name anybody" "$(metric 'tollbar_requests_refused_total{reason="proxy_untrusted"}')" 12
	ok "nor is that held against him" "$(entry $GOOD) $(entry $BAD)" "0 0"
	live_stop
}

restarts() {
	start 12
	misbehave $BAD 5
	kill -KILL "$DAEMON" && wait "$DAEMON" 2>/dev/null
	DAEMON=
	ok "the daemon killed: still out" "$(field $BAD dropped)" true
	start 12
	ok "a new daemon does not forgive" "$(ask $BAD /v1/models)" 000
	sleep 12
	ok "nor is it harder" "$(ask $BAD /v1/models)" 200
	misbehave $BAD 5
	ok "and remembers" "$(field $BAD offences)" 2
	standing clear --all >/dev/null
	misbehave $BAD 5
	ok "what was cleared is forgotten" "$(field $BAD offences)" 1
	standing clear --all >/dev/null
	live_stop
}

by_hand() {
	ok "add, without a daemon" "$(standing add $BAD 3 && standing | grep -c "^$BAD .* operator$")" "node0: $BAD dropped for 3 s
1"
	client timeout 1 bash -c 'exec 3<>/dev/tcp/10.77.0.1/8402' 2>/dev/null
	ok "another source is answered: nobody listens" $? 1
	client ip route replace 10.77.0.1 dev client0 src $BAD
	client timeout 1 bash -c 'exec 3<>/dev/tcp/10.77.0.1/8402' 2>/dev/null
	ok "the source gets no answer" $? 124
	sleep 3
	client timeout 1 bash -c 'exec 3<>/dev/tcp/10.77.0.1/8402' 2>/dev/null
	ok "until its time is over" $? 1
	client ip route del 10.77.0.1 dev client0
	ok "add an IPv6 source" "$(standing add fd77::66 60)" "node0: fd77::/64 dropped for 60 s"
	ok "clear it" "$(standing clear fd77::/64)" "node0: fd77::/64 cleared"
	ok "clear it again" "$(standing clear fd77::/64; echo $? && cat "$DIR/said")" "1
tollbar standing: node0: fd77::/64: not on the list"
	ok "clear all" "$(standing clear --all)" "node0: 1 cleared"
	ok "the empty list" "$(standing --json)" '{"interface":"node0","standing":[]}'
	ok "an interface without a filter" "$(standing -i lo; echo $? && cat "$DIR/said")" "1
tollbar: lo: no filter there; put it there by: tollbar attach"
	tollbar attach lo --generic
	ok "two filters" "$(standing; echo $? && cat "$DIR/said")" "1
tollbar: 2 interfaces have a filter; say which by: -i IFACE"
	ok "the one named" "$(standing -i lo)" "lo: 0 dropped, 0 remembered"
	tollbar detach lo
	node setpriv --reuid=65534 --clear-groups --inh-caps=-all "$TOLLBAR" standing -i node0 2>"$DIR/said"
	ok "without privilege" "$? $(cat "$DIR/said")" "1 tollbar: node0: not permitted; finding the filter takes root, or the group of tollbar attach --group"
}

live_up
(umask 077 && echo 0x4242424242424242424242424242424242424242424242424242424242424242 >"$DIR/key")
node ip address add fd78::1/64 dev node0 nodad
client ip address add fd78::2/64 dev client0 nodad
tollbar attach node0 || { cat "$DIR/attach"; exit 1; }
mkdir "$DIR/state"
live_helper facilitator

the_loop
forgeries
neighbours
proxies
restarts
by_hand

for probe in begin head parse decode early hash verify body permit claim queue connect first_byte settle first_out last_out refused; do
	ok "probe $probe" "$(readelf -n "$TOLLBAR" | grep -A1 'Provider: tollbar' | grep -cw "Name: $probe" | sed 's/^[1-9][0-9]*$/yes/')" yes
done
[ "$FAILED" = 0 ] || sed 's/^/log: /' "$DIR/log" "$DIR/attach"
check_done
