#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# completion.sh: what bash is offered for tollbar's commands, options and values.  Last line: "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh
. completion/tollbar.bash

TOLLBAR=${TOLLBAR:-build/tollbar}

offered() { # WORD...: what comes up for the last one, in order
	COMP_WORDS=(tollbar "$@")
	COMP_CWORD=$#
	_tollbar "$TOLLBAR" "${*: -1}" "${COMP_WORDS[COMP_CWORD - 1]}"
	printf '%s\n' "${COMPREPLY[@]}" | sort -u | paste -sd ' '
}

ok "commands" "$(offered '')" "$("$TOLLBAR" --help | sed -n 's/^  tollbar \([a-z]*\) .*/\1/p' | sort | paste -sd ' ')"
ok "one command" "$(offered att)" attach
ok "no such command" "$(offered zzz)" ''
for command in $(offered ''); do
	missing=
	for option in $("$TOLLBAR" "$command" --help | grep -oE -- '^ +(-[a-z], )?--[a-z0-9-]+' | grep -oE -- '--.*'); do
		[[ " $(offered "$command" --) " == *" $option "* ]] || missing+=" $option"
	done
	ok "options of $command" "$missing" ''
done
ok "one option" "$(offered attach --fa)" --fail
ok "words of an option" "$(offered attach --mode '')" "allow open"
ok "one of the words" "$(offered attach --checksum y)" yes
ok "an interface" "$(offered attach lo)" lo
ok "an interface as a value" "$(offered status -i lo)" lo
ok "a file as a value" "$(offered run -c tollbar.ex)" tollbar.example.conf
ok "a file by itself" "$(offered check tollbar.ex)" tollbar.example.conf
ok "a file after an option that takes nothing" "$(offered check --chain tollbar.ex)" tollbar.example.conf
ok "what standing does" "$(offered standing '')" "add clear"
ok "a number is not made up" "$(offered attach --tcp '')" ''
check_done
