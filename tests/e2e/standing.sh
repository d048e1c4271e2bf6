#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# standing.sh: the daemon tells the kernel about a source whose requests keep failing, and about no other.  A node and a
# client in two network namespaces; the client has two addresses.  Also: the probes are where perf and bpftrace look.
# Needs root.  Last line: "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh
. tests/e2e/live.sh

trap live_down EXIT
trap 'exit 1' INT TERM

# A request that no honest client sends, some times.
misbehave() { # SOURCE TIMES
	for _ in $(seq "$2"); do
		client curl -s -o /dev/null -m 1 --interface "$1" -H 'Content-Length: 1' -H 'Transfer-Encoding: chunked' \
			-d x "http://10.77.0.1:8402/v1/models"
	done
}
penalized() { node "$TOLLBAR" status -a 127.0.0.1:9402 --json | grep -o '"penalized":[0-9]*' | head -1; }
PENALTIES='penalty_failures = 5
	penalty_window_s = 10
	penalty_s = 2'

live_up
tollbar attach node0 || { cat "$DIR/attach"; exit 1; }

live_start "interface = node0" "$PENALTIES"
ok "a good source is served" "$(ask 10.77.0.2 /v1/models)" 200
misbehave 10.77.0.66 4
ok "four failures are forgiven" "$(ask 10.77.0.66 /v1/models)" 200
misbehave 10.77.0.66 1
ok "the fifth shuts the source out" "$(ask 10.77.0.66 /v1/models)" 000
ok "its neighbour is served all the while" "$(ask 10.77.0.2 /v1/models)" 200
ok "the kernel says why" "$([ "$(penalized)" != '"penalized":0' ] && [ -n "$(penalized)" ] && echo yes)" yes
sleep 2.5
ok "after its time the source is served again" "$(ask 10.77.0.66 /v1/models)" 200
for _ in 1 2 3 4 5 6; do ask 10.77.0.2 /no/such/route >/dev/null; done
ok "asking for what is not there is no offence" "$(ask 10.77.0.2 /v1/models)" 200
live_stop

live_start "interface = node0
	trusted_proxy = 10.77.0.66" "$PENALTIES"
misbehave 10.77.0.66 10
ok "a trusted proxy is never shut out" "$(ask 10.77.0.66 /v1/models)" 200
live_stop

for probe in begin head parse decode early hash verify body permit claim queue connect first_byte settle first_out last_out refused; do
	ok "probe $probe" "$(readelf -n "$TOLLBAR" | grep -A1 'Provider: tollbar' | grep -cw "Name: $probe" | sed 's/^[1-9][0-9]*$/yes/')" yes
done
check_done
