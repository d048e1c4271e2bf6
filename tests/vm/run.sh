#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh: the filter and the daemon on the oldest kernel they support: Debian 12's own 6.1, booted in an emulator.  Kernel
# and busybox are fetched as packages and unpacked into build/vm, not installed; the emulator needs neither root nor
# /dev/kvm.  What the guest runs is in tests/vm/init; its console is parsed here.  Last line: "N passed, N failed[, N
# skipped]" of all that ran in the guest.
set -u
cd "$(dirname "$0")/../.." || exit

CACHE=build/vm
SECONDS_MAX=${VM_SECONDS_MAX:-600} # by far more than it takes on an idle machine; an emulator that hangs ends here
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
trap 'exit 1' INT TERM

[ "$(uname -m)" = x86_64 ] || { echo "SKIP emulates x86-64 only"; exit 77; }
command -v qemu-system-x86_64 cpio >/dev/null || { echo "SKIP no emulator: scripts/install-deps vm"; exit 77; }

# The guest's programs from this machine, those of the repository, and the kernel modules in the order they load.
PROGRAMS=(bash ip nstat ss nsenter ethtool curl ping timeout stat grep sed mountpoint mount unshare setpriv
	bpftool xdp-filter xdp-loader)
FILES=(build/tollbar build/gate.bpf.o build/tests/bpf/{test_gate,test_reload,test_trace,test_same,test_hard,test_bucket,test_syn,test_native,test_native_cookie,test_opened,another.bpf.o}
	build/tests/tools/{upstream,facilitator,load} tests/fuzz/corpus/packet/*
	scripts/{netns,offer}.sh tests/bpf/verifier_insns tests/e2e/{check,live,filter,beside,hard,syn,unprivileged}.sh tests/vm/init systemd/tollbar-filter@.service)
MODULES=(drivers/net/veth.ko net/llc/llc.ko net/802/stp.ko net/802/garp.ko net/802/mrp.ko net/8021q/8021q.ko net/tls/tls.ko drivers/net/bonding/bonding.ko)

fetch() { # PACKAGE PATTERN...: unpacks these files of it into $CACHE/PACKAGE, once
	local package=$1 into=$CACHE/$1
	shift
	[ "$(cat "$into/.files" 2>/dev/null)" = "$*" ] && return
	rm -rf "$into" "$into.new"
	mkdir -p "$WORK/fetch" "$into.new" && chmod 755 "$WORK" "$WORK/fetch" # apt reads as another user
	(cd "$WORK/fetch" && apt-get download -qq "$package" >/dev/null 2>"$WORK/apt") || { cat "$WORK/apt"; return 1; }
	dpkg-deb --fsys-tarfile "$WORK/fetch/$package"_*.deb | tar -xC "$into.new" --wildcards "$@" && echo "$*" >"$into.new/.files" && mv "$into.new" "$into"
}

fetch_both() {
	[ -n "$KERNEL" ] || # the newest of the series in the package lists
		KERNEL=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	[ -n "$KERNEL" ] && fetch "$KERNEL" './boot/vmlinuz-*' "${MODULES[@]/#/*/kernel/}" && fetch busybox-static ./bin/busybox
}

fetch_all() {
	KERNEL=$(find "$CACHE" -mindepth 1 -maxdepth 1 -name 'linux-image-*-amd64' -printf '%f\n' 2>/dev/null | head -n 1)
	fetch_both && return
	apt-get update -qq >/dev/null 2>&1 # no lists yet, or older than the archive
	KERNEL=
	fetch_both
}

put() { # FILE: into the guest's tree at the same path, with the libraries it needs
	local file
	while read -r file; do
		[ -e "$WORK/root$file" ] || install -D "$file" "$WORK/root$file"
	done < <(echo "$1"; ldd "$1" 2>/dev/null | grep -o '/[^ ]*')
}

build_root() {
	local name path
	mkdir -p "$WORK"/root/{dev,etc,proc,sys,run,tmp,modules} "$WORK"/root/usr/{bin,sbin,lib,lib64}
	for name in passwd group; do grep -E '^(root|daemon|nogroup):' /etc/$name >"$WORK/root/etc/$name"; done
	for name in bin sbin lib lib64; do ln -s "usr/$name" "$WORK/root/$name"; done
	ln -s bash "$WORK/root/bin/sh"
	cp "$CACHE/busybox-static/bin/busybox" "$WORK/root/bin/"
	for name in "${PROGRAMS[@]}"; do
		path=$(PATH=$PATH:/usr/sbin:/sbin command -v "$name") || { echo "$name is missing"; return 1; }
		put "$path"
	done
	for path in /usr/lib/*/bpf/xdp*.o; do put "$path"; done # xdp-filter's programs and libxdp's dispatcher
	for path in "${FILES[@]}"; do
		install -D "$path" "$WORK/root/tollbar/$path" || return 1
		[[ $path == build/* ]] && while read -r name; do put "$name"; done < <(ldd "$path" 2>/dev/null | grep -o '/[^ ]*')
	done
	for name in "${MODULES[@]}"; do
		cp "$CACHE/$KERNEL"/lib/modules/*/kernel/"$name" "$WORK/root/modules/" || return 1
		echo "/modules/${name##*/}" >>"$WORK/root/modules/order"
	done
	(cd "$WORK/root" && ln -s tollbar/tests/vm/init init && find . | cpio -o -H newc -R 0:0 --quiet) >"$WORK/initramfs"
}

boot() {
	timeout -k 5 "$SECONDS_MAX" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 1024 -smp 2 -nodefaults -no-reboot \
		-display none -serial stdio -kernel "$CACHE/$KERNEL"/boot/vmlinuz-* -initrd "$WORK/initramfs" \
		-append "console=ttyS0 quiet panic=-1 GUEST=${GUEST:-all}" </dev/null | tr -d '\r' >"$WORK/console"
}

fetch_all || { echo "cannot fetch the kernel package"; exit 1; }
build_root || exit 1
boot
cat "$WORK/console"
grep -q '^guest: done$' "$WORK/console" || { echo "the guest did not come to its end"; exit 1; }
sed -nE 's/^guest: .*: ([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$/\1 \2 \4/p' "$WORK/console" >"$WORK/counts"
awk '{ p += $1; f += $2; s += $3 }
	END { printf "%d passed, %d failed%s\n", p, f, s ? ", " s " skipped" : ""; exit f > 0 || p == 0 }' "$WORK/counts"
