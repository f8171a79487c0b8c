"""SIGKILL at a chosen system call of hull, hull-shim or hull-init: after one further hull command nothing is left but
containers that are listed, and those can be removed.

A run of `hull run` makes a few hundred calls that change something. `make check` kills at a sample of them, and at each
at which a process is made, replaced, moved, waited for or ends; with HULL_KILLAT=all in the environment at each one.
"""
import contextlib
import itertools
import os
import random
import signal
import subprocess
import time

from lib import ledger
from lib.hull import Failure, binary, check, compiled, environment, eventually, hull, log, run, scratch

ISOLATED = os.getpid() == 1
STEPS = 24  # per command line


def killat(step, *argv):
    """All words of the answer of one run under the harness."""
    result = run(compiled("crash/killat.c"), step, binary(), *argv, timeout=40)
    answer = [line for line in result.out.splitlines() if line.startswith(("killed ", "reached ", "hang"))]
    check(answer, f"killat gave no answer: {result}")
    return answer[-1].split()


def rehearse(*argv):
    """`hull argv` without a kill: how many calls it makes, and which of them turn a process."""
    result = run(compiled("crash/killat.c"), 0, binary(), *argv, timeout=40, env={"KILLAT_LIST": "1"})
    lines = [line.split() for line in result.out.splitlines()]
    ends = [line for line in lines if line and line[0] == "reached"]
    check(ends, f"without a kill the command must end: {result}")
    return int(ends[-1][1]), [int(line[1]) for line in lines if line and line[0] == "turn"]


def sample(total, turns=(), steps=STEPS):
    if os.environ.get("HULL_KILLAT") == "all":
        return range(1, total + 1)
    pick = random.Random(total)
    width = max(1, total // steps)
    return sorted({min(total, start + pick.randrange(width)) for start in range(1, total + 1, width)} | set(turns))


def settle():
    """The one further command, then what is still listed is removed as a person would."""
    listed = hull("ps", "-aq", "--no-trunc", timeout=10).ok().out.split()
    if listed:
        hull("rm", "-f", *listed, timeout=15).ok()


def records():
    folder = os.path.join(environment()["HULL_ROOT"], "containers")
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def sweep(*argv, keep=lambda: None):
    """Kill `hull argv` at each sampled call; the ledger must be equal after each."""
    directory = os.path.dirname(scratch())
    total, turns = rehearse(*argv)
    settle()
    wrong, kills, steps = [], 0, sample(total, turns)
    log(f"{total} changing system calls in hull {' '.join(argv)}")
    if ISOLATED:  # the rehearsal's shim may still be about to end
        eventually(lambda: not ledger.sockets(), what="nobody listens before the first kill")
    before = ledger.snapshot(ISOLATED, (directory,))
    for step in steps:
        answer = killat(step, *argv)
        kills += answer[0] == "killed"
        if answer[0] == "hang":
            wrong.append(f"step {step}: hang")
        try:
            settle()
        except Failure as failure:
            wrong.append(f"step {step} {answer[:4]}: {failure}")
        left = ledger.compare(before, ISOLATED, (directory,), 2.0) + [f"record {name}" for name in records()]
        if left:
            wrong.append(f"step {step} {answer[:4]}: {left[:4]}")
        if len(wrong) >= 5:
            break
    check_hits(kills, steps, wrong)
    check(not wrong, "left behind after a kill:\n    " + "\n    ".join(wrong))


def check_hits(kills, steps, wrong):
    check(kills > 0.7 * len(steps) or wrong, f"only {kills} of {len(steps)} kills hit")


def warm():
    hull("run", "--rm", "--net=none", "busybox", "true").ok()


def test_run_in_the_foreground_is_clean_after_a_kill_at_any_call():
    warm()
    sweep("run", "--rm", "--net=none", "busybox", "true")


def test_run_detached_is_clean_after_a_kill_at_any_call():
    warm()
    sweep("run", "-d", "--net=none", "busybox", "sleep", "600")


def test_run_with_a_published_port_is_clean_after_a_kill_at_any_call():
    """Whoever dies, hull-port among them, the port is free again: the next run binds it."""
    warm()
    sweep("run", "-d", "-p", "8080:80", "-p", "8080:80/udp", "busybox", "sleep", "600")


def test_create_is_clean_after_a_kill_at_any_call():
    warm()
    sweep("create", "busybox", "true")


def test_rm_is_clean_after_a_kill_at_any_call():
    """rm -f of a running container: after a kill, the container is whole or gone, and a second rm finishes."""
    warm()
    wrong = []
    total = None
    for step in (0, *range(1, 200, 9)):
        if total is not None and step > total:
            break
        hull("run", "-d", "--name=victim", "--net=none", "busybox", "sleep", "600").ok()
        answer = killat(step, "rm", "-f", "victim")
        if total is None:
            total = int(answer[1])
        settle()
        if records():
            wrong.append(f"step {step} {answer}: {records()}")
    check(not wrong, f"left after rm and a kill: {wrong}")


def _inode(name, kind="net"):
    return os.readlink(f"/proc/{hull('inspect', '-f', '{{.State.Pid}}', name).ok().line}/ns/{kind}")


def test_a_restart_killed_at_any_call_keeps_the_namespaces():
    """The next start joins the same ones, and the sharer never notices."""
    warm()
    hull("run", "-d", "--name=db", "busybox", "sleep", "600").ok()
    hull("run", "-d", "--name=web", "--net=container:db", "--ipc=container:db", "busybox", "sleep", "600").ok()
    before, wrong = {kind: _inode("db", kind) for kind in ("net", "ipc", "uts", "cgroup")}, []
    steps, kills = sample(*rehearse("restart", "-t", "0", "db")), 0
    for step in steps:
        answer = killat(step, "restart", "-t", "0", "db")
        kills += answer[0] == "killed"
        check(answer[0] != "hang", f"step {step}: hang")
        hull("ps", "-aq").ok()
        hull("start", "db").ok()
        after = {kind: _inode("db", kind) for kind in before}
        if after != before or _inode("web") != before["net"]:
            wrong.append(f"step {step} {answer[:4]}: {before} {after}")
    hull("rm", "-f", "db", "web").ok()
    check(not wrong, "a namespace was lost:\n    " + "\n    ".join(wrong))
    check_hits(kills, steps, wrong)


def test_a_restart_killed_at_any_call_gives_its_ports_back():
    """The next start binds the same ones, at once, whoever had them last."""
    warm()
    hull("run", "-d", "--name=db", "-p", "8080:80", "busybox", "sleep", "600").ok()
    wrong, steps, kills = [], sample(*rehearse("restart", "-t", "0", "db")), 0
    for step in steps:
        answer = killat(step, "restart", "-t", "0", "db")
        kills += answer[0] == "killed"
        started = hull("start", "db")
        if started.code == 0:
            hull("ns", "doctor", "--fix")  # where hull-port was the victim
        if started.code != 0 or hull("port", "db", "80").out != "0.0.0.0:8080\n[::]:8080\n":
            wrong.append(f"step {step} {answer[:4]}: {started.err}")
    hull("rm", "-f", "db").ok()
    check(not wrong, "a port was not free:\n    " + "\n    ".join(wrong))
    check_hits(kills, steps, wrong)


def test_a_start_after_a_killed_one_waits_for_what_that_left():
    """A hull-init that was not let go, and is slow to see that nobody will, is not taken for the container."""
    warm()
    hull("run", "-d", "--name=db", "busybox", "sleep", "600").ok()
    total = int(killat(0, "restart", "-t", "0", "db")[1])
    for init in ((), ("--init",)):
        hull("rm", "-f", "db").ok()
        hull("run", "-d", "--name=db", *init, "busybox", "sleep", "600").ok()
        for step in range(total * 5 // 6, total + 1, 9 if os.environ.get("HULL_KILLAT") != "all" else 1):
            result = run(compiled("crash/killat.c"), step, binary(), "restart", "-t", "0", "db", env={"KILLAT_STOP": "1"}, timeout=40)
            stopped = [int(pid) for line in result.out.splitlines() if line.startswith("stopped") for pid in line.split()[1:]]
            starting = subprocess.Popen([binary(), "start", "db"], env=environment(), stdout=subprocess.DEVNULL)
            time.sleep(0.02)
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            check(starting.wait(20) == 0, f"step {step}: the start ended with {starting.returncode}")
            time.sleep(0.05)
            check(hull("inspect", "-f", "{{.State.Running}}", "db").ok().line == "true", f"step {step} {result.out}: it does not run")
    hull("rm", "-f", "db").ok()


def test_an_adoption_killed_at_any_call_is_made_good_by_the_next():
    warm()
    hull("run", "-d", "--name=web", "--net=container:db", "busybox", "sleep", "600").ok()
    before, wrong = _inode("web"), []
    adopt = ("run", "-d", "--name=db", "busybox", "sleep", "600")
    steps, kills = sample(*rehearse(*adopt)), 0
    hull("rm", "-f", "db").ok()
    for step in steps:
        answer = killat(step, *adopt)
        kills += answer[0] == "killed"
        check(answer[0] != "hang", f"step {step}: hang")
        hull("ps", "-aq").ok()
        if hull("inspect", "db").code != 0:
            hull(*adopt).ok()
        hull("start", "db").ok()
        if (_inode("db"), _inode("web")) != (before, before):
            wrong.append(f"step {step} {answer[:4]}: {before} {_inode('db')}")
        hull("rm", "-f", "db").ok()
    hull("rm", "-f", "web").ok()
    check(not wrong, "a namespace was lost:\n    " + "\n    ".join(wrong))
    check_hits(kills, steps, wrong)


def test_a_promise_killed_at_any_call_leaves_nothing():
    warm()
    sweep("run", "-d", "--net=container:nobody", "busybox", "sleep", "600")


def _store():
    return os.path.join(environment()["HULL_RUN"], "ns")


def _sweep_names(argv, before, wanted):
    """Kill `hull argv` at each sampled call. One further command later the store holds one of the `wanted` sets of
    names, whole, and when they are removed nothing else is left: no mount, no holder, no half of a set."""
    directory = os.path.dirname(scratch())
    for words in before:
        hull(*words).ok()
    steps, kills = sample(*rehearse(*argv)), 0
    for name in ("lab", "bench"):
        hull("ns", "rm", "--force", name)
    clean, wrong = ledger.snapshot(ISOLATED, (directory,)), []
    for step in steps:
        for words in before:
            hull(*words).ok()
        answer = killat(step, *argv)
        kills += answer[0] == "killed"
        check(answer[0] != "hang", f"step {step}: hang")
        hull("ns", "ls", "-q").ok()
        names = [name for name in os.listdir(_store()) if name[0] not in "=@"] if os.path.isdir(_store()) else []
        if sorted(names) not in wanted:
            wrong.append(f"step {step} {answer[:4]}: names {names}")
        for name in names:
            if not name.startswith("."):
                hull("ns", "show", name).ok()
                hull("ns", "rm", "--force", name).ok()
        left = ledger.compare(clean, ISOLATED, (directory,), 2.0)
        if left:
            wrong.append(f"step {step} {answer[:4]}: {left[:4]}")
        if len(wrong) >= 5:
            break
    check(not wrong, "after a kill:\n    " + "\n    ".join(wrong))
    check_hits(kills, steps, wrong)


def test_ns_create_is_clean_after_a_kill_at_any_call():
    _sweep_names(("ns", "create", "net,uts,pid,user,time", "lab"), (), ([], ["lab"]))


def test_ns_rm_is_clean_after_a_kill_at_any_call():
    _sweep_names(("ns", "rm", "lab"), (("ns", "create", "net,pid", "lab"),), ([], ["lab"]))


def test_ns_rename_keeps_one_name_after_a_kill_at_any_call():
    _sweep_names(("ns", "rename", "lab", "bench"), (("ns", "create", "net,uts", "lab"),), (["bench"], ["lab"]))


def test_ns_pin_is_clean_after_a_kill_at_any_call():
    warm()
    hull("run", "-d", "--name=db", "busybox", "sleep", "600").ok()
    _sweep_names(("ns", "pin", "db", "--net", "--uts", "lab"), (), ([], ["lab"]))
    hull("rm", "-f", "db").ok()


def test_the_namespaces_outlive_every_process_of_ours():
    warm()
    hull("run", "-d", "--name=db", "--init", "busybox", "sleep", "600").ok()
    before = {kind: _inode("db", kind) for kind in ("net", "ipc", "uts", "cgroup")}
    for name in ("hull-shim", "hull-init", "hull"):
        for pid in list(_pids(name)):
            os.kill(pid, 9)
    eventually(lambda: hull("inspect", "-f", "{{.State.Status}}", "db").ok().line == "exited", 3)
    hull("start", "db").ok()
    check({kind: _inode("db", kind) for kind in before} == before, "the same namespaces")
    hull("rm", "-f", "db").ok()


def _pids(name):
    """Processes of ours whose executable or first word is this (hull-init runs from a memory file)."""
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/comm") as file:
                comm = file.read().strip()
            words = open(f"/proc/{entry}/cmdline", "rb").read().split(b"\0")[0].decode(errors="replace")
        except OSError:
            continue
        if name in (comm, os.path.basename(words)):
            yield int(entry)


def test_a_container_outlives_its_shim_or_is_reported_ended():
    warm()
    hull("run", "-d", "--name=cc", "--net=none", "busybox", "sleep", "600").ok()
    pid = int(hull("inspect", "-f", "{{.State.Pid}}", "cc").ok().line)
    shim = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])  # the container's parent
    check(shim in _pids("hull-shim"), f"the parent {shim} of the container is no hull-shim")
    os.kill(shim, 9)
    status = eventually(lambda: hull("inspect", "-f", "{{.State.Status}}", "cc").ok().line, 2)
    alive = os.path.exists(f"/proc/{pid}") and "Z" not in open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
    check(status in ("running", "exited", "dead"), f"status {status}")
    check((status == "running") == alive, f"status is {status} while the process is {'alive' if alive else 'gone'}")
    hull("rm", "-f", "cc").ok()


def test_a_killed_first_process_is_reported_as_137():
    warm()
    hull("run", "-d", "--name=cc", "--net=none", "busybox", "sleep", "600").ok()
    os.kill(int(hull("inspect", "-f", "{{.State.Pid}}", "cc").ok().line), 9)
    eventually(lambda: hull("inspect", "-f", "{{.State.Status}}", "cc").ok().line == "exited", 3, "status exited")
    check(hull("inspect", "-f", "{{.State.ExitCode}}", "cc").ok().line == "137", "exit code 137")
    hull("rm", "cc").ok()


@contextlib.contextmanager
def foreground(*argv):
    """`hull run` beside the test; reaped at the end, however it ended."""
    child = subprocess.Popen([binary(), "run", "--name=cc", "--net=none", *argv], env=environment(), stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    ledger.KNOWN_CHILDREN.add(child.pid)
    try:
        eventually(lambda: hull("ps", "-q").ok().line or child.poll() is not None, 10, "the container is listed")
        check(child.poll() is None, f"run ended with {child.returncode}")
        yield child
    finally:
        child.kill()
        log(child.communicate()[1])
        ledger.KNOWN_CHILDREN.discard(child.pid)


def test_killed_in_any_order_nothing_stays():
    """hull, the shim and the container's first process, one after the other; with and without a pid namespace that ends the rest."""
    warm()
    for pid_option in ("--pid=private", "--pid=host"):
        for order in itertools.permutations(("hull", "shim", "first")):
            with foreground(pid_option, "busybox", "sh", "-c", "sleep 600 & sleep 601; :") as child:
                first = int(hull("inspect", "-f", "{{.State.Pid}}", "cc").ok().line)
                shim = int(open(f"/proc/{first}/stat").read().rsplit(")", 1)[1].split()[1])
                eventually(lambda: len(list(_pids("sleep"))) == 2, 3, "its processes")
                for who in order:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill({"hull": child.pid, "shim": shim, "first": first}[who], signal.SIGKILL)
            settle()
            eventually(lambda: ledger.reap() or not [pid for name in ("sleep", "hull-shim", "hull-init") for pid in _pids(name)], 3,
                       f"all processes end: {pid_option} {order}")
            check(not records(), f"records: {pid_option} {order}")


def test_a_killed_foreground_hull_leaves_the_container_listed():
    warm()
    with foreground("busybox", "sleep", "600"):
        time.sleep(0.05)
    check(hull("inspect", "-f", "{{.State.Status}}", "cc").ok().line == "running", "it runs on")
    hull("rm", "-f", "cc").ok()


for _name in [name for name in list(globals()) if name.startswith("test_")]:
    globals()[_name].timeout = 1200 if os.environ.get("HULL_KILLAT") == "all" else 120
