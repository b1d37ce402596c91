#!/bin/sh
# Runs HAProxy out of the rootfs in the machine's network; it reaches the nodes through their switch's namespace.
# Environment: ROOTFS ROOT CONFIG NETNS CGROUP_PROCS
set -eu
for procs in $CGROUP_PROCS; do echo 0 > "$procs"; done
mount --bind "$ROOTFS" "$ROOT"
mount -o remount,bind,ro "$ROOT"
mount -t proc proc "$ROOT/proc"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$ROOT/run"
mkdir "$ROOT/run/netns"
touch "$ROOT/run/netns/$(basename "$NETNS")" "$ROOT/run/haproxy.cfg"
mount --bind "$NETNS" "$ROOT/run/netns/$(basename "$NETNS")"
mount --bind "$CONFIG" "$ROOT/run/haproxy.cfg"
cd "$ROOT"
pivot_root . .
umount -l .
cd /
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin haproxy -db -f /run/haproxy.cfg
