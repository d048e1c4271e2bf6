#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Open-ended fuzzing: scripts/fuzz.sh NAME [libFuzzer option...]; Ctrl-C ends it.  New inputs gather in build/fuzz-corpus;
# a finding is written to build/fuzz-findings.  Without a name: the names.
set -euo pipefail
cd "$(dirname "$0")/.."

name=${1:-}
if [[ -z $name || ! -e tests/fuzz/fuzz_$name.c ]]; then
	echo "usage: make fuzz FUZZ=NAME, with NAME one of: $(basename -s .c tests/fuzz/fuzz_*.c | sed 's/^fuzz_//' | xargs)" >&2
	exit 2
fi
shift
mkdir -p "build/fuzz-corpus/$name" build/fuzz-findings
corpus=(build/fuzz-corpus/"$name")
[[ -d tests/fuzz/corpus/$name ]] && corpus+=(tests/fuzz/corpus/"$name")
exec "build/fuzz/fuzz_$name" -artifact_prefix="build/fuzz-findings/$name-" -timeout=10 "$@" "${corpus[@]}"
