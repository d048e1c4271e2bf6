#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The manual pages, from what there is to read anyway: tollbar(1) from what each command answers to --help, tollbar.conf(5) from
# the example that names every setting, tollbar-native(7) from docs/native.md.
#
#   scripts/man.sh FOLDER      writes them; TOLLBAR (build/tollbar) is the program that is asked
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$1
program=${TOLLBAR:-build/tollbar}
example=tollbar.example.conf
# the day of the text, not of the build
seconds=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y "$example")}
day=$(LC_ALL=C date -u -d "@$seconds" '+%B %-d, %Y')

head() { # NAME SECTION DESCRIPTION
	printf '.\\" SPDX-License-Identifier: Apache-2.0\n.\\" Written by scripts/man.sh.\n.Dd %s\n.Dt %s %s\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n' \
		"$day" "${1^^}" "$2" "$1" "$3"
}

# Words as they are: no escape, and no line that looks like a request.
plain() { sed 's/\\/\\e/g; s/-/\\-/g; s/^[.'\'']/\\\&&/'; }
literal() { echo '.Bd -literal'; plain; echo '.Ed'; }

commands() { "$program" --help | sed -n 's/^  tollbar \([a-z]*\) .*/\1/p'; }

tollbar_1() {
	head tollbar 1 'verification gate for paid AI inference'
	printf '.Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar argument ...\n.Sh DESCRIPTION\n.Bd -literal\n'
	"$program" --help | sed '1,2d; /^tollbar COMMAND --help/d' | plain
	echo '.Ed'
	for command in $(commands); do
		printf '.Ss tollbar %s\n' "$command"
		"$program" "$command" --help | literal
	done
	cat <<-'END'
	.Sh FILES
	.Bl -tag -width Ds
	.It Pa /etc/tollbar/tollbar.conf
	what the units
	.Pa tollbar.service
	and
	.Pa tollbar\-filter@.service
	read, see
	.Xr tollbar.conf 5
	.It Pa /var/lib/tollbar
	the ledger: a backup takes both its files, of a stopped daemon
	.It Pa /sys/fs/bpf/tollbar
	what holds the filter while no process does
	.El
	.Sh EXIT STATUS
	0, or 1 when it could not be done, or 2 when it was asked for in the wrong way.
	.Sh SEE ALSO
	.Xr systemd.socket 5 ,
	.Xr tollbar.conf 5 ,
	.Xr tollbar-native 7 ,
	.Xr ip\-link 8
	END
}

# Prose in awk: marked() turns what is between `ticks` and *stars* and [words](links) into what roff knows, words() prints a sentence a
# line, none too long.
# shellcheck disable=SC2016 # it is awk
prose='
	function between(text, pattern, font) {
		while (match(text, pattern))
			text = substr(text, 1, RSTART - 1) "\\f" font substr(text, RSTART + 1, RLENGTH - 2) "\\fR" substr(text, RSTART + RLENGTH)
		return text
	}
	function plain(text) { gsub(/\\/, "\\e", text); gsub(/-/, "\\-", text); return text }
	function marked(text) {
		while (match(text, /\[[^]]*\]\([^)]*\)/))
			text = substr(text, 1, RSTART - 1) linked(substr(text, RSTART, RLENGTH)) substr(text, RSTART + RLENGTH)
		return between(between(plain(text), "`[^`]*`", "B"), "[*][^* ][^*]*[*]", "I")
	}
	function linked(link,   place) {
		place = link; sub(/.*\]\(/, "", place); sub(/\)$/, "", place)
		sub(/\]\(.*/, "", link); sub(/^\[/, "", link)
		return link " (" place ")"
	}
	function words(text,   cnt, i, at, lines, line) {
		text = marked(text)
		gsub(/[.!?] +/, "&\n", text)
		cnt = split(text, lines, "\n")
		for (i = 1; i <= cnt; i++)
			while (length(lines[i]) > 0) {
				at = length(lines[i])
				if (at > 76) { at = 76; while (at > 1 && substr(lines[i], at, 1) != " ") at-- }
				if (at == 1) at = length(lines[i])
				line = substr(lines[i], 1, at)
				lines[i] = substr(lines[i], at + 1)
				sub(/^ +/, "", line); sub(/ +$/, "", line)
				if (line ~ /^[.\047]/) line = "\\&" line
				if (line != "") print line
			}
	}
'

# The example's lines: "# words", "[section] ; words", "key = value ; words" or, showing a default, ";key = value ; words", and
# "   ; more words".
conf_body() {
	awk "$prose"'
	function flush() { if (said != "") words(said); said = "" }
	function list(on) { if (on && !open) print ".Bl -tag -width Ds"; if (!on && open) print ".El"; open = on }
	NR == 1 { next } # what the file is
	/^#/ { flush(); list(0); sub(/^# */, ""); print ".Pp"; said = $0; next }
	/^[[:space:]]*$/ { next }
	/^[[:space:]]+;/ { sub(/^[[:space:]]+; */, ""); said = said " " $0; next }
	{ flush() }
	/^\[/ {
		list(0)
		print ".Ss The [" plain(substr($0, 2, index($0, "]") - 2)) "] section"
		if (sub(/^[^;]*; */, "")) said = $0
		next
	}
	{
		list(1)
		shown = sub(/^;/, "")
		comment = ""
		if (match($0, / ;/)) { comment = substr($0, RSTART + 2); $0 = substr($0, 1, RSTART - 1) }
		key = $0; sub(/ *=.*/, "", key)
		value = $0; sub(/^[^=]*= */, "", value); sub(/ +$/, "", value)
		print ".It Ic " plain(key) (value == "" ? "" : " = Ar " plain(value))
		sub(/^ +/, "", comment)
		said = comment
	}
	END { flush(); list(0) }' "$example"
}

conf_5() {
	head tollbar.conf 5 "configuration of the verification gate"
	cat <<-'END'
	.Sh DESCRIPTION
	Sections in brackets, and in them settings, one a line.
	Each is shown below with a value: its default, where the example file has it
	behind a semicolon, else one to be replaced.
	END
	conf_body
	printf '.Sh FILES\n.Bl -tag -width Ds\n.It Pa /etc/tollbar/tollbar.conf\n.It Pa /usr/share/doc/tollbar/examples/tollbar.example.conf\n.El\n'
	printf '.Sh SEE ALSO\n.Xr tollbar 1\n'
}

# docs/native.md as it is written: headings, paragraphs, lists, tables with a header, indented and fenced text.
markdown() {
	awk "$prose"'
	BEGIN { fresh = 1 }
	function flush() { if (said != "") words(said); said = "" }
	function end(kind) { # of a list, a table, or text as it stands
		flush()
		if (open == kind) return
		if (open == "text") print ".Ed"
		else if (open != "") print ".El"
		open = kind
		if (kind == "text") print ".Bd -literal"
		else if (kind == "list") print ".Bl -bullet"
		else if (kind == "table") { print ".Bl -tag -width Ds"; head_line = $0 }
	}
	function as_it_stands(text) { text = plain(text); if (text ~ /^[.\047]/) text = "\\&" text; print text }
	function row(   cell, text, i, cnt) {
		cnt = split($0, cell, / *[|] */)
		if (head_line ~ /^[|] offset/) {
			print ".It " plain(cell[4]) (cell[2] == "" ? "" : ", at " cell[2]) (cell[3] == "" ? "" : ", " cell[3] (cell[3] == 1 ? " byte" : " bytes"))
			text = cell[5]
		} else {
			print ".It " marked(cell[2])
			for (i = 3; i < cnt; i++) text = text (text == "" ? "" : "; ") cell[i]
		}
		words(text)
	}
	/^```/ { if (fenced) { fenced = 0; end("") } else { end("text"); fenced = 1 }; next }
	fenced { as_it_stands($0); next }
	/^# / || /^<!--.*-->$/ { next }
	/^## / { end(""); print ".Ss " marked(substr($0, 4)); fresh = 1; next }
	/^### / { end(""); print ".Pp"; print ".Em " marked(substr($0, 5)); print ".Pp"; fresh = 1; next }
	/^[|]/ { if (open != "table") { end("table"); next } if ($0 !~ /^[|]-/) row(); next }
	/^    / && (open == "text" || blank) && open != "list" { end("text"); as_it_stands(substr($0, 5)); blank = 0; next }
	/^- / { end("list"); print ".It"; said = substr($0, 3); blank = 0; next }
	/^  / && open == "list" { said = said " " substr($0, 3); next }
	/^$/ { if (open == "") flush(); blank = 1; next }
	{
		if (open != "") { end(""); fresh = 0 }
		if (said == "" && !fresh) print ".Pp"
		said = said (said == "" ? "" : " ") $0
		fresh = blank = 0
	}
	END { end("") }' "$1"
}

native_7() {
	head tollbar-native 7 "a paid inference request in one UDP datagram"
	echo '.Sh DESCRIPTION'
	markdown docs/native.md
	printf '.Sh SEE ALSO\n.Xr tollbar 1 ,\n.Xr tollbar.conf 5\n'
}

mkdir -p "$folder"
tollbar_1 >"$folder/tollbar.1"
conf_5 >"$folder/tollbar.conf.5"
native_7 >"$folder/tollbar-native.7"
