#!/bin/sh
# First process of a node: makes the rootfs its whole world, then becomes the node's supervisord.
# Runs in the node's network namespace and in new mount, pid, uts and ipc namespaces.
# Environment: NAME ROOTFS BIN NODE_DIR SHARED CGROUP_PROCS
set -eu

# 0 stands for the writing process; its number outside of the pid namespace is unknown here.
for procs in $CGROUP_PROCS; do echo 0 > "$procs"; done

root=$NODE_DIR/root
bind() { mount --bind "$1" "$root$2"; }
bind_read_only() { bind "$1" "$2"; mount -o remount,bind,ro "$root$2"; }

bind_read_only "$ROOTFS" ""
bind "$NODE_DIR/var" /var
bind "$SHARED" /srv/shared
bind_read_only "$NODE_DIR/etc" /etc/kubernetes
bind_read_only "$BIN" /opt/kube/bin
for file in hosts hostname resolv.conf; do bind_read_only "$NODE_DIR/etc/$file" "/etc/$file"; done

mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"

echo "$NAME" > /proc/sys/kernel/hostname
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables

# The kubelet sets these for the whole machine unless they already read as it wants them.
mkdir "$root/run/tunables"
tunable() {
  [ -e "$root/proc/sys/$1" ] || return 0
  file=$root/run/tunables/$(echo "$1" | tr / .)
  echo "$2" > "$file"
  mount --bind "$file" "$root/proc/sys/$1"
}
tunable vm/overcommit_memory 1
tunable vm/panic_on_oom 0
tunable kernel/panic 10
tunable kernel/panic_on_oops 1
tunable kernel/keys/root_maxkeys 1000000
tunable kernel/keys/root_maxbytes 25000000

cd "$root"
pivot_root . .
umount -l .
cd /
# Volumes that are mounted later must show up in pods that already run.
mount --make-rshared /
exec env -i PATH=/opt/kube/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp \
  /usr/bin/supervisord --nodaemon --configuration /etc/kubernetes/supervisord.conf
