#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# epoll.sh: the daemon where io_uring is forbidden as containers forbid it: a seccomp filter answers with EPERM.  The same clients, chain,
# attacks and datagrams as elsewhere.
# Last line: "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh

BUILD=$(realpath "${TOLLBAR_BUILD:-build}")
DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT

# all system calls of this architecture but io_uring's three (425 to 427); x86's second table (x32) has no place here
seq 0 424 >"$DIR/calls"
seq 428 511 >>"$DIR/calls"
ln -s "$BUILD/tests" "$DIR/tests"
cat >"$DIR/tollbar" <<END
#!/bin/sh
exec $BUILD/tests/tools/confine $DIR/calls $BUILD/tollbar "\$@"
END
chmod 755 "$DIR/tollbar"

conf() { # EVENT_LOOP
	cat <<-END
		[node]
		listen = 127.0.0.1:1
		event_loop = $1
		state = $DIR/state
		[upstream model]
		url = http://127.0.0.1:1
		[route models]
		match = GET /v1/models
		upstream = model
	END
}

refused() { # EVENT_LOOP PROGRAM: what a start says that fails: the loop, or port 1 without privilege
	conf "$1" >"$DIR/conf"
	timeout 20 setpriv --reuid=65534 --bounding-set=-all --inh-caps=-all "$2" run -c "$DIR/conf" 2>&1
}

chmod 755 "$DIR"
ok "io_uring, by name, is refused with its help" "$(refused io_uring "$DIR/tollbar" | grep -c 'event=loop loop=io_uring error="not allowed here" help=')" 1
ok "auto falls back, and says so" "$(refused auto "$DIR/tollbar" | grep -c 'event=loop loop=epoll note=')" 1
ok "epoll, by name, is no warning" "$(refused epoll "$DIR/tollbar" | grep -c 'event=loop')" 0
ok "where it is allowed nothing is said" "$(refused auto "$BUILD/tollbar" | grep -c 'event=loop')" 0

TOLLBAR_BUILD=$DIR node tests/e2e/run.mjs http pay attacks native_calls >"$DIR/run"
ok "the clients' tests" $? 0
grep -E '^(FAIL|not ok|---)' "$DIR/run"
ok "of which there were some" "$(tail -n 1 "$DIR/run" | sed -E 's/^[0-9]{2,} passed, 0 failed.*/many/')" many
check_done
