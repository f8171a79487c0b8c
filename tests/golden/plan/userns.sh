#!/bin/sh
# What hull would do, as commands to type. Run it as root.
set -eu
export root=$(mktemp -d)
script=$(mktemp)

# Inside the new namespaces: put the root together, then become the command.
cat > "$script" <<'INSIDE'
if [ -z "${mapped:-}" ]; then
  until grep -q . /proc/self/gid_map; do sleep 0.05; done
  export mapped=1
  exec setpriv --reuid 0 --regid 0 --clear-groups sh -eu "$0"
fi
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
if [ -e /sys ]; then
  if [ -d /sys ]; then mkdir -p "$root"/sys; else mkdir -p "$(dirname "$root"/sys)"; : >> "$root"/sys; fi
  mount --rbind /sys "$root"/sys
  mount -o remount,bind,ro,nosuid,nodev,noexec "$root"/sys   # hull: mount_setattr, also on what is mounted below
fi
mkdir -p "$root"/sys/fs/cgroup
mount -t cgroup2 -o ro,nosuid,nodev,noexec cgroup "$root"/sys/fs/cgroup
if [ -e /srv/data ]; then
  if [ -d /srv/data ]; then mkdir -p "$root"/data; else mkdir -p "$(dirname "$root"/data)"; : >> "$root"/data; fi
  mount --rbind /srv/data "$root"/data
  mount -o remount,bind,ro "$root"/data   # hull: mount_setattr, also on what is mounted below
fi
mkdir -p "$root"/srv
if [ -e /dev/null ]; then
  if [ -d /dev/null ]; then mkdir -p "$root"/dev/null; else mkdir -p "$(dirname "$root"/dev/null)"; : >> "$root"/dev/null; fi
  mount --bind /dev/null "$root"/dev/null
fi
if [ -e /dev/zero ]; then
  if [ -d /dev/zero ]; then mkdir -p "$root"/dev/zero; else mkdir -p "$(dirname "$root"/dev/zero)"; : >> "$root"/dev/zero; fi
  mount --bind /dev/zero "$root"/dev/zero
fi
if [ -e /dev/full ]; then
  if [ -d /dev/full ]; then mkdir -p "$root"/dev/full; else mkdir -p "$(dirname "$root"/dev/full)"; : >> "$root"/dev/full; fi
  mount --bind /dev/full "$root"/dev/full
fi
if [ -e /dev/random ]; then
  if [ -d /dev/random ]; then mkdir -p "$root"/dev/random; else mkdir -p "$(dirname "$root"/dev/random)"; : >> "$root"/dev/random; fi
  mount --bind /dev/random "$root"/dev/random
fi
if [ -e /dev/urandom ]; then
  if [ -d /dev/urandom ]; then mkdir -p "$root"/dev/urandom; else mkdir -p "$(dirname "$root"/dev/urandom)"; : >> "$root"/dev/urandom; fi
  mount --bind /dev/urandom "$root"/dev/urandom
fi
if [ -e /dev/tty ]; then
  if [ -d /dev/tty ]; then mkdir -p "$root"/dev/tty; else mkdir -p "$(dirname "$root"/dev/tty)"; : >> "$root"/dev/tty; fi
  mount --bind /dev/tty "$root"/dev/tty
fi
ln -s /proc/self/fd "$root"/dev/fd
ln -s /proc/self/fd/0 "$root"/dev/stdin
ln -s /proc/self/fd/1 "$root"/dev/stdout
ln -s /proc/self/fd/2 "$root"/dev/stderr
ln -s /proc/kcore "$root"/dev/core
ln -s pts/ptmx "$root"/dev/ptmx
# hull opens a pty in $root/dev/pts, binds it on dev/console and makes it the controlling terminal
for path in /proc/kcore /sys/firmware; do
  [ -e "$root$path" ] || continue
  if [ -d "$root$path" ]; then mount -t tmpfs -o ro,size=4k tmpfs "$root$path"; else mount --bind /dev/null "$root$path"; fi
done
for path in /proc/sys; do
  [ -e "$root$path" ] || continue
  mount --rbind "$root$path" "$root$path"; mount -o remount,bind,ro "$root$path"
done
mount -o remount,ro "$root"
# hull: pivot_root(".", ".") and a lazy umount of the old root; no tool is left after that, so here chroot
# hull: setrlimit resource 7 to 1024:4096 (prlimit --pid $$ …)
umask 0022
# hull: seccomp(2) loads a filter of 3 instructions
# hull: hull-init stays as PID 1, reaps orphans and forwards signals
exec setpriv --inh-caps=-all --bounding-set=-all,+chown,+kill,+sys_chroot --no-new-privs env -i PATH=/usr/bin:/bin HOME=/root \
  "$(command -v chroot)" --userspec=0:0 --groups=4,20 "$root" sh -c 'cd "$0" && exec "$@"' /srv nginx -g 'daemon off;'
INSIDE

# The cgroups first (a cgroup namespace is rooted where its maker stands), then the namespaces.
status=0
(
  chmod 644 "$script"
  nsenter --net=/proc/42/ns/net \
  unshare --user --ipc --uts --pid --mount --cgroup --time --boottime=86400 --keep-caps --fork --kill-child --propagation private -- sh -eu "$script" &
  until printf '0 100000 65536\n' > /proc/$!/uid_map; do sleep 0.05; done 2>/dev/null
  printf '0 100000 65536\n' > /proc/$!/gid_map
  wait $!
) || status=$?

# Clean up.
rm -f "$script"; rmdir "$root"
rm -rf /c/upper /c/work; rmdir /c
exit $status
