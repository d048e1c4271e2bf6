# SPDX-License-Identifier: Apache-2.0
# bash completion for tollbar.  What there is to complete is asked of the program, whose usage texts name it all: commands,
# options, and what a value may be (a file, an interface, one of some words).
# shellcheck shell=bash

# What may follow this option, or, without one, stand by itself: words, FILE, IFACE or nothing.
_tollbar_values() { # USAGE OPTION-OR-NOTHING
	local value
	if [[ -n $2 ]]; then
		value=$(grep -oE -- "(^|[^a-z-])$2 [A-Za-z@|-]+" <<<"$1" | head -n 1)
		value=${value##* }
	else
		value=$(sed -n '/^usage:/,/^$/p' <<<"$1" | sed -E 's/\[[^]]*--?[^]]*\]//g' | grep -oE 'IFACE|FILE|\b(add|clear)\b' | sort -u |
			paste -sd '|')
	fi
	tr '|' '\n' <<<"$value"
}

_tollbar_offer() { # WORD VALUE...: each kind of value as what can be typed
	local word=$1 value
	shift
	for value in "$@"; do
		case $value in
		*FILE | PATH | DIR | DIRECTORY) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "${word#@}") ;;
		IFACE) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$(cd /sys/class/net && echo *)" -- "$word") ;;
		*[A-Z]* | '') ;; # a number, a name: nobody knows
		*) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$value" -- "$word") ;;
		esac
	done
}

_tollbar() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} usage values
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t values < <("$1" --help 2>/dev/null | sed -n 's/^  tollbar \([a-z]*\) .*/\1/p')
		_tollbar_offer "$word" "${values[@]}"
		return
	fi
	usage=$("$1" "${COMP_WORDS[1]}" --help 2>/dev/null)
	if [[ $before == -* ]]; then
		mapfile -t values < <(_tollbar_values "$usage" "$before")
		# an option that takes nothing is followed by anything
		if [[ -n ${values[*]} ]]; then
			_tollbar_offer "$word" "${values[@]}"
			return
		fi
	fi
	if [[ $word == -* ]]; then
		mapfile -t values < <(grep -oE -- '(^|[^A-Za-z0-9-])--?[a-z][a-z0-9-]*' <<<"$usage" | grep -oE -- '--?[a-z].*' | sort -u)
		_tollbar_offer "$word" "${values[@]}" --help
		return
	fi
	mapfile -t values < <(_tollbar_values "$usage" '')
	_tollbar_offer "$word" "${values[@]}"
}
complete -o filenames -F _tollbar tollbar
