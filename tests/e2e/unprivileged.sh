#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# unprivileged.sh: a daemon without any privilege, behind a filter that root attached and gave to its group.  It runs as systemd
# would run it: another user, in a user namespace, no capability, and of the BPF file system, which is root's, only the filter's
# folder in sight.
# Last line: "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh
# shellcheck source=tests/e2e/live.sh disable=SC1091
. tests/e2e/live.sh

PINS=/sys/fs/bpf/tollbar
WHO=daemon # a user and a group that every Debian has

chmod 755 "$DIR"
mkdir "$DIR/pins"
cat >"$DIR/unprivileged" <<END
#!/bin/bash
exec unshare --mount --propagation private bash -c '
	mkdir -p -m 711 $PINS && mount --bind $PINS $DIR/pins && mount -t tmpfs -o mode=755 tmpfs /sys/fs/bpf &&
	mkdir $PINS && mount --bind $DIR/pins $PINS &&
	exec setpriv --reuid=\${WHO:-$WHO} --regid=\${GROUP:-$WHO} --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs \
		unshare --user --map-current-user $PWD/build/tollbar "\$@"' unprivileged "\$@"
END
chmod 755 "$DIR/unprivileged"

down() {
	live_down
	rmdir "$PINS" 2>/dev/null # it stays for the next daemon, where there is one
}
trap down EXIT

# As tollbar-filter@.service runs it: root with no more than its capabilities.
by_unit() {
	local keep
	keep=$(sed -n 's/^CapabilityBoundingSet=//p' systemd/tollbar-filter@.service | sed 's/CAP_/+/g; s/ /,/g' | tr '[:upper:]' '[:lower:]')
	node setpriv "--bounding-set=-all,$keep" --inh-caps=-all --no-new-privs "$TOLLBAR" "$@" 2>>"$DIR/attach"
}

start() { TOLLBAR=$DIR/unprivileged live_start "$@"; }

refused() { # WHAT WANT: a start with the configuration as it is, which fails with this in the log
	local log
	log=$(timeout 20 nsenter --net="/run/netns/$NAME-node" "$DIR/unprivileged" run -c "$DIR/conf" 2>&1)
	ok "$1: the exit status" $? 1
	ok "$1: why" "$(grep -cE "$2" <<<"$log" | sed 's/[1-9][0-9]*/said/')" said
}

in_log() { # PATTERN: within some seconds, since the last look
	for _ in $(seq 60); do
		tail -n "+$((SEEN + 1))" "$DIR/log" | grep -qE "$1" && { SEEN=$(wc -l <"$DIR/log"); return; }
		sleep 0.1
	done
	return 1
}

folder() { echo "$PINS/node0@$(stat -Lc %i "/run/netns/$NAME-node")"; }
mode() { stat -c '%a %G' "$1"; }

permissions() {
	tollbar attach node0 --group no-such-group
	ok "a group that is not there" $? 2
	ok "and nothing attached" "$(node ip -o link show node0 | grep -c xdp)" 0
	by_unit attach node0 --group $WHO
	ok "attach --group" $? 0
	ok "the folder" "$(mode "$(folder)")" "750 $WHO"
	ok "a map" "$(mode "$(folder)/policy")" "660 $WHO"
	ok "the way there" "$(mode $PINS)" "711 root"
	[ ! -e "$(folder)/link" ] || ok "what holds the program is not theirs" "$(mode "$(folder)/link")" "600 root"
	tollbar attach node0 --group $WHO
	ok "once more" $? 0
}

# What takes maps that are written and ports that are set.
penalised() {
	for _ in 1 2 3; do
		client curl -s -o /dev/null -m 1 --interface 10.77.0.66 -H 'Content-Length: 1' -H 'Transfer-Encoding: chunked' -d x \
			http://10.77.0.1:8402/v1/models
	done
	in_log 'event=penalty source=(::ffff:)?10.77.0.66 .* error=0'
	ok "a penalty is written" $? 0
	ok "and in force" "$(ask 10.77.0.66 /v1/models)" 000
	ok "for that source" "$(ask 10.77.0.2 /v1/models)" 200
}

# curl's word for how it ended: 7 refused, 28 no answer.
ends() { # SOURCE
	client curl -s -o /dev/null -m 1 --interface "$1" http://10.77.0.1:8402/
	echo $?
}

works() {
	start "interface = node0" "penalty_failures = 3"
	ok "no capability" "$(sed -n 's/^CapPrm:\t//p' "/proc/$DAEMON/status")" 0000000000000000
	ok "not root" "$(stat -c %U "/proc/$DAEMON")" $WHO
	SEEN=$(wc -l <"$DIR/log")
	ok "the filter is seen" "$(metric tollbar_filter_attached)" 1
	ok "served" "$(ask 10.77.0.2 /v1/models)" 200
	penalised
	ok "counted" "$(node "$TOLLBAR" status -a 127.0.0.1:9402 --json | grep -o '"penalized":[0-9]' | head -n 1 | tr -d 0-9)" \
		'"penalized":'
}

comes_and_goes() {
	by_unit detach node0
	in_log 'event=filter_lost'
	ok "gone" $? 0
	ok "nothing is left of it" "$(ls "$(folder)" 2>/dev/null)" ''
	tollbar attach node0 --group $WHO
	in_log 'event=filter_found .*fresh=yes'
	ok "another one is found" $? 0
	penalised
	tollbar detach node0
	in_log 'event=filter_lost'
	tollbar attach node0
	in_log 'event=filter_unseen'
	ok "one of root's alone" $? 0
	tollbar attach node0 --group $WHO
	in_log 'event=filter_found .*fresh=yes'
	ok "is found once it is shared" $? 0
	kill -HUP "$DAEMON"
	in_log 'event=limits_loaded'
	ok "limits are read again" $? 0
	live_stop
}

# Loading lists takes root: whoever attaches the filter does it, from the same configuration.
lists() {
	echo 10.77.0.66 >"$DIR/deny"
	chmod 644 "$DIR/deny"
	tollbar detach node0
	tollbar attach node0 --group $WHO
	sed -i "s|^\[filter\]|&\ndeny = $DIR/deny|" "$DIR/conf"
	refused "lists that nobody loaded" 'event=lists error="there are none'
	tollbar attach node0 --group $WHO --config "$DIR/conf"
	ok "attach --config" $? 0
	ok "sets ports and lists before there is a daemon" "$(ends 10.77.0.2) $(ends 10.77.0.66)" "7 28"
	start "interface = node0" "deny = $DIR/deny"
	ok "the list is in force" "$(ask 10.77.0.66 /v1/models)" 000
	ok "for that source" "$(ask 10.77.0.2 /v1/models)" 200
	live_stop
	sed 's/^interface = .*/interface = other0/' "$DIR/conf" >"$DIR/other"
	tollbar attach node0 --config "$DIR/other"
	ok "another interface's configuration" $? 1
}

# Not of the group: the kernel's answer, not ours.
strangers() {
	GROUP=nogroup refused "another group" 'event=filter_open interface=node0 error=1 '
	tollbar detach node0
	tollbar attach node0
	refused "a filter that is root's alone" 'event=filter_open interface=node0 error=1 '
}

live_up
permissions
works
comes_and_goes
lists
export GROUP
strangers
[ "$FAILED" = 0 ] || cat "$DIR/log" "$DIR/attach"
check_done
