"""Each kind of namespace in each way, for root and for an ordinary user: it works, seen by inode from outside, or it is
refused with its reason before any process or record is made. Nothing fails late."""
import contextlib
import os

from lib.hull import (SPARE_UID, background, busybox_rootfs, check, contains, equal, eventually, hull, lacks, namespace_of,
                      readable_copy, run, scratch)

KINDS = ("user", "cgroup", "ipc", "uts", "net", "pid", "mnt", "time")
UNSHARE = {"user": "-Ur", "cgroup": "-C", "ipc": "-i", "uts": "-u", "net": "-n", "pid": "-pf", "time": "-T"}
OWN_MOUNTS = "always has a mount namespace of its own"
COMES_TOO = "has to be entered first"
MAKES = "making them takes CAP_SYS_ADMIN"


class Person:
    """Root or an ordinary user, with a HULL_ROOT, a HULL_RUN and a root directory of his own."""

    def __init__(self, uid):
        self.uid = uid
        self.home = scratch(f"home{uid or 0}")
        os.makedirs(self.home, mode=0o755)
        self.root = ["busybox"]
        if uid is not None:
            self.rootfs = busybox_rootfs(f"{self.home}/fs")
            self.root = ["--rootfs", self.rootfs]
            for folder, names, files in os.walk(self.home):
                for name in [folder] + [f"{folder}/{entry}" for entry in names + files]:
                    os.lchown(name, uid, uid)

    def hull(self, *argv, **options):
        env = {"HULL_ROOT": f"{self.home}/root", "HULL_RUN": f"{self.home}/run"}
        return hull(*argv, user=self.uid, env=env, cwd="/", **options)

    def start(self, name, *options):
        return self.hull("run", "-d", f"--name={name}", *options, *self.root, "sleep", "600")

    def pid(self, name):
        return int(self.hull("inspect", "-f", "{{.State.Pid}}", name).ok().line)

    def inode(self, name, kind):
        return namespace_of(self.pid(name), kind)

    @contextlib.contextmanager
    def container(self, name, *options):
        self.start(name, *options).ok()
        try:
            yield
        finally:
            self.hull("rm", "-f", name)

    def works(self, options, kind, wanted=None):
        """Starts with `options`; its `kind` is `wanted`, or new if that is None."""
        self.hull("run", "--dry-run", *options, *self.root, "sleep", "600").ok()
        with self.container("cell", *options):
            found = self.inode("cell", kind)
            if wanted is not None:
                equal(found, wanted, f"{kind} with {options}")
            else:
                check(found != namespace_of("self", kind), f"{kind} with {options} is the host's")
            equal(self.hull("exec", "cell", "id", "-u").ok().out, "0\n")

    def is_refused(self, options, reason):
        """Says `reason`, and has made nothing: the one process since is the command itself."""
        before = self.hull("ps", "-aq").ok().out
        for _ in range(5):  # what went before may still be clearing up beside it
            started = last_pid()
            refused = self.start("cell", *options).fails(125, reason).one_line_error()
            made = last_pid() - started
            if made == 1:
                break
        equal(made, 1, f"processes made with {options}")
        equal(self.hull("ps", "-aq").ok().out, before, "the records")
        text = self.hull("run", "--dry-run", *options, *self.root, "true").fails(125, reason).err
        equal(text.split("daemon: ")[-1], refused.err.split("daemon: ")[-1], "what --dry-run says")
        return refused.err


def last_pid():
    with open("/proc/sys/kernel/ns_last_pid") as file:
        return int(file.read())


@contextlib.contextmanager
def outsider(*kinds, uid=None):
    """A process with namespaces of its own; yields what leads to one of them."""
    with background("unshare", *[UNSHARE[kind] for kind in kinds], "sh", "-c", "echo ready; exec sleep 234.5", user=uid) as child:
        child.stdout.readline()
        of = child.pid
        if "pid" in kinds:
            eventually(lambda: open(f"/proc/{child.pid}/task/{child.pid}/children").read().strip())
            of = int(open(f"/proc/{child.pid}/task/{child.pid}/children").read().split()[0])
        yield lambda kind: f"/proc/{of}/ns/{kind}"


# ---- root

def test_root_private():
    root = Person(None)
    for kind in KINDS:
        root.works([f"--ns={kind}=private"], kind)


def test_root_host():
    root = Person(None)
    for kind in KINDS:
        if kind == "mnt":
            root.is_refused(["--ns=mnt=host"], OWN_MOUNTS)
        else:
            root.works([f"--ns={kind}=host"], kind, namespace_of("self", kind))


def test_root_container():
    root = Person(None)
    with root.container("db", "--net=none", "--ns=time=+1d"), root.container("mapped", "--net=none", "--ns=user=private"):
        for kind in KINDS:
            target = "mapped" if kind == "user" else "db"
            if kind == "mnt":
                root.is_refused(["--ns=mnt=container:db"], OWN_MOUNTS)
            else:
                root.works([f"--ns={kind}=container:{target}"], kind, root.inode(target, kind))


def test_root_path():
    root = Person(None)
    for kind in KINDS:
        if kind == "mnt":
            root.is_refused(["--ns=mnt=ns:/proc/self/ns/mnt"], OWN_MOUNTS)
            continue
        with outsider(kind) as path:
            root.works([f"--ns={kind}=ns:{path(kind)}"], kind, os.readlink(path(kind)))


def kept_inode(person, name, kind):
    return f"{kind}:[{person.hull('ns', 'show', '--format', '{{(index .namespaces 0).inode}}', name).ok().line}]"


def test_root_name():
    root = Person(None)
    for kind in KINDS:
        root.hull("ns", "create", kind, "lab").ok()
        try:
            if kind == "mnt":
                root.is_refused(["--ns=mnt=ns:lab"], OWN_MOUNTS)
            else:
                root.works([f"--ns={kind}=ns:lab"], kind, kept_inode(root, "lab", kind))
        finally:
            root.hull("ns", "rm", "lab").ok()


# ---- root, with a user namespace for the container alone

def test_in_a_user_namespace_of_its_own_with_the_hosts():
    root = Person(None)
    for kind in ("cgroup", "ipc", "uts", "net", "pid", "time"):
        root.works([f"--ns=user=private,{kind}=host"], kind, namespace_of("self", kind))


def test_in_a_user_namespace_of_its_own_with_another_containers():
    root = Person(None)
    reasons = {"pid": "its /proc cannot be mounted; add --userns=host, or share its user namespace as well (--userns=container:db)",
               "time": "may not enter it; add --userns=host, or share its user namespace as well (--userns=container:db)"}
    with root.container("db", "--net=none", "--ns=user=private,time=+1d"):
        for kind in ("cgroup", "ipc", "uts", "net", "pid", "time"):
            options = [f"--ns=user=private,{kind}=container:db"]
            if kind in reasons:
                root.is_refused(options, reasons[kind])
            else:
                root.works(options, kind, root.inode("db", kind))
            root.works([f"--ns=user=container:db,{kind}=container:db"], kind, root.inode("db", kind))
        root.works(["--userns=container:db", "--ipc=container:db", "--net=container:db", "--pid=container:db"], "ipc", root.inode("db", "ipc"))
        with root.container("of-host", "--net=none"):
            root.works(["--ns=user=container:db,net=container:of-host,ipc=container:db"], "net", root.inode("of-host", "net"))


def test_of_a_container_that_shares_the_hosts_nothing_needs_to_be_joined():
    root = Person(None)
    with root.container("open", "--net=host", "--pid=host"):
        for kind in ("user", "net", "pid", "time"):
            root.works([f"--ns={kind}=container:open"], kind, namespace_of("self", kind))
        root.works(["--net=none", "--userns=ns:/proc/self/ns/user"], "user", namespace_of("self", "user"))


def test_what_is_gone_or_no_namespace_is_refused():
    root = Person(None)
    plain = scratch("plain")
    open(plain, "w").close()
    root.is_refused(["--net=ns:/proc/1/ns/uts"], "holds a uts namespace, not a net namespace")
    root.is_refused([f"--net=ns:{plain}"], "not a namespace file")
    root.is_refused(["--net=ns:/no/such"], "No such file")
    with outsider("pid") as path:
        pinned = os.open(path("pid"), os.O_RDONLY)
        of = int(path("pid").split("/")[2])
        os.kill(of, 9)
        eventually(lambda: not os.path.exists(f"/proc/{of}") or open(f"/proc/{of}/stat").read().split(")")[1].split()[0] == "Z")
        try:
            eventually(lambda: not os.path.exists(f"/proc/{of}"))
            root.is_refused(["--net=none", f"--pid=ns:/proc/{os.getpid()}/fd/{pinned}"], "the first process of")
        finally:
            os.close(pinned)


# ---- an ordinary user

def test_ordinary_private():
    user = Person(SPARE_UID)
    for kind in KINDS:
        user.works([f"--ns={kind}=private"], kind)


def test_ordinary_host():
    user = Person(SPARE_UID)
    for kind in KINDS:
        if kind in ("mnt", "user"):
            user.is_refused([f"--ns={kind}=host"], OWN_MOUNTS if kind == "mnt" else MAKES)
        else:
            user.works([f"--ns={kind}=host"], kind, namespace_of("self", kind))


def test_ordinary_container():
    user = Person(SPARE_UID)
    with user.container("db", "--net=none", "--ns=time=+1d"):
        for kind in KINDS:
            options = [f"--ns={kind}=container:db"]
            if kind == "mnt":
                user.is_refused(options, OWN_MOUNTS)
            elif kind == "user":
                user.works(options, kind, user.inode("db", kind))
            else:
                text = user.is_refused(options, "--userns=container:db")
                lacks(text, "--userns=host")
                user.works(options + ["--userns=container:db"], kind, user.inode("db", kind))  # what it said


def test_ordinary_path():
    user = Person(SPARE_UID)
    for kind in KINDS:
        if kind == "mnt":
            user.is_refused(["--ns=mnt=ns:/proc/self/ns/mnt"], OWN_MOUNTS)
            continue
        with outsider(*{"user", kind}, uid=SPARE_UID) as path:
            options = [f"--ns={kind}=ns:{path(kind)}"]
            if kind != "user":
                user.is_refused(options, "may not enter it" if kind == "time" else COMES_TOO)
                options.append(f"--userns=ns:{path('user')}")
            user.works(options, kind, os.readlink(path(kind)))


def test_ordinary_path_of_roots():
    user = Person(SPARE_UID)
    path = scratch("net")
    open(path, "w").close()
    hull("unshare", f"--net={path}", "true").ok()
    try:
        os.chmod(os.path.dirname(path), 0o711)
        text = user.is_refused([f"--net=ns:{path}"], "in which we lack CAP_SYS_ADMIN")
        contains(text, "of uid 0")
    finally:
        from lib import isolate
        isolate.umount(path)
    with outsider("net") as of:
        user.is_refused([f"--net=ns:{of('net')}"], "Permission denied; run as root, or as the user whose process it is")


def test_ordinary_name():
    """He may not mount, so he keeps nothing under a name: that is said when one is made, and names are missing then."""
    user = Person(SPARE_UID)
    for kind in KINDS:
        user.hull("ns", "create", kind, "lab").fails(1, "takes a mount, and so CAP_SYS_ADMIN").one_line_error()
        user.is_refused([f"--ns={kind}=ns:lab"], OWN_MOUNTS if kind == "mnt" else f"no {kind} namespace is kept under that name")


def test_an_ordinary_user_goes_without_limits_unless_he_asks():
    user = Person(SPARE_UID)
    user.is_refused(["--net=none", "-m=64m"], "leave the limits out, or run as root")
    with user.container("db", "--net=none"):
        equal(user.hull("exec", "db", "sh", "-c", "echo $(id -u) > /made; cat /proc/self/uid_map").ok().out.split(), ["0", str(SPARE_UID), "1"])
        equal(os.stat(f"{user.rootfs}/made").st_uid, SPARE_UID)
        user.hull("restart", "-t", "0", "db").ok()
        user.hull("stop", "-t", "0", "db").ok()
        user.start("cell", "--userns=container:db").fails(125, "non running container").one_line_error()
        user.hull("rm", "cell")


def test_root_of_an_ordinary_users_own_user_namespace_is_an_ordinary_user():
    user = Person(SPARE_UID)
    env = {"HULL_ROOT": f"{user.home}/root", "HULL_RUN": f"{user.home}/run"}
    for option in ("--net=none", "--net=host", "--userns=host", "--userns=private"):
        run("unshare", "-Urm", readable_copy(), "run", "--rm", option, *user.root, "id", "-u", user=SPARE_UID, env=env, cwd="/").ok().out_is("0\n")


# ---- nsenter

def test_nsenter_says_why_before_it_changes_anything():
    with outsider("net") as path:
        denied = run_as_user("nsenter", f"--net={path('net')}", "true")
        denied.fails(1, "Permission denied")
    with outsider("user", "net", uid=SPARE_UID) as path:
        pid = path("net").split("/")[2]
        run_as_user("nsenter", "-t", pid, "--net", "true").fails(1, "enter that user namespace too (--user)").one_line_error()
        run_as_user("nsenter", "-t", pid, "--user", "--preserve-credentials", "--net", "true").ok()
    hull("nsenter", "-t", os.getpid(), "--user", "true").fails(1, "leave --user out").one_line_error()


def run_as_user(*argv):
    return hull(*argv, user=SPARE_UID, cwd="/")
