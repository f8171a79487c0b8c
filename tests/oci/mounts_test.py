"""mounts, root, masks and propagation: what the container's mount table says, and what reading and writing does."""
import os
import re

from lib import isolate
from lib.bundle import rootfs, run_bundle
from lib.hull import check as claim, equal, run, scratch
from lib.oci_cases import BOTH, Case, agree, check, mounts_of


def mount(**values):
    return lambda c: c["mounts"].append(values)


def bind(*options, destination="/mnt", source=None):
    """A bind of a fresh directory with a file `f`, a directory `sub` and, recursively, a tmpfs on `sub`."""
    def prepare():
        folder = source or scratch(f"source{os.urandom(3).hex()}")
        os.makedirs(f"{folder}/sub", exist_ok=True)
        with open(f"{folder}/f", "w") as file:
            file.write("content\n")
        return mount(destination=destination, type="bind", source=folder, options=list(options))
    return prepare


def tmpfs(*options, destination="/mnt"):
    return mount(destination=destination, type="tmpfs", source="tmpfs", options=list(options))


def bind_with_submount(*options):
    """The source holds a tmpfs of its own; it goes with the test's world."""
    def prepare():
        folder = scratch(f"tree{os.urandom(3).hex()}")
        os.makedirs(f"{folder}/sub")
        isolate.mount("sub", f"{folder}/sub", "tmpfs")
        MADE.append(f"{folder}/sub")
        return mount(destination="/mnt", type="bind", source=folder, options=list(options))
    return prepare


def idmapped_tree(option):
    """uid 0 of the source and of what is mounted in it; busybox's stat shows ids as the mount has them."""
    def prepare():
        probe = bind_with_submount("rbind", option)()
        ids = [{"containerID": 0, "hostID": 5000, "size": 100}]
        return lambda c: (probe(c), c["mounts"][-1].update(uidMappings=ids, gidMappings=ids)) and None
    return prepare


def new_user(c):
    ids = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    c["linux"]["namespaces"].append({"type": "user"})
    c["linux"].update(uidMappings=ids, gidMappings=ids)


def bind_file():
    path = scratch(f"file{os.urandom(3).hex()}")
    with open(path, "w") as file:
        file.write("one file\n")
    return mount(destination="/etc/one", type="bind", source=path, options=["bind", "ro"])


def link_in_root(name, target):
    def prepare():
        path = f"{rootfs()}/{name}"
        if not os.path.islink(path):
            os.symlink(target, path)
        return tmpfs(destination=f"/{name}")
    return prepare


def make_content():
    folder = f"{rootfs()}/content"
    if not os.path.isdir(folder):
        os.makedirs(f"{folder}/deep")
        with open(f"{folder}/deep/file", "w") as file:
            file.write("kept\n")
        os.chmod(f"{folder}/deep/file", 0o640)
        os.chown(f"{folder}/deep/file", 7, 8)
        os.symlink("deep/file", f"{folder}/link")
        os.chmod(folder, 0o751)
    return {}


def content(*patches):
    def prepare():
        make_content()
        return lambda c: [patch(c) for patch in patches] and None
    return prepare


def idmapped(*options, **extra):
    def prepare():
        probe = bind("bind", *options)()
        maps = {"uidMappings": [{"containerID": 0, "hostID": 5000, "size": 100}],
                "gidMappings": [{"containerID": 0, "hostID": 6000, "size": 100}]} | extra

        def patch(c):
            probe(c)
            c["mounts"][-1].update(maps)
        return patch
    return prepare


MADE = []
FLAGS = mounts_of("/mnt") + " | cut -d' ' -f6"
TAGS = mounts_of("/mnt") + " | cut -d' ' -f7-"
SUPER = mounts_of("/mnt") + " | sed 's/.* - //'"
LINUX = lambda **values: {"linux": values}  # noqa: E731
CASES = [
    Case("proc is mounted", mounts_of("/proc") + " | sed 's/.* - //'", re.compile("^proc proc rw")),
    Case("proc of the new pid namespace", "ls /proc | grep -c '^[0-9]*$'", re.compile("^[1-5]$")),
    Case("devpts is a new instance", "ls /dev/pts", "ptmx"),
    Case("mqueue", mounts_of("/dev/mqueue") + " | sed 's/.* - //' | cut -d' ' -f1", "mqueue"),
    Case("sysfs is read-only", "touch /sys/x 2>&1 | grep -o 'Read-only file system'", "Read-only file system"),
    Case("shm has its size", "df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2", "65536"),
    Case("tmpfs", SUPER + " | cut -d' ' -f1", "tmpfs", tmpfs()),
    Case("tmpfs size", "df -k /mnt | tail -1 | tr -s ' ' | cut -d' ' -f2", "100", tmpfs("size=100k")),
    Case("tmpfs mode", "stat -c %a /mnt", "1700", tmpfs("mode=1700"), unlike={"runc"}),
    Case("tmpfs uid and gid", "stat -c %u:%g /mnt", "3:4", tmpfs("uid=3", "gid=4")),
    Case("tmpfs nr_inodes", SUPER, re.compile("nr_inodes=7"), tmpfs("nr_inodes=7")),
    Case("tmpfs on a path that is missing", "stat -c %a /new/deep; stat -c %a /new", "1777\n755", tmpfs(destination="/new/deep"), unlike={"crun"}),
    Case("tmpfs on a directory has its mode", "stat -c %a /content", "751", prepare=content(tmpfs(destination="/content")), unlike={"crun"}),
    *[Case(f"tmpfs {flag}", FLAGS, re.compile(rf"\b{flag}\b"), tmpfs(flag)) for flag in ("ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime")],
    *[Case(f"tmpfs r{flag}", FLAGS, re.compile(rf"\b{flag}\b"), tmpfs(f"r{flag}"), unlike={"runc"}) for flag in ("ro", "nosuid", "nodev", "noexec")],
    Case("tmpfs rnoatime", FLAGS, re.compile(r"\bnoatime\b"), tmpfs("rnoatime"), unlike=BOTH),
    *[Case(f"a tmpfs that is {name}", TAGS, re.compile(rf"^{tag}"), tmpfs(name), unlike={"crun"})
      for name, tag in (("shared", "shared:"), ("rshared", "shared:"), ("unbindable", "unbindable"))],
    Case("a tmpfs that is private", TAGS, re.compile("^-"), tmpfs("private")),
    Case("tmpfs strictatime", FLAGS, "rw", tmpfs("strictatime")),
    Case("tmpfs relatime by default", FLAGS, "rw,relatime", tmpfs()),
    Case("tmpfs nosymfollow", "ln -s /etc/passwd /mnt/l; cat /mnt/l 2>&1 | grep -o symbolic", "symbolic", tmpfs("nosymfollow"), unlike={"crun"}),
    *[Case(f"tmpfs {flag}", SUPER, re.compile(rf"\b{shown}\b"), tmpfs(flag)) for flag, shown in (("sync", "sync"), ("dirsync", "dirsync"), ("lazytime", "lazytime"))],
    Case("tmpfs noexec", "cp /bin/busybox /mnt/true; /mnt/true 2>/dev/null; echo $?", "126", tmpfs("noexec")),
    Case("the last of two options counts", FLAGS, "rw,relatime", tmpfs("ro", "rw"), unlike={"crun"}),
    Case("defaults says nothing", FLAGS, "rw,relatime", tmpfs("defaults"), unlike={"runc"}),
    Case("two mounts on one place: the later covers", "df -k /mnt | tail -1 | tr -s ' ' | cut -d' ' -f2", "200", tmpfs("size=100k"), tmpfs("size=200k")),
    Case("a mount inside a mount", "df -k /mnt/in | tail -1 | tr -s ' ' | cut -d' ' -f2", "100", tmpfs("size=200k"), tmpfs("size=100k", destination="/mnt/in")),
    Case("a destination without a slash", SUPER + " | cut -d' ' -f1", "tmpfs", tmpfs(destination="mnt")),
    Case("a destination with dots", SUPER + " | cut -d' ' -f1", "tmpfs", tmpfs(destination="/tmp/../mnt/.")),
    Case("a destination through a link of the image", mounts_of("/tmp") + " | wc -l; test -d /ln && echo yes", "1\nyes", prepare=link_in_root("ln", "/tmp")),
    Case("a destination through a link that leads out stays in the root", "grep -c ' /escape-target ' /proc/self/mountinfo", "1",
         prepare=link_in_root("out", "../../../../escape-target"), unlike={"crun"}),
    Case("tmpcopyup", "cat /content/link; stat -c %a:%u:%g /content/deep/file; echo x > /content/deep/new; stat -c %a /content",
         "kept\n640:7:8\n751", prepare=content(tmpfs("tmpcopyup", destination="/content")), unlike={"crun"}),
    Case("tmpcopyup read-only", "cat /content/deep/file; touch /content/x 2>&1 | grep -o Read-only", "kept\nRead-only",
         prepare=content(tmpfs("tmpcopyup", "ro", destination="/content"))),
    Case("a bind", "cat /mnt/f; echo more > /mnt/g; cat /mnt/g", "content\nmore", prepare=bind("bind")),
    Case("a bind by its type alone", "cat /mnt/f", "content", prepare=bind(), unlike=BOTH),
    Case("a read-only bind", "cat /mnt/f; touch /mnt/g 2>&1 | grep -o Read-only", "content\nRead-only", prepare=bind("bind", "ro")),
    *[Case(f"a bind with {flag}", FLAGS, re.compile(rf"\b{flag}\b"), prepare=bind("bind", flag)) for flag in ("nosuid", "nodev", "noexec", "noatime", "nodiratime")],
    Case("a bind of a file", "cat /etc/one; touch /etc/one 2>&1 | grep -o Read-only", "one file\nRead-only", prepare=bind_file),
    Case("a bind on a path that is missing", "cat /made/deep/f", "content", prepare=bind("bind", destination="/made/deep")),
    Case("a bind relative to the bundle", "test -s /mnt/config.json && echo yes", "yes", mount(destination="/mnt", type="bind", source=".", options=["bind"])),
    Case("a plain bind shows nothing of what is mounted below", "grep -c ' /mnt/sub ' /proc/self/mountinfo", "0", code=1, prepare=bind_with_submount("bind")),
    Case("rbind takes along what is mounted below", "grep -c ' /mnt/sub ' /proc/self/mountinfo", "1", prepare=bind_with_submount("rbind")),
    Case("rbind with ro leaves what is below writable", "touch /mnt/x 2>/dev/null || touch /mnt/sub/x && echo below", "below", prepare=bind_with_submount("rbind", "ro")),
    Case("rro is recursive", "touch /mnt/sub/x 2>&1 | grep -o Read-only", "Read-only", prepare=bind_with_submount("rbind", "rro")),
    Case("rnosuid and rnodev are recursive", "grep ' /mnt/sub ' /proc/self/mountinfo | cut -d' ' -f6 | grep -o -E 'nosuid|nodev' | sort | tr '\\n' ' '", "nodev nosuid",
         prepare=bind_with_submount("rbind", "rnosuid", "rnodev")),
    Case("a bind is private by default", TAGS, re.compile("^- "), prepare=bind("bind")),
    Case("a private bind", TAGS, re.compile("^- "), prepare=bind("bind", "private")),
    Case("a shared bind", TAGS, re.compile("^shared:"), prepare=bind("bind", "rshared"), unlike={"crun"}),
    Case("an unbindable bind", TAGS, re.compile("^unbindable"), prepare=bind("bind", "unbindable"), unlike={"crun"}),
    Case("an idmapped bind", "stat -c %u:%g /mnt/f", "5000:6000", prepare=idmapped(), unlike={"runc"}),
    *[Case(f"rbind with {option} and a mount below", "stat -c %u /mnt /mnt/sub | tr '\\n' ' '", wanted, prepare=idmapped_tree(option), unlike=unlike)
      for option, wanted, unlike in (("idmap", "5000 0", BOTH), ("ridmap", "5000 5000", {"runc"}))],
    *[Case(f"{option} with the user namespace's own mapping", "stat -c %u:%g /mnt/f", "0:0", new_user, prepare=bind("bind", option), unlike=unlike)
      for option, unlike in (("idmap", {"runc"}), ("ridmap", BOTH))],
    Case("without it the owner has no name inside", "stat -c %u:%g /mnt/f", "65534:65534", new_user, prepare=bind("bind")),
    Case("an idmapped bind that is read-only", "stat -c %u /mnt/f; touch /mnt/x 2>&1 | grep -o Read-only", "5000\nRead-only", prepare=idmapped("ro"), unlike={"runc"}),
    Case("a remount", FLAGS, re.compile(r"^ro\b"), tmpfs(), mount(destination="/mnt", type="tmpfs", source="tmpfs", options=["remount", "ro"])),
    Case("a read-only root", "touch /x 2>&1 | grep -o Read-only; touch /dev/x && echo dev", "Read-only\ndev", {"root": {"readonly": True}}),
    Case("a writable root", "touch /tmp/w && rm /tmp/w && echo yes", "yes"),
    Case("a masked file reads empty", "wc -c < /etc/passwd", "0", LINUX(maskedPaths=["/etc/passwd"])),
    Case("a masked directory is empty", "ls -A /content | wc -l", "0", LINUX(maskedPaths=["/content"]), prepare=content()),
    Case("a masked directory takes nothing", "touch /content/x 2>&1 | grep -o Read-only", "Read-only", LINUX(maskedPaths=["/content"]), prepare=content()),
    Case("a masked path that is missing is passed over", "echo fine", "fine", LINUX(maskedPaths=["/nowhere", "/proc/nowhere"])),
    Case("masked files of proc", "wc -c < /proc/kallsyms", "0", LINUX(maskedPaths=["/proc/kallsyms"])),
    Case("a read-only path", "touch /content/x 2>&1 | grep -o Read-only; cat /content/deep/file", "Read-only\nkept", LINUX(readonlyPaths=["/content"]), prepare=content()),
    Case("a read-only path of proc", "(echo 1 > /proc/sys/net/ipv4/ip_forward) 2>/dev/null; cat /proc/sys/net/ipv4/ip_forward", "0", LINUX(readonlyPaths=["/proc/sys"])),
    Case("a read-only path that is missing is passed over", "echo fine", "fine", LINUX(readonlyPaths=["/nowhere"])),
    Case("rootfsPropagation private", mounts_of("/") + " | cut -d' ' -f7", "-", LINUX(rootfsPropagation="private")),
    Case("rootfsPropagation shared", mounts_of("/") + " | cut -d' ' -f7", re.compile("^shared:"), LINUX(rootfsPropagation="shared"), unlike={"runc"}),
    Case("rootfsPropagation unbindable", mounts_of("/") + " | cut -d' ' -f7", "unbindable", LINUX(rootfsPropagation="unbindable"), unlike={"runc"}),
    Case("rootfsPropagation slave of what is private", mounts_of("/") + " | cut -d' ' -f7", "-", LINUX(rootfsPropagation="slave")),
    Case("the old root is gone", "grep -c hull-tests /proc/self/mountinfo; cut -d' ' -f5 /proc/self/mountinfo | head -1", re.compile("/$")),
    Case("cgroups of the container's own", "cat /sys/fs/cgroup/pids/cgroup.procs | wc -l", re.compile("^[1-4]$"),
         mount(destination="/sys/fs/cgroup", type="cgroup", source="cgroup", options=["ro", "nosuid", "noexec", "nodev"]), alone=True),
    Case("cgroups without a cgroup namespace are the container's own too", "cat /sys/fs/cgroup/pids/cgroup.procs | wc -l; touch /sys/fs/cgroup/x 2>&1 | grep -o Read-only",
         re.compile("^[1-4]\nRead-only$"),
         lambda c: c["linux"].update(namespaces=[n for n in c["linux"]["namespaces"] if n["type"] != "cgroup"]),
         mount(destination="/sys/fs/cgroup", type="cgroup", source="cgroup", options=["ro", "nosuid", "noexec", "nodev"]), alone=True),
    Case("proc with hidepid", mounts_of("/proc"), re.compile("hidepid="),
         lambda c: c["mounts"][0].update(options=["hidepid=2"])),
]


def with_undo(call, *arguments):
    try:
        call(*arguments)
    finally:
        while MADE:
            isolate.umount(MADE.pop())


def test_mounts_are_as_the_configuration_says():
    with_undo(check, CASES)


def test_crun_agrees():
    with_undo(agree, "crun", CASES)


def test_runc_agrees():
    with_undo(agree, "runc", CASES)


def test_nothing_is_made_in_a_dev_that_is_the_callers():
    for kind in ("bind", "none", None):
        source = scratch(f"dev{kind}")
        os.makedirs(source)
        os.mknod(f"{source}/null", 0o20666, os.makedev(1, 3))
        values = {"destination": "/dev", "source": source, "options": ["rbind"]} | ({"type": kind} if kind else {})

        def patch(c):
            c["mounts"] = [m for m in c["mounts"] if not m["destination"].startswith("/dev")] + [values]
        claim(run_bundle(patch, script="ls /dev").ok().out == "null\n", f"type {kind}: nothing else is in it")
        equal(os.listdir(source), ["null"], f"type {kind}: nor in the caller's directory")


def test_nothing_that_is_mounted_inside_appears_on_a_shared_host():
    """In a mount namespace where everything is shared, as under systemd."""
    from lib.bundle import bundle, command
    source = scratch("shared")
    os.makedirs(source)
    path = bundle({"process": {"args": ["/bin/true"]}}, mount(destination="/mnt", type="bind", source=source, options=["rbind"]),
                  tmpfs(destination="/mnt/in"), tmpfs(destination="/tmp"))
    words = " ".join(command())
    script = f"mount --make-rshared / && wc -l < /proc/self/mountinfo && {words} run -b {path} shared && wc -l < /proc/self/mountinfo"
    lines = run("unshare", "-m", "sh", "-c", script).ok().out.split()
    claim(lines[0] == lines[1], f"mounts before and after: {lines}")


def test_a_shared_bind_reaches_the_host_and_back():
    """rshared is what it says: a mount made on the host under the source appears inside."""
    from lib.bundle import container, oci
    source = scratch("both")
    os.makedirs(f"{source}/a")
    isolate.mount("both", source, "tmpfs")
    try:
        isolate.mount(None, source, None, 1 << 20)  # MS_SHARED
        os.makedirs(f"{source}/a")
        with container(mount(destination="/mnt", type="bind", source=source, options=["rbind", "rshared"])) as name:
            isolate.mount("inner", f"{source}/a", "tmpfs")
            try:
                oci("exec", name, "/bin/grep", "-c", " /mnt/a ", "/proc/self/mountinfo").ok().out_is("1\n")
            finally:
                isolate.umount(f"{source}/a")
    finally:
        isolate.umount(source)
