"""Known ways out of a container, or at who runs it, replayed on the engine: hostile images, hostile processes inside and
hostile options."""
import contextlib
import os
import shutil
import socket
import stat
import subprocess
import time

from lib import images
from lib.hull import (Terminal, binary, busybox_rootfs, check, compiled, container, contains, environment, equal, eventually, hull, hull_words, inspect,
                      lacks, matches, need, peak_memory, run, sanitized, scratch, sh, start_container)

SECRET = "the host's secret"


def host_file(text=SECRET):
    path = scratch("host-file")
    with open(path, "w") as file:
        file.write(text)
    return path


# ---- programs and libraries of the image (CVE-2014-9357, CVE-2019-14271, CVE-2022-1227)

TROJANS = ("xz", "unpigz", "gzip", "zstd", "bzip2", "tar", "ps", "top", "nsenter", "unshare", "mount", "umount", "ip", "nft", "iptables",
           "modprobe", "newuidmap", "newgidmap", "sh", "bash", "cat", "ls")


def hostile_image():
    """A root where every program that an engine might run, and every library it might load, is the image's."""
    root = busybox_rootfs(scratch("hostile"))
    trojan = f"{root}/bin/busybox-trojan"
    shutil.copy(compiled("security/escape.c", "-static"), trojan)
    for folder in ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "lib", "lib64", "usr/lib/gconv", "usr/share/locale"):
        os.makedirs(f"{root}/{folder}", exist_ok=True)
        for name in TROJANS:
            if "bin" in folder:
                shutil.rmtree(f"{root}/{folder}/{name}", ignore_errors=True)
                if os.path.lexists(f"{root}/{folder}/{name}"):
                    os.unlink(f"{root}/{folder}/{name}")
                os.link(trojan, f"{root}/{folder}/{name}")
    for library in ("libnss_files.so.2", "libnss_dns.so.2", "libc.so.6", "libz.so.1", "libpam.so.0"):
        for folder in ("lib", "lib64"):
            shutil.copy(trojan, f"{root}/{folder}/{library}")
    for path, text in (("etc/nsswitch.conf", "passwd: evil\nhosts: evil\n"), ("etc/ld.so.preload", "/lib/libz.so.1\n"), ("etc/ld.so.conf", "/lib\n")):
        with open(f"{root}/{path}", "w") as file:
            file.write(text)
    return root


def test_nothing_of_the_image_runs_but_the_command():
    need("strace")
    root = hostile_image()
    trace = scratch("trace")
    with container("--net=none", f"--rootfs={root}", "--name=hostile", "/bin/busybox", "sleep", "1000") as name:
        commands = (("ps",), ("inspect", name), ("logs", name), ("exec", name, "/bin/busybox", "true"), ("ns", "show", name), ("ns", "ls"),
                    ("ns", "diff", name, "self"), ("map",), ("whois", name), ("owns", name), ("run", "--rm", "--net=none", f"--rootfs={root}", "/bin/busybox", "true"),
                    ("stop", "-t", "0", name), ("rm", "-f", name))
        for number, words in enumerate(commands):
            run("strace", "-f", "-qq", "-e", "trace=execve,execveat,open,openat,openat2", "-o", f"{trace}{number}", binary(), *words)
    executed = []
    for number, words in enumerate(commands):
        with open(f"{trace}{number}") as lines:
            for line in lines:
                if "exec" in line and " resumed>" not in line and " = -1" not in line:
                    executed.append(line.split(maxsplit=1)[1].strip())
                check(".so" not in line or sanitized(), f"hull {words[0]} loads a library: {line}")  # sanitizers bring some of the host's
    check(executed, "no exec was seen: the trace is of no use")
    strange = [line for line in executed if not any(word in line for word in ('hull", ', "hull-init", "hull-shim", '"/bin/busybox", ["/bin/busybox"', binary()))]
    equal(strange, [], "programs that were run")


# ---- descriptors (runc 1.5.2, crun: some lacked close-on-exec)

MAKERS = ("open", "openat", "openat2", "socket", "socketpair", "pipe2", "pipe", "memfd_create", "eventfd2", "eventfd", "epoll_create1", "epoll_create", "accept4",
          "accept", "inotify_init1", "inotify_init", "signalfd4", "timerfd_create", "fsopen", "fsmount", "fspick", "open_tree", "userfaultfd", "creat", "dup")


def test_every_descriptor_is_made_close_on_exec():
    """What is made without it can be inherited by a child that another part of the program starts meanwhile."""
    need("strace")
    trace = scratch("trace")
    with container("--net=none", "busybox", "sleep", "1000") as name:
        for number, words in enumerate((("run", "--rm", "--net=none", "busybox", "true"), ("run", "--rm", "--net=container:" + name, "busybox", "true"),
                                        ("exec", name, "true"), ("inspect", name), ("ns", "ls"), ("ps",), ("logs", name))):
            run("strace", "-f", "-qq", "-e", f"trace=execve,{','.join('?' + maker for maker in MAKERS)}", "-o", f"{trace}{number}", binary(), *words)
            theirs, seen = set(), 0
            with open(f"{trace}{number}") as lines:
                for line in lines:
                    pid, call = line.split(maxsplit=1)
                    if '"/bin/true"' in call:
                        theirs.add(pid)  # the container's program from here on
                    if pid in theirs or call.startswith(("execve", "---", "+++")) or " = -1" in call or "unfinished" in call or "resumed" in call:
                        continue
                    seen += 1
                    check("CLOEXEC" in call or sanitized(), f"hull {words[0]}: {line.strip()}")
            check(seen > 0, f"hull {words[0]}: {seen} descriptors were seen")


# ---- /dev/console and the terminal (CVE-2025-52565, CVE-2017-5226, CVE-2023-28100)

def test_dev_console_is_a_link_to_the_host():
    target = scratch("made-by-the-link")
    victim = host_file()
    for kind in ("image", "volume"):
        for number, link in enumerate((target, victim, "/proc/sys/kernel/core_pattern", "/dev/pts/0", "pts/../../../../../../../.." + victim)):
            root = busybox_rootfs(scratch(f"console-{kind}-{number}"))
            where = f"{root}/dev" if kind == "image" else scratch(f"dev-{number}")
            os.makedirs(f"{where}/pts", exist_ok=True)
            os.symlink(link, f"{where}/console")
            os.symlink("/proc/sys/kernel/core_pattern", f"{where}/pts/0")
            options = [] if kind == "image" else ["-v", f"{where}:/dev"]
            script = "stat -c '%F' /dev/console; tty; echo pushed > /dev/console; echo end"
            with Terminal(*hull_words(), "run", "--rm", "-t", "--net=none", *options, f"--rootfs={root}", "/bin/sh", "-c", script, env=environment()) as terminal:
                terminal.wait(20)
                if kind == "image":
                    matches(terminal.seen, r"character special file\s+/dev/pts/\d+", "what is at /dev/console")
            check(not os.path.exists(target), f"{kind}: {link}: a file of the host was made")
            equal(open(victim).read(), SECRET, f"{kind}: {link}: the host's file")
            lacks(open("/proc/sys/kernel/core_pattern").read(), "pushed")


def test_no_terminal_call_types_for_the_operator():
    """With -t, with -i alone, plain, and by exec: the call is refused on whatever is a terminal there."""
    program = compiled("security/escape.c", "-static")
    mount = ("-v", f"{program}:/escape:ro")
    with container("--net=none", *mount, "busybox", "sleep", "100") as name:
        for way in ("tiocsti", "tioclinux"):
            for words in (("run", "--rm", "-it", "--net=none", *mount, "busybox"), ("run", "--rm", "-i", "--net=none", *mount, "busybox"),
                          ("run", "--rm", "--net=none", *mount, "busybox"), ("exec", "-it", name), ("exec", "-i", name), ("exec", name)):
                with Terminal(*hull_words(), *words, "/escape", way, env=environment()) as terminal:
                    terminal.expect(f"held {way.upper()}")
                    equal(terminal.wait(), 0)
                    lacks(terminal.seen, "typed")


# ---- what is written into files of lines (CVE-2022-4318, CVE-2026-23953)

HOSTILE_WORDS = ("a\nroot2:x:0:0::/:/bin/sh", "a\rb", "a:b:0:0", "\n", "x\ny\n", "127.0.0.1 evil\n10.0.0.1 registry", "../../etc/passwd", "a\tb", "\x01", "\x7f")


def test_words_with_line_ends_make_no_lines():
    before = open("/etc/passwd").read()
    for word in HOSTILE_WORDS:
        for option in (f"--hostname={word}", f"--user={word}", f"--domainname={word}", f"--add-host={word}:1.2.3.4", f"--add-host=a:{word}", f"--dns={word}",
                       f"--dns-search={word}", f"--name={word}", f"--workdir={word}"):
            result = hull("run", "--rm", "--net=none", option, "busybox", "sh", "-c", "cat /etc/hosts /etc/hostname /etc/resolv.conf /etc/passwd; pwd")
            if result.code != 0:
                check(result.code in (125, 126, 127), f"{option!r}: {result}")
                result.one_line_error()
                continue
            plain = hull("run", "--rm", "--net=none", "busybox", "sh", "-c", "cat /etc/hosts /etc/hostname /etc/resolv.conf /etc/passwd; pwd").ok()
            more = len(result.out.splitlines()) - len(plain.out.splitlines())
            check(more <= 1, f"{option!r} made {more} lines more:\n{result.out}")
        for option in (f"--env=HOME={word}", f"--env=A={word}", f"--label=l={word}"):
            with container("--net=none", option, "busybox", "sleep", "100") as name:
                seen = hull("exec", name, "cat", "/etc/passwd", "/etc/hosts").ok().out
                lacks(seen, "evil")
                lacks(seen, "root2")
                equal(len(hull("ps", "--format", "{{.ID}}").ok().out.splitlines()), 1, f"{option!r}: lines of ps")
    equal(open("/etc/passwd").read(), before, "the host's users")


# ---- /etc/passwd of the image (CVE-2026-47262, CVE-2024-9676, CVE-2025-4437, CVE-2022-4122)

def lines_of(count):
    return lambda path: sh(f"yes 'u:x:1:1::/:/bin/sh' | head -n {count} > {path}").ok()


def sparse(path):
    with open(path, "w") as file:
        file.truncate(4 << 30)


def one_line(path):
    with open(path, "w") as file:
        file.write("a" * (64 << 20))


def unix_socket(path):
    with socket.socket(socket.AF_UNIX) as bound, contextlib.chdir(os.path.dirname(path)):  # its path may be too long to bind
        bound.bind("passwd" if path.endswith("passwd") else "group")


HOSTILE_FILES = {"a fifo": os.mkfifo, "a device": lambda path: os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5)), "a socket": unix_socket,
                 "a directory": os.mkdir, "4 GiB": sparse, "one line of 64 MiB": one_line, "a million lines": lines_of(1000000),
                 "a link to the host's": lambda path: os.symlink(host_file(f"{SECRET}:x:4711:4711::/:/bin/sh\nhostuser:x:4711:4711::/:/bin/sh\n"), path),
                 "a link out": lambda path: os.symlink("../../../../../../.." + host_file("hostuser:x:4711:4711::/:/bin/sh\n"), path),
                 "a link to itself": lambda path: os.symlink("passwd", path)}


def test_hostile_user_files_are_read_within_bounds():
    for what, make in HOSTILE_FILES.items():
        for file in ("passwd", "group"):
            root = busybox_rootfs(scratch("users"))
            os.unlink(f"{root}/etc/{file}")
            make(f"{root}/etc/{file}")
            for user in ("0", "hostuser"):
                result, peak = peak_memory(*hull_words(), "run", "--rm", "--net=none", f"--rootfs={root}", f"--user={user}", "/bin/id", "-u")
                check(result.seconds < 15, f"{what} as /etc/{file}: {result.seconds:.1f} s")
                check(peak < 64 << 10 or sanitized(), f"{what} as /etc/{file}: {peak} KiB")
                lacks(result.err + result.out, SECRET)
                lacks(result.out, "4711")
                if result.code != 0:
                    check(result.code in (125, 126, 127), f"{what} as /etc/{file}: {result}")
                    result.one_line_error()
            shutil.rmtree(root)


def test_a_running_container_s_user_files_are_no_better_trusted():
    victim = host_file("hostuser:x:4711:4711::/:/bin/sh\n")
    root = busybox_rootfs(scratch("moving"))
    script = f"while :; do rm -f /etc/passwd; ln -s ../../../../../..{victim} /etc/passwd; rm -f /etc/passwd; mkfifo /etc/passwd; done"
    with container("--net=none", f"--rootfs={root}", "/bin/sh", "-c", script) as name:
        for _ in range(25):
            result = hull("exec", "-u", "hostuser", name, "/bin/id", "-u", timeout=20)
            check(result.code != 0, f"the host's file was read: {result}")
            result.one_line_error()


# ---- bombs, and memory that outlives its user (CVE-2024-3056)

def processes_with(name):
    """The processes of a container's pid namespace."""
    first = os.readlink(f"/proc/{inspect(name, '{{.State.Pid}}')}/ns/pid")
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/ns/pid") == first:
                found.append(pid)
    return found


def refused_forks(name):
    """How often the limit of processes was met: the bomb's own number changes faster than it can be read."""
    group = f"hull/{inspect(name, '{{.Id}}')}/pids.events"
    place = next(path for path in (f"/sys/fs/cgroup/pids/{group}", f"/sys/fs/cgroup/{group}") if os.path.exists(path))
    with open(place) as file:
        return int(file.read().split()[1])


def at_its_limit(what, name):
    if what == "memory":
        return hull("inspect", "-f", "{{.State.OOMKilled}}", name).ok().out == "true\n"
    if what == "processes":
        return refused_forks(name) > 0
    return len(os.listdir(f"/proc/{inspect(name, '{{.State.Pid}}')}/fd")) == 1024


def test_bombs_end_at_their_limits_and_hull_answers_meanwhile():
    bombs = {"processes": "b() { b | b & }; b; sleep 100", "memory": "exec tail /dev/zero",
             "descriptors": "i=3; while [ $i -lt 1024 ]; do eval \"exec $i</dev/null\" || break; i=$((i+1)); done; sleep 100"}
    for what, script in bombs.items():
        with container("--net=none", "-m", "64m", "--pids-limit", "64", "--ulimit", "nofile=1024:1024", "busybox", "sh", "-c", script) as name:
            eventually(lambda: at_its_limit(what, name), timeout=20, what=f"{what} at the limit")
            for _ in range(20):
                begin = time.monotonic()
                hull("ps", "-a", timeout=20).ok()
                check(time.monotonic() - begin < 10, f"{what}: hull ps took {time.monotonic() - begin:.1f} s")
                check(what != "processes" or len(processes_with(name)) <= 64, "the limit of processes")


def test_the_number_of_processes_is_limited_by_default():
    equal(hull("run", "--rm", "--net=none", "busybox", "sh", "-c", "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null").out.strip(), "2048")


def shared_memory():
    with open("/proc/meminfo") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Shmem:"))


def test_shared_memory_goes_with_its_container():
    before = shared_memory()
    for number in range(12):
        with container("--net=none", "--ipc=private", "--shm-size=64m", "busybox", "sh", "-c", "head -c 60m /dev/zero > /dev/shm/full; echo full; sleep 100") as name:
            eventually(lambda: "full" in hull("logs", name).out, timeout=20)
            if number % 2:
                hull("kill", name).ok()
    eventually(lambda: shared_memory() - before < 300 << 10, timeout=10, what="720 MiB were filled, and have to be back")


# ---- a pid that is taken again

def take_pid(pid):
    """A process of ours that has this number, in the test's own pid namespace."""
    for _ in range(200):
        with open("/proc/sys/kernel/ns_last_pid", "w") as file:
            file.write(str(pid - 1))
        child = subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=os.setsid)
        if child.pid == pid:
            return child
        child.kill()
        child.wait()
    return None


def end_with_shim(name):
    """The container's process and its shim are killed at once; gives the former's number."""
    pid = int(inspect(name, "{{.State.Pid}}"))
    with open(f"/proc/{pid}/stat") as file:
        shim = int(file.read().rsplit(")", 1)[1].split()[1])
    os.kill(shim, 9)
    os.kill(pid, 9)
    for child in (shim, pid):  # orphans come to us, the first process of the test's pid namespace
        os.waitpid(child, 0)
    return pid


CHECKPOINT = {"io.kubernetes.cri-o.annotations.checkpoint.name": "victim", "io.podman.annotations.checkpoint.name": "victim",
              "io.podman.annotations.checkpoint.rawImageName": "host", "org.criu.checkpoint.container.name": "victim",
              "org.criu.checkpoint.engine.name": "podman", "io.containerd.checkpoint.name": "victim"}


def test_an_image_that_says_it_is_a_checkpoint_is_a_plain_image():
    """CVE-2026-119101, CVE-2026-115520 and their kin: nothing of the engine's own state is taken from an image."""
    host = scratch("checkpoint-host")
    os.makedirs(host)
    with open(f"{host}/secret", "w") as file:
        file.write("the host's secret")
    spec = {"ociVersion": "1.0.0", "process": {"args": ["/bin/cat", "/host/secret"], "capabilities": {"effective": ["CAP_SYS_ADMIN"]}},
            "root": {"path": "/"}, "mounts": [{"destination": "/host", "type": "bind", "source": host, "options": ["rbind", "rw"]}],
            "annotations": {"io.podman.annotations.privileged": "TRUE"}, "linux": {"namespaces": []}}
    with open("/usr/bin/busybox", "rb") as file:
        entries = [images.Entry("bin/busybox", data=file.read(), mode=0o755)]
    for name, document in (("spec.dump", spec), ("config.dump", {"id": "victim", "name": "victim", "privileged": True}), ("bind.mounts", [{"source": host}])):
        entries.append(images.Entry(name, data=images.text(document)))
    entries.append(images.Entry("dump.log", kind=images.SYMLINK, link=f"{host}/log"))
    entries.append(images.Entry("checkpoint/inventory.img", data=b"img"))
    layer = images.tar(entries)
    config = images.config_of([layer], Cmd=["/bin/busybox", "sh", "-c", "busybox ls /; busybox grep CapEff /proc/self/status; busybox ls /host"], Labels=CHECKPOINT)
    archive = scratch("checkpoint.tar")
    with open(archive, "wb") as file:
        file.write(images.files_to_tar(images.oci_files([layer], "checkpoint:latest", config, annotations=CHECKPOINT)))
    hull("load", "-i", archive).ok()
    result = hull("run", "--rm", "--net=none", "-e", "PATH=/bin", "checkpoint:latest")
    contains(result.out, "spec.dump")
    contains(result.out, "CapEff:\t00000000800405fb")
    contains(result.err, "/host: No such file")
    equal(sorted(os.listdir(host)), ["secret"])


def test_a_pid_that_is_taken_again_gets_no_signal():
    for words in (("kill",), ("kill", "-s", "TERM"), ("stop", "-t", "0"), ("rm", "-f"), ("restart", "-t", "0"), ("exec", "-d")):
        name = start_container("--net=none", "busybox", "sleep", "1000")
        pid = end_with_shim(name)
        other = take_pid(pid)
        check(other is not None, f"pid {pid} could not be taken again")
        try:
            more = ("true",) if words[0] == "exec" else ()
            hull(*words, name, *more)
            equal(other.poll(), None, f"a foreign process after hull {words[0]}")
            lacks(hull("ps", "--no-trunc", "--format", "{{.ID}}").ok().out if words[0] != "restart" else "", name)
        finally:
            hull("rm", "-f", name)
            alive = other.poll() is None
            other.kill()
            other.wait()
        check(alive, f"a foreign process was killed by hull {words[0]} or rm -f")


SMUGGLED = ("private,rw,dev", "rslave,suid", "shared ro", "shared\nrw", "SHARED", "Private", "rprivate\t", "share", "sharedd", "rrshared", "unbindable,rw",
            "private;rw", "0", "-1", "none", "bind,rbind", "remount,rw", "idmap", "rshared,rshared", "private,private", "mode=777", "uid=0", "lowerdir=/",
            "rro,rw", "slave,dev,exec")


def test_a_propagation_is_one_word_of_a_list():
    """CVE-2024-9407: an option's value brings no other option."""
    taken = []
    for word in SMUGGLED:
        for options in (("-v", f"/etc:/x:{word}"), ("--mount", f"type=bind,src=/etc,dst=/x,bind-propagation={word}")):
            result = hull("run", "--rm", "--net=none", *options, "busybox", "true")
            if result.code != 125:
                taken.append(f"{options}: {result.code}")
    equal(taken, [])
    for word in ("private", "rprivate", "slave", "rslave"):
        hull("run", "--rm", "--net=none", "-v", f"/etc:/x:ro,{word}", "busybox", "touch", "/x/y").exits(1).err_contains("Read-only")
