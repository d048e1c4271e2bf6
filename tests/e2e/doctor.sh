#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# doctor.sh: what tollbar doctor says of an interface and the filter on it, from before it is attached until its lists are loaded.
# Last line: "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh
# shellcheck source=tests/e2e/live.sh disable=SC1091
. tests/e2e/live.sh

says() { # WHAT STATE AREA PATTERN
	local said
	said=$(node "$TOLLBAR" doctor --offline -c "$DIR/conf" 2>&1)
	if grep -qE "^$2 +$3 .*$4" <<<"$said"; then ok "$1" yes yes; else ok "$1" "$said" "$2 $3 $4"; fi
}

conf() { # LINE...: of [filter]
	printf '%s\n' '[node]' 'listen = 10.77.0.1:8402' 'interface = node0' '[filter]' "$@" '[upstream u]' 'url = http://127.0.0.1:8000' \
		'[route r]' 'match = GET /x' 'upstream = u' >"$DIR/conf"
}

scripts/netns.sh up "$NAME" || exit 1
conf
says "the interface" ok interface 'node0 is up; MTU 1500, 1 receive queues, driver veth'
says "no filter" bad filter 'node0: it is not there'
node "$TOLLBAR" attach node0 >/dev/null 2>&1
says "the filter" ok filter 'node0: it runs in the driver'
conf 'checksum = yes' 'syn_cookies = auto'
says "checksums on a veth" warn interface 'senders leave checksums out'
says "SYN cookies on a veth" warn interface 'answers from a veth'
echo 192.0.2.0/24 >"$DIR/deny"
conf "deny = $DIR/deny"
says "lists that are not loaded" bad filter 'names lists of sources, and none are loaded'
node "$TOLLBAR" attach node0 --config "$DIR/conf" >/dev/null 2>&1
says "lists that are" ok filter 'the lists of sources are loaded'
conf "deny = $DIR/deny" 'mode = allow'
says "another mode" warn filter "its mode is not the configuration's"
node "$TOLLBAR" detach node0 >/dev/null 2>&1
node "$TOLLBAR" attach node0 --generic >/dev/null 2>&1
conf
says "the slow mode" warn filter "node0: it runs in the kernel's slow mode"
node "$TOLLBAR" detach node0 >/dev/null 2>&1
node ip link set node0 down
says "a card that is down" bad interface 'node0 is down'
check_done
