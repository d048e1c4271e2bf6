#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Everything that judges the source without running it.  `make lint` installs what it needs and calls it.
# Named steps only: scripts/lint.sh [format] [tidy] [cppcheck] [rules] [shell] [hardening] [units] [pages] [claims] [analysers]
# shellcheck disable=SC2317 # the steps are called by name
set -uo pipefail
cd "$(dirname "$0")/.." || exit

mapfile -t all < <(git ls-files -co --exclude-standard -- '*.c' '*.h' ':!vmlinux/vmlinux.h')
# The analysers look at what ships and what measures.  Unit tests include the file they test, run under ASan and UBSan, and do
# on purpose what an analyser calls a mistake.
mapfile -t analysed < <(printf '%s\n' "${all[@]}" | grep -E '^(user|tests/(tools|bench))/.*\.c$' | grep -v '\.bpf\.c$')
flags=(-std=gnu11 -D_GNU_SOURCE -Iinclude -Iuser -Itests -Ibpf -Ibuild)
failed=0

step() { # name command...
	local name=$1 start=$SECONDS
	shift
	if "$@"; then
		echo "lint: $name ok ($((SECONDS - start)) s)"
	else
		echo "lint: $name FAILED"
		failed=1
	fi
}

format() { clang-format --dry-run -Werror "${all[@]}"; }

tidy() {
	printf '%s\n' "${analysed[@]}" | xargs -P "$(nproc)" -I{} sh -c 'clang-tidy --quiet "$@" 2>/dev/null' sh {} -- "${flags[@]}"
}

cppcheck_all() {
	cppcheck --quiet --std=c11 --language=c --enable=warning,portability,performance --inline-suppr --error-exitcode=1 -j "$(nproc)" \
		--suppress=missingIncludeSystem --suppress=internalAstError --suppress=unknownMacro \
		-D_GNU_SOURCE -D__x86_64__ -Iinclude -Iuser -Itests -Ibpf "${analysed[@]}"
}

rules() {
	local status=0
	scripts/check-floors || status=1
	scripts/tidy || status=1
	return "$status"
}

shell() {
	local files
	mapfile -t files < <(git ls-files -co --exclude-standard -- scripts tests .ci | xargs grep -lE '^#!/bin/(ba)?sh')
	shellcheck -x "${files[@]}" completion/*
}

hardening() { scripts/check-hardening build/tollbar; }

units() { scripts/check-units; }

claims() { scripts/check-claims; }

# minutes long: for make security alone
analysers() { scripts/analyze; }

# The pages are well-formed, and name every command and every setting.  What else is installed here is not their fault.
pages() {
	local complaints settings
	scripts/man.sh build/man || return
	complaints=$(mandoc -T lint build/man/* 2>/dev/null | grep -v 'referenced manual not found')
	settings=$(grep -cE '^;?[a-z0-9_]+ *=' tollbar.example.conf)
	[[ $(grep -c '^\.It Ic ' build/man/tollbar.conf.5) == "$settings" ]] || complaints+=" not every setting is in tollbar.conf(5)"
	[[ $(grep -c '^\.Ss tollbar ' build/man/tollbar.1) == $(build/tollbar --help | grep -c '^  tollbar ') ]] ||
		complaints+=" not every command is in tollbar(1)"
	echo -n "${complaints:+$complaints$'\n'}"
	[[ -z $complaints ]]
}

for name in "${@:-format rules shell hardening units pages claims cppcheck tidy}"; do
	for one in $name; do
		case $one in
		format | tidy | rules | shell | hardening | units | pages | claims | analysers) step "$one" "$one" ;;
		cppcheck) step cppcheck cppcheck_all ;;
		*) echo "lint: no step '$one'" >&2; exit 2 ;;
		esac
	done
done
exit $failed
