"""What a test uses: run hull or a peer and judge the result.

    from lib.hull import hull, run, Skip, equal, contains, matches, eventually, need, busybox_rootfs, scratch

    def test_a_version_is_printed():
        hull("--version").ok().out_contains("hull")

Every call uses the test's own HULL_ROOT and HULL_RUN. `$HULL` names the binary (default build/release/hull). Each
command is logged; the log is shown if the test fails. `raise Skip("kernel lacks X")` is the one way to skip.
"""
import contextlib
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time

from . import ledger

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SPARE_UID = 61234  # an ordinary user that owns nothing


class Skip(Exception):
    """The test cannot run here; the text says why."""


class Failure(AssertionError):
    """A claim of the test is false; the text says which."""


class _Current:
    directory = None  # the running test's scratch directory
    refused = ()      # system calls that answer ENOSYS for hull and all that it starts
    preserved = {}


def _begin(directory):
    """Called by the worker before each test."""
    _Current.directory = directory
    for name in ("root", "run", "scratch"):
        os.makedirs(f"{directory}/{name}", mode=0o711, exist_ok=True)


def binary():
    return os.environ.get("HULL") or f"{REPOSITORY}/build/release/hull"


@contextlib.contextmanager
def own_directory(name):
    """A test within a test: for the block's length it has fresh roots and scratch."""
    outer = _Current.directory
    os.makedirs(f"{outer}/{name}", mode=0o711)
    try:
        _begin(f"{outer}/{name}")
        yield
    finally:
        _Current.directory = outer


@contextlib.contextmanager
def refusing(*calls):
    """For the block's length hull runs on a kernel that lacks these system calls (degraded/enosys.c)."""
    compiled("degraded/enosys.c")
    before, _Current.refused = _Current.refused, calls
    try:
        yield
    finally:
        _Current.refused = before


def hull_words(program=None):
    """The words that begin a command of hull."""
    words = [program or binary()]
    return [compiled("degraded/enosys.c"), ",".join(_Current.refused), *words] if _Current.refused else words


def sanitized():
    """Whether the binary under test is built with AddressSanitizer: several times the memory and time."""
    return "/asan/" in binary()


def build_directory():
    return os.path.dirname(binary())


def scratch(name=""):
    """A path in the test's own scratch directory (on tmpfs, removed after the test)."""
    return os.path.join(_Current.directory, "scratch", name) if name else os.path.join(_Current.directory, "scratch")


def hull_root():
    return f"{_Current.directory}/root"


def hull_run():
    return f"{_Current.directory}/run"


def environment(extra=None):
    env = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "HOME": "/root", "LANG": "C.UTF-8",
           "TERM": "xterm", "HULL_ROOT": hull_root(), "HULL_RUN": hull_run()}
    for name in ("HULL_IMAGES", "HULL_LIBEXEC", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    # LeakSanitizer looks at a process by ptrace, which new namespaces and non-dumpable processes refuse; the unit tests
    # look for leaks.
    env.setdefault("ASAN_OPTIONS", "detect_leaks=0")
    for name, value in (extra or {}).items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = value
    return env


class Run:
    """A finished command: argv, code, out, err. Checks return self, so that they chain."""

    def __init__(self, argv, code, out, err, seconds):
        self.argv, self.code, self.out, self.err, self.seconds = argv, code, out, err, seconds

    def __str__(self):
        return (f"$ {' '.join(map(str, self.argv))}\n  exit {self.code} after {self.seconds * 1000:.0f} ms"
                f"\n  stdout: {_shorten(self.out)}\n  stderr: {_shorten(self.err)}")

    def _must(self, true, claim):
        if not true:
            raise Failure(f"{claim}\n{self}")
        return self

    def ok(self):
        return self.exits(0)

    def exits(self, code):
        return self._must(self.code == code, f"expected exit {code}, got {self.code}")

    def fails(self, code=None, text=None):
        """Exits non-zero (with `code`), with exactly one line on stderr that contains `text`."""
        self._must(self.code != 0 if code is None else self.code == code,
                   f"expected failure {code if code is not None else ''}, got exit {self.code}")
        if text is not None:
            self._must(text in self.err, f"expected {text!r} on stderr")
        return self

    def one_line_error(self):
        lines = [line for line in self.err.splitlines() if line.strip()]
        return self._must(len(lines) == 1, f"expected one line on stderr, got {len(lines)}")

    def out_is(self, text):
        return self._must(self.out == text, f"expected stdout {text!r}")

    def out_contains(self, text):
        return self._must(text in self.out, f"expected {text!r} on stdout")

    def out_matches(self, pattern):
        return self._must(re.search(pattern, self.out, re.M), f"expected stdout to match {pattern!r}")

    def err_contains(self, text):
        return self._must(text in self.err, f"expected {text!r} on stderr")

    def quiet(self):
        return self._must(not self.err, "expected nothing on stderr")

    @property
    def line(self):
        return self.out.strip()


def _shorten(text, limit=3000):
    text = text if len(text) <= limit else text[:limit // 2] + " […] " + text[-limit // 2:]
    return text.rstrip("\n").replace("\n", "\n          ") if text else "(nothing)"


def log(text):
    print(text, file=sys.stdout)


def run(*argv, input=None, timeout=30, env=None, user=None, cwd=None, text=True, stdin=None, preexec=None, groups=()):
    """Run a command to its end. `user` is a uid: the command then runs as that user without capabilities."""
    argv = [str(arg) for arg in argv]
    started = time.monotonic()
    full = _as_user(argv, user, groups) if user is not None else argv
    child = subprocess.Popen(full, stdin=subprocess.PIPE if input is not None else (stdin or subprocess.DEVNULL),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(env), cwd=cwd,
                             preexec_fn=preexec, start_new_session=True)
    ledger.KNOWN_CHILDREN.add(child.pid)
    try:
        data = input.encode() if isinstance(input, str) else input
        out, err = child.communicate(data, timeout=timeout)
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = _drain(child)
        log(f"$ {' '.join(argv)}\n  KILLED after {timeout} s\n  stdout: {_shorten(out.decode(errors='replace'))}"
            f"\n  stderr: {_shorten(err.decode(errors='replace'))}")
        raise Failure(f"did not end within {timeout} s: {' '.join(argv)}") from None
    except BaseException:  # the per-test alarm
        child.kill()
        child.wait()
        raise
    finally:
        ledger.KNOWN_CHILDREN.discard(child.pid)
    decode = (lambda raw: raw.decode(errors="replace")) if text else (lambda raw: raw)
    result = Run(argv, child.returncode, decode(out), decode(err), time.monotonic() - started)
    log(str(result) if text else f"$ {' '.join(argv)}\n  exit {result.code}")
    return result


def _drain(child):
    try:
        return child.communicate(timeout=2)
    except subprocess.TimeoutExpired:  # a grandchild holds the pipes
        return b"", b""


def hull(*argv, **options):
    """Run hull with these arguments: see run()."""
    words = hull_words(None if options.get("user") is None else readable_copy())
    result = run(*words, *argv, **options)
    result.argv[:len(words)] = ["hull"]
    return result


def peak_memory(*argv, timeout=30):
    """Runs a command to its end: gives what run() gives, and the most memory that a process of it had, in KiB."""
    words = ("import resource, subprocess, sys; code = subprocess.run(sys.argv[1:]).returncode; "
             "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)")
    result = run(sys.executable, "-c", words, *argv, timeout=timeout)
    result.out, _, peak = result.out.rstrip("\n").rpartition("\n")
    return result, int(peak)


def sh(script, **options):
    """Run a shell script with hull (and links of the given names) first on PATH."""
    names = options.pop("links", ("unshare", "nsenter", "lsns", "docker"))
    folder = scratch("bin")
    os.makedirs(folder, exist_ok=True)
    for name in ("hull",):
        _link(f"{folder}/{name}")
    if options.pop("as_links", False):
        for name in names:
            _link(f"{folder}/{name}")
    env = dict(options.pop("env", None) or {})
    env["PATH"] = f"{folder}:{os.environ.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin')}"
    return run(shutil.which("bash") or "sh", "-c", script, env=env, **options)


def _link(path):
    if not os.path.islink(path):
        os.symlink(binary(), path)


@contextlib.contextmanager
def background(*argv, env=None, user=None, pass_fds=(), preexec=None):
    """A process that runs beside the test and is killed and reaped at the end of the block."""
    full = [str(arg) for arg in argv]
    if user is not None:
        full = _as_user(full, user, ())
    child = subprocess.Popen(full, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=environment(env), start_new_session=True, pass_fds=pass_fds, preexec_fn=preexec)
    ledger.KNOWN_CHILDREN.add(child.pid)
    log(f"$ {' '.join(full)} &   # pid {child.pid}")
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        child.stderr.close()
        ledger.KNOWN_CHILDREN.discard(child.pid)


def _as_user(argv, user, groups):
    extra = ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
    return ["setpriv", "--reuid", str(user), "--regid", str(user), *extra, "--inh-caps=-all", "--bounding-set=+all",
            "--", *argv]


def readable_copy():
    """The binaries in a place that an ordinary user can read and execute."""
    folder = f"{_Current.directory}/bin"
    if not os.path.isdir(folder):
        os.makedirs(folder, mode=0o755)
        os.chmod(_Current.directory, 0o711)
        for name in ("hull", "hull-shim", "hull-port", "hull-image"):
            source = os.path.join(build_directory(), name)
            if os.path.exists(source):
                shutil.copy2(source, f"{folder}/{name}")
                os.chmod(f"{folder}/{name}", 0o755)
        if os.path.basename(binary()) != "hull":
            shutil.copy2(binary(), f"{folder}/hull")
    return f"{folder}/hull"


class Terminal:
    """A command on a terminal of its own: send(), expect(), close()."""

    def __init__(self, *argv, env=None, rows=24, columns=80):
        import fcntl
        import struct
        import termios
        self.argv, self.seen = [str(a) for a in argv], ""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.slave, self.initial = slave, termios.tcgetattr(slave)

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        self.child = subprocess.Popen(self.argv, stdin=slave, stdout=slave, stderr=slave, env=environment(env),
                                      preexec_fn=own_terminal)
        ledger.KNOWN_CHILDREN.add(self.child.pid)

    def send(self, text):
        os.write(self.master, text.encode())

    def _read(self, seconds):
        ready, _, _ = select.select([self.master], [], [], seconds)
        if not ready:
            return False
        try:
            self.seen += os.read(self.master, 65536).decode(errors="replace")
        except OSError:
            return False
        return True

    def expect(self, pattern, timeout=10):
        """Wait until the output since the last expect() matches; returns the match and forgets what came before."""
        deadline = time.monotonic() + timeout
        while True:
            found = re.search(pattern, self.seen)
            if found:
                log(f"terminal: matched {pattern!r}")
                self.seen = self.seen[found.end():]
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                raise Failure(f"terminal of {' '.join(self.argv)}: no {pattern!r} within {timeout} s in {self.seen!r}")
            self._read(min(left, 0.2))

    def resize(self, rows, columns):
        import fcntl
        import struct
        import termios
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self.child.pid, signal.SIGWINCH)

    def settings(self):
        import termios
        return termios.tcgetattr(self.slave)

    def wait(self, timeout=10):
        deadline = time.monotonic() + timeout
        while self.child.poll() is None:
            self._read(0.05)
            if time.monotonic() > deadline:
                raise Failure(f"{' '.join(self.argv)} did not end within {timeout} s; terminal shows {self.seen!r}")
        while self._read(0.02):
            pass
        return self.child.returncode

    def close(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        ledger.KNOWN_CHILDREN.discard(self.child.pid)
        os.close(self.master)
        os.close(self.slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# --- claims -----------------------------------------------------------------------------------------------------------

def check(true, claim):
    if not true:
        raise Failure(claim)


def equal(got, wanted, what="value"):
    if got != wanted:
        raise Failure(f"{what}: expected {wanted!r}, got {got!r}")


def contains(text, part, what="text"):
    if part not in text:
        raise Failure(f"{what}: expected {part!r} in {text!r}")


def lacks(text, part, what="text"):
    if part in text:
        raise Failure(f"{what}: did not expect {part!r} in {text!r}")


def matches(text, pattern, what="text"):
    if not re.search(pattern, text, re.M):
        raise Failure(f"{what}: expected a match of {pattern!r} in {text!r}")


def eventually(claim, timeout=5.0, what="condition"):
    """Poll until claim() is true (its value is returned) or raise."""
    deadline, pause = time.monotonic() + timeout, 0.005
    while True:
        value = claim()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not true within {timeout} s")
        time.sleep(pause)
        pause = min(pause * 2, 0.1)


# --- what a test needs ------------------------------------------------------------------------------------------------

def need(*tools):
    """Skip unless these programs are installed. Returns the path of the first."""
    for tool in tools:
        if not shutil.which(tool):
            raise Skip(f"{tool} is not installed")
    return shutil.which(tools[0])


def compiled(source, *flags):
    """Compile tests/<source> (a C helper) once; returns the program's path."""
    need("gcc")
    path = f"{REPOSITORY}/tests/{source}"
    target = f"{REPOSITORY}/build/tests/{os.path.basename(source)[:-2]}"
    if not os.path.exists(target) or os.path.getmtime(target) < os.path.getmtime(path):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        draft = f"{target}.{os.getpid()}.{os.urandom(4).hex()}"
        subprocess.run(["gcc", "-O2", "-Wall", *flags, "-o", draft, path], check=True)
        os.rename(draft, target)
    return target


def busybox_rootfs(path=None):
    """A minimal root directory with Debian's static busybox and its applets; returns its path."""
    path = path or scratch("rootfs")
    need("busybox")
    for folder in ("bin", "dev", "etc", "proc", "sys", "tmp", "root", "run", "usr", "var"):
        os.makedirs(f"{path}/{folder}", exist_ok=True)
    shutil.copy2(shutil.which("busybox"), f"{path}/bin/busybox")
    for applet in subprocess.run(["busybox", "--list"], capture_output=True, text=True).stdout.split():
        if applet != "busybox" and not os.path.lexists(f"{path}/bin/{applet}"):
            os.symlink("busybox", f"{path}/bin/{applet}")
    with open(f"{path}/etc/passwd", "w") as passwd:
        passwd.write("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n")
    with open(f"{path}/etc/group", "w") as group:
        group.write("root:x:0:\nnogroup:x:65534:\n")
    return path


def namespace_of(pid, kind):
    return os.readlink(f"/proc/{pid}/ns/{kind}")


def start_container(*argv, **options):
    """`hull run -d …`: returns the id. Pair with remove() in a finally, or use container()."""
    return hull("run", "-d", *argv, **options).ok().line


@contextlib.contextmanager
def container(*argv, **options):
    """A detached container for the length of a block; yields its id."""
    identity = start_container(*argv, **options)
    try:
        yield identity
    finally:
        hull("rm", "-f", identity)


def inspect(name, template):
    return hull("inspect", "-f", template, name).ok().line
