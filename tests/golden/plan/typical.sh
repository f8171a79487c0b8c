#!/bin/sh
# What hull would do, as commands to type. Run it as root.
set -eu
export root=$(mktemp -d)
script=$(mktemp)

# Inside the new namespaces: put the root together, then become the command.
cat > "$script" <<'INSIDE'
# hull: keyctl(KEYCTL_JOIN_SESSION_KEYRING), a new anonymous session keyring
hostname web
echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start
mkdir -p /c/upper /c/work
mount -t overlay overlay -o lowerdir=/layers/b:/layers/a,upperdir=/c/upper,workdir=/c/work "$root"
mkdir -p "$root"/proc
mount -t proc -o nosuid,nodev,noexec proc "$root"/proc
mkdir -p "$root"/dev
mount -t tmpfs -o nosuid,mode=755,size=65536k tmpfs "$root"/dev
mkdir -p "$root"/dev/pts
mount -t devpts -o nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$root"/dev/pts
mkdir -p "$root"/sys
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root"/sys
mkdir -p "$root"/sys/fs/cgroup
mount -t tmpfs -o mode=755,nosuid,nodev,noexec tmpfs "$root"/sys/fs/cgroup
mkdir "$root"/sys/fs/cgroup/pids; mount -t cgroup -o pids cgroup "$root"/sys/fs/cgroup/pids
mkdir "$root"/sys/fs/cgroup/systemd; mount -t cgroup -o none,name=systemd cgroup "$root"/sys/fs/cgroup/systemd
mkdir "$root"/sys/fs/cgroup/unified; mount -t cgroup2 cgroup "$root"/sys/fs/cgroup/unified
mount -o remount,bind,ro,nosuid,nodev,noexec "$root"/sys/fs/cgroup
if [ -e /srv/data ]; then
  if [ -d /srv/data ]; then mkdir -p "$root"/data; else mkdir -p "$(dirname "$root"/data)"; : >> "$root"/data; fi
  mount --rbind /srv/data "$root"/data
  mount -o remount,bind,ro "$root"/data   # hull: mount_setattr, also on what is mounted below
fi
mkdir -p "$root"/srv
mknod -m 666 "$root"/dev/null c 1 3
mknod -m 666 "$root"/dev/zero c 1 5
mknod -m 666 "$root"/dev/full c 1 7
mknod -m 666 "$root"/dev/random c 1 8
mknod -m 666 "$root"/dev/urandom c 1 9
mknod -m 666 "$root"/dev/tty c 5 0
ln -s /proc/self/fd "$root"/dev/fd
ln -s /proc/self/fd/0 "$root"/dev/stdin
ln -s /proc/self/fd/1 "$root"/dev/stdout
ln -s /proc/self/fd/2 "$root"/dev/stderr
ln -s /proc/kcore "$root"/dev/core
ln -s pts/ptmx "$root"/dev/ptmx
for path in /proc/kcore /sys/firmware; do
  [ -e "$root$path" ] || continue
  if [ -d "$root$path" ]; then mount -t tmpfs -o ro,size=4k tmpfs "$root$path"; else mount --bind /dev/null "$root$path"; fi
done
for path in /proc/sys; do
  [ -e "$root$path" ] || continue
  mount --rbind "$root$path" "$root$path"; mount -o remount,bind,ro "$root$path"
done
# hull: pivot_root(".", ".") and a lazy umount of the old root; no tool is left after that, so here chroot
# hull: setrlimit resource 7 to 1024:4096 (prlimit --pid $$ …)
umask 0022
# hull: seccomp(2) loads a filter of 3 instructions
exec setpriv --inh-caps=-all --bounding-set=-all,+chown,+kill,+sys_chroot env -i PATH=/usr/bin:/bin HOME=/root \
  "$(command -v chroot)" --userspec=0:0 --groups=4,20 "$root" sh -c 'cd "$0" && exec "$@"' /srv nginx -g 'daemon off;'
INSIDE

# The cgroups first (a cgroup namespace is rooted where its maker stands), then the namespaces.
status=0
(
  mkdir -p /sys/fs/cgroup/pids/hull/x; echo 0 > /sys/fs/cgroup/pids/hull/x/tasks
  exec nsenter --net=/proc/42/ns/net \
  unshare --ipc --uts --pid --mount --cgroup --fork --kill-child --propagation private -- sh -eu "$script"
) || status=$?

# Clean up.
rm -f "$script"; rmdir "$root"
rmdir /sys/fs/cgroup/pids/hull/x
rm -rf /c/upper /c/work; rmdir /c
exit $status
