#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# limits.sh: the daemon sets the limits by source, and changes them with SIGHUP while packets flow.  A node and a client in
# two network namespaces; the client has two addresses.  Needs root.  Last line: "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh
. tests/e2e/live.sh

served() { ask "$1" /v1/models; } # SOURCE
# "yes" when a connection is refused before long: they come faster than the one a second that is allowed.
limited() { # SOURCE
	for _ in $(seq 20); do [ "$(served "$1")" = 000 ] && echo yes && return; done
}
reload() { # FILTER-SETTING: in place of the limit that is there
	sed -i "s/^\s*connections_per_s = .*/$1/" "$DIR/conf"
	: >"$DIR/log"
	kill -HUP "$DAEMON"
	for _ in $(seq 50); do grep -q 'event=limits_load' "$DIR/log" && return; sleep 0.1; done
	echo "SIGHUP does nothing"
}

live_up
tollbar attach node0 || { cat "$DIR/attach"; exit 1; }

live_start "interface = node0" "connections_burst = 2
	connections_per_s = 0"
ok "no limit" "$(limited 10.77.0.66)" ""
reload "connections_per_s = 1"
ok "it comes with SIGHUP" "$(served 10.77.0.66) $(limited 10.77.0.66)" "200 yes"
ok "and holds for others apart" "$(served 10.77.0.2)" 200
reload "connections_per_s = x"
ok "a file with a mistake" "$(grep -c 'f*conf:.*connections_per_s = x: must be a number' "$DIR/log")" 1
ok "changes nothing" "$(limited 10.77.0.2)" yes

reload "connections_per_s = 0"
ok "it goes as it came" "$(limited 10.77.0.2)" ""
live_stop

live_start "interface = node0
	trusted_proxy = 10.77.0.66" "connections_burst = 2
	connections_per_s = 1"
ok "a trusted proxy is not limited" "$(limited 10.77.0.66)" ""
ok "others are" "$(limited 10.77.0.2)" yes
live_stop
check_done
