#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# deb.sh: the Debian package of `make deb`, in a life: installed, configured, started as its units say, upgraded while requests come
# in, removed, purged.  It happens on an overlay of this machine's root, in namespaces of its own (mounts, network, BPF file
# system), so that nothing of it is left.  systemd does not run there: tests/tools/manager.c takes its place, and a few lines that
# of what the package asks systemd for do the restart.  Needs root.  Last line: "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/../.." || exit
. tests/e2e/check.sh
# shellcheck source=scripts/offer.sh disable=SC1091
. scripts/offer.sh

DEB=$(ls build/deb/tollbar_*.deb 2>/dev/null)
[ -n "$DEB" ] || { echo "SKIP there is no package: make deb"; exit 77; }
[ "${1:-}" = inside ] || exec unshare --mount --net --propagation private "$0" inside

DIR=$(mktemp -d)
ROOT=$DIR/root
MANAGER=
HELPERS=()

stop_all() {
	for pid in $MANAGER "${HELPERS[@]}"; do kill "$pid" 2>/dev/null; done
	for pid in $MANAGER "${HELPERS[@]}"; do wait "$pid" 2>/dev/null; done
	umount -R "$DIR/root" 2>/dev/null
	umount "$DIR"
	rmdir "$DIR"
}
trap stop_all EXIT
trap 'exit 1' INT TERM

in_root() { chroot "$ROOT" env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }

until_true() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.05
	done
}

mount_root() {
	mount -t tmpfs -o mode=755 tmpfs "$DIR" && mkdir "$DIR"/{upper,work,root} &&
		mount -t overlay -o "lowerdir=/,upperdir=$DIR/upper,workdir=$DIR/work" overlay "$ROOT" &&
		mount --rbind /dev "$ROOT/dev" && mount -t proc proc "$ROOT/proc" && mount -t sysfs sys "$ROOT/sys" &&
		mount -t bpf -o mode=711 bpf "$ROOT/sys/fs/bpf" && mount -t tmpfs tmpfs "$ROOT/run" &&
		mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
}

make_root() {
	if ! mount_root; then
		echo "SKIP no overlay of the root to install on"
		exit 77
	fi
	mkdir -p "$ROOT/run/systemd/system" # the package believes in systemd
	# what it asks for is written down, and a restart done
	cat >"$ROOT/usr/bin/deb-systemd-invoke" <<-'END'
	#!/bin/sh
	echo "$*" >>/run/asked
	[ "$*" != "restart tollbar.service" ] || [ ! -e /run/manager ] || kill -HUP "$(cat /run/manager)"
	END
	mv "$ROOT/usr/bin/systemctl" "$ROOT/usr/bin/systemctl.real" # which changes links without a systemd, too
	# shellcheck disable=SC2016 # for the script
	printf '#!/bin/sh\ncase "$*" in *" preset "*) exec systemctl.real "$@" ;; esac\n' >"$ROOT/usr/bin/systemctl"
	chmod +x "$ROOT/usr/bin/deb-systemd-invoke" "$ROOT/usr/bin/systemctl"
	cp build/tests/tools/{manager,confine} "$ROOT/usr/local/bin/"
	in_root dpkg --purge tollbar >/dev/null 2>&1 # where this machine has it
	ip link set lo up
	ip link add node0 type veth peer name client0
	ip link set node0 up && ip link set client0 up
}

helper() { # TOOL
	"build/tests/tools/$1" --port 0 --port-file "$DIR/$1" >/dev/null &
	HELPERS+=($!)
	until_true 10 test -s "$DIR/$1"
}

configure() {
	in_root cp /usr/share/doc/tollbar/examples/tollbar.example.conf /etc/tollbar/tollbar.conf
	ok "the example as it comes" "$(in_root tollbar check /etc/tollbar/tollbar.conf >/dev/null; echo $?)" 0
	cat >"$ROOT/etc/tollbar/tollbar.conf" <<-END
	[node]
	listen = 127.0.0.1:8402
	admin = 127.0.0.1:9402
	interface = node0
	state = /var/lib/tollbar
	workers = 2
	[facilitator]
	url = http://127.0.0.1:$(cat "$DIR/facilitator")
	[upstream model]
	url = http://127.0.0.1:$(cat "$DIR/upstream")
	$(offer_section usdc)
	[route chat]
	match = POST /v1/chat/completions
	offers = usdc
	upstream = model
	[route models]
	match = GET /v1/models
	upstream = model
	END
	in_root chmod 640 /etc/tollbar/tollbar.conf
	in_root chgrp tollbar /etc/tollbar/tollbar.conf
}

# What the units say; what systemd makes of user, capabilities, system calls and StateDirectory is done by hand.
unit() { sed -n "s/^$2=//p" "$ROOT/lib/systemd/system/$1" | head -n 1; } # UNIT SETTING

# The system calls that a unit's SystemCallFilter= leaves, as numbers, into /run/UNIT.calls.
calls_of() { # GROUP-OR-CALL...: names
	for name in "$@"; do
		case $name in
		@*) for inner in $(systemd-analyze syscall-filter "$name" | grep -oE '^ +[@a-z][a-z0-9_-]*'); do calls_of "$inner"; done ;;
		*) echo "$name" ;;
		esac
	done
}

calls() { # UNIT
	local line
	calls_of @default | sort -u >"$DIR/calls"
	while read -r line; do
		# shellcheck disable=SC2086 # names
		case $line in
		"~"*) calls_of ${line#"~"} | sort -u | comm -23 "$DIR/calls" - >"$DIR/calls.next" ;;
		*) calls_of $line | sort -u - "$DIR/calls" >"$DIR/calls.next" ;;
		esac
		mv "$DIR/calls.next" "$DIR/calls"
	done < <(sed -n 's/^SystemCallFilter=//p' "$ROOT/lib/systemd/system/$1")
	echo '#include <sys/syscall.h>' | "${CC:-gcc}" -dM -E - | sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$/\1 \2/p' | sort |
		join - "$DIR/calls" | cut -d ' ' -f 2 >"$ROOT/run/$1.calls"
}

filter_unit() { # SETTING
	local command capabilities
	command=$(unit tollbar-filter@.service "$1")
	capabilities=$(unit tollbar-filter@.service CapabilityBoundingSet | sed 's/CAP_/+/g; s/ /,/g' | tr '[:upper:]' '[:lower:]')
	# shellcheck disable=SC2086 # a command line
	in_root setpriv "--bounding-set=-all,$capabilities" --inh-caps=-all --no-new-privs confine /run/tollbar-filter@.service.calls \
		${command//%I/node0} 2>>"$DIR/log"
}

start() {
	local user
	user=$(unit tollbar.service User)
	in_root install -d -o "$user" -g "$user" -m 700 /var/lib/tollbar
	# shellcheck disable=SC2046 # a command line
	chroot "$ROOT" env -i PATH=/usr/local/bin:/usr/bin:/bin manager --log /run/said --watchdog-ms 30000 --listen 127.0.0.1:8402 \
		--listen 127.0.0.1:8402 -- setpriv "--reuid=$user" "--regid=$user" --clear-groups --bounding-set=-all --inh-caps=-all \
		--no-new-privs confine /run/tollbar.service.calls $(unit tollbar.service ExecStart) 2>>"$DIR/log" &
	MANAGER=$!
	echo "$MANAGER" >"$ROOT/run/manager"
	until_true 20 grep -qs 'heard READY=1' "$ROOT/run/said"
	ok "started as the unit says" $? 0
	ok "as its user, without capabilities, its system calls filtered" \
		"$(in_root id -un "$(stat -c %u "/proc/$(daemon)")") $(sed -nE 's/^(CapEff|Seccomp):\t//p' "/proc/$(daemon)/status" | paste -sd ' ')" \
		"tollbar 0000000000000000 2"
}

# Where processes have their own numbers, the manager's is the same on both sides: only mounts and network are apart.
daemon() { sed -n 's/^started //p' "$ROOT/run/said" | tail -n 1; }
runs() { stat -Lc %i "/proc/$(daemon)/exe"; }
status_of() { curl -s -o /dev/null -m 10 -w '%{http_code}' "http://127.0.0.1:8402$1"; }
pay() {
	in_root tollbar pay --key /root/key --data '{"model":"m","messages":[{"role":"user","content":"hello"}]}' \
		http://127.0.0.1:8402/v1/chat/completions >/dev/null 2>>"$DIR/log"
	echo $?
}

install_it() {
	in_root dpkg -i "/tmp/${DEB##*/}" >"$DIR/dpkg" 2>&1
	ok "installed" $? 0
	[ "$FAILED" = 0 ] || cat "$DIR/dpkg"
	ok "its user" "$(in_root id -un tollbar)" tollbar
	ok "no shell for it" "$(in_root getent passwd tollbar | cut -d: -f7)" /usr/sbin/nologin
	ok "the configuration's folder" "$(in_root stat -c '%a %U %G' /etc/tollbar)" "750 root tollbar"
	ok "the pins' folder" "$(in_root stat -c '%a %U %G' /sys/fs/bpf/tollbar)" "711 root root"
	ok "no configuration is made up" "$(ls "$ROOT/etc/tollbar")" ''
	ok "the service is enabled" "$(readlink "$ROOT/etc/systemd/system/multi-user.target.wants/tollbar.service")" \
		/lib/systemd/system/tollbar.service
	ok "the socket is not" "$(find "$ROOT/etc/systemd/system/sockets.target.wants" -name '*tollbar*' 2>/dev/null)" ''
	ok "it would start" "$(cat "$ROOT/run/asked")" "start tollbar.service"
	ok "and waits for a configuration" "$(unit tollbar.service ConditionPathExists)" /etc/tollbar/tollbar.conf
	ok "pages" "$(in_root man --path tollbar tollbar.conf tollbar-native | wc -l)" 3
	ok "completion" "$(in_root bash -c '. /usr/share/bash-completion/completions/tollbar.bash && complete -p tollbar')" \
		"complete -o filenames -F _tollbar tollbar"
	ok "systemd reads the units" "$(in_root systemd-analyze verify /lib/systemd/system/tollbar{.service,.socket,-filter@eth0.service} 2>&1 |
		grep -F tollbar)" ''
	ok "hardened" "$(scripts/check-hardening "$ROOT/usr/bin/tollbar" | tail -n 1)" "21 passed, 0 failed"
	ok "probes are still in it" "$(readelf -n "$ROOT/usr/bin/tollbar" | grep -c 'Provider: tollbar' | sed 's/^[1-9].*/some/')" some
}

serves() { # WHEN
	ok "$1: served" "$(status_of /v1/models)" 200
	ok "$1: paid and served" "$(pay)" 0
	ok "$1: behind the filter" "$(curl -s -m 5 http://127.0.0.1:9402/metrics | sed -n 's/^tollbar_filter_attached[^ ]* //p')" 1
}

# Another package with a higher number, and the same program: what differs is that dpkg replaces all of it.
upgrade() {
	local before asked
	dpkg-deb -R "$DEB" "$DIR/next" && sed -i 's/^Version: .*/&+next/' "$DIR/next/DEBIAN/control" &&
		dpkg-deb --root-owner-group -b "$DIR/next" "$ROOT/tmp/next.deb" >/dev/null
	before=$(runs)
	for client in 1 2 3 4; do
		(while [ ! -e "$DIR/enough" ]; do status_of /v1/models; echo; done >"$DIR/answers.$client") &
		HELPERS+=($!)
	done
	sleep 0.5
	in_root dpkg -i /tmp/next.deb >"$DIR/dpkg" 2>&1
	ok "upgraded" $? 0
	until_true 20 eval "[ \$(grep -c 'heard READY=1' '$ROOT/run/said') = 2 ]"
	ok "restarted" $? 0
	asked=$(cat "$DIR"/answers.* | wc -l)
	until_true 20 eval "[ \$(cat '$DIR'/answers.* | wc -l) -gt $((asked + 100)) ]"
	touch "$DIR/enough"
	wait "${HELPERS[@]: -4}"
	HELPERS=("${HELPERS[@]::2}")
	ok "another program" "$([ "$(runs)" != "$before" ] && echo yes)" yes
	ok "from the package" "$(runs)" "$(stat -c %i "$ROOT/usr/bin/tollbar")"
	ok "requests while it happened, all answered" "$(cat "$DIR"/answers.* | sort | uniq -c | sed 's/^ *[0-9]* //')" 200
	ok "the configuration is as it was" "$(in_root stat -c '%a %U %G' /etc/tollbar/tollbar.conf)" "640 root tollbar"
	ok "the filter stayed" "$(ip -o link show node0 | grep -c xdp)" 1
}

remove() {
	kill "$MANAGER"
	wait "$MANAGER"
	ok "the daemon's exit status" $? 0
	MANAGER=
	rm "$ROOT/run/manager"
	in_root dpkg -r tollbar >"$DIR/dpkg" 2>&1
	ok "removed" $? 0
	ok "the filter's unit is stopped" "$(grep -c "stop tollbar-filter@\*.service" "$ROOT/run/asked")" 1
	ok "no filter is left" "$(ip -o link show node0 | grep -c xdp)" 0
	ok "configuration and ledger are" "$(in_root ls /etc/tollbar/tollbar.conf /var/lib/tollbar/data.mdb | wc -l)" 2
	in_root dpkg -P tollbar >"$DIR/dpkg" 2>&1
	ok "purged" $? 0
	ok "nothing is left" "$(cd "$DIR/upper" && find . -name '*tollbar*' ! -type c ! -path './var/cache/man/*' ! -path "./${PWD#/}/*")" ''
	ok "dpkg knows nothing of it" "$(in_root dpkg-query -W tollbar 2>/dev/null)" ''
}

while read -r package; do
	ok "$package is what install-deps installs, too" "$(grep -cw -- "$package" scripts/install-deps | sed 's/[1-9].*/yes/')" yes
done < <(sed -n '/^Build-Depends:/,/^$/s/^ \([a-z0-9-]*\).*/\1/p' debian/control | grep -vE '^(debhelper-compat|dh-.*)$')
ok "lintian" "$(command -v lintian >/dev/null && lintian --allow-root --fail-on error,warning build/deb/*.changes)" ''
make_root
cp "$DEB" "$ROOT/tmp/"
(umask 077 && echo 0x4646464646464646464646464646464646464646464646464646464646464646 >"$ROOT/root/key")
helper upstream
helper facilitator
install_it
configure
calls tollbar.service
calls tollbar-filter@.service
ok "a unit's system calls: bpf, and none to change the clock" "$(for call in bpf clock_settime; do
	grep -cx "$(echo "SYS_$call" | "${CC:-gcc}" -E -P -include sys/syscall.h -x c - | tail -n 1)" "$ROOT/run/tollbar.service.calls"
done | paste -sd ' ')" "1 0"
filter_unit ExecStart
ok "the filter, as its unit says" $? 0
start
serves "at first"
upgrade
serves "after the upgrade"
filter_unit ExecReload
ok "the filter's unit, reloaded" $? 0
ok "both payments in the ledger" "$(in_root tollbar ledger -d /var/lib/tollbar --csv 2>/dev/null | grep -c settled)" 2
remove
[ "$FAILED" = 0 ] || cat "$DIR/log" "$DIR/dpkg"
check_done
