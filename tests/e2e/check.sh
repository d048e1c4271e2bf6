# SPDX-License-Identifier: Apache-2.0
# check.sh: counting for the shell tests, which source it.  They need root, and end with check_done.
# shellcheck shell=bash
PASSED=0
FAILED=0
SKIPPED=0

[ "$(id -u)" = 0 ] || { echo "skipped: needs root"; exit 77; }

ok() { # WHAT GOT WANT
	if [ "$2" = "$3" ]; then
		PASSED=$((PASSED + 1))
	else
		FAILED=$((FAILED + 1))
		echo "FAIL $1: $2, want $3"
	fi
}

skip() { # WHAT AND WHY
	SKIPPED=$((SKIPPED + 1))
	echo "SKIP $1"
}

check_done() {
	echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
	[ "$FAILED" = 0 ]
}
