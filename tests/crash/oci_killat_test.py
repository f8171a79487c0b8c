"""SIGKILL at a chosen system call of `hull oci`: after one `delete --force` nothing is left, and nothing hangs.

`make check` kills at a sample of the calls that change something; with HULL_KILLAT=all in the environment at each one.
runc and crun leave processes, cgroups or state behind here, which is why this is a test and not a hope.
"""
import contextlib
import os
import threading

from crash.killat_test import ISOLATED, sample
from lib import ledger
from lib.bundle import bundle, command, hierarchies_of, oci, quiet_oci, v1_alone
from lib.hull import check, compiled, log, run, scratch

SLEEP = {"process": {"args": ["/bin/sleep", "600"]}}
TRUE = {"process": {"args": ["/bin/true"]}}


def killat(step, *argv):
    result = run(compiled("crash/killat.c"), step, *command(), *argv, timeout=40, env={"KILLAT_QUIET": "1"}, preexec=hierarchies_of("hull"))
    answer = [line for line in result.out.splitlines() if line.startswith(("killed ", "reached ", "hang"))]
    check(answer, f"killat gave no answer: {result}")
    return answer[-1].split()


class Reaper(threading.Thread):
    """Reaps orphans as an init does. A pid namespace ends only when all its processes are reaped, also those that an exec
    brought in and left behind."""

    def __init__(self):
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.01):
            for pid in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError):
                    with open(f"/proc/{pid}/stat") as stat:
                        comm, rest = stat.read().split("(", 1)[1].rsplit(")", 1)
                    state, parent = rest.split()[:2]
                    if state == "Z" and int(parent) == os.getpid() and comm not in ("hull", "killat"):
                        os.waitpid(int(pid), os.WNOHANG)


def sweep(words, patch=None, prepare=lambda path: None):
    """Kill `hull oci WORDS` ({} is the bundle, the id is "victim") at each sampled call; then delete it by force."""
    directory = os.path.dirname(scratch())
    path = bundle(patch or SLEEP)
    argv = [word.replace("{}", path) for word in words]

    def once(step):
        prepare(path)
        answer = killat(step, *argv)
        code, text = quiet_oci("delete", "--force", "victim")
        return answer, [] if code == 0 else [f"delete --force: {text}"]
    reaper = Reaper()
    try:
        sweep_with(once, argv, directory)
    finally:
        reaper.over.set()


def sweep_with(once, argv, directory):
    first, wrong = once(0)
    check(first[0] == "reached" and not wrong, f"without a kill the command must end: {first} {wrong}")
    # A command that waits for an end makes as many calls as it has to: what each run reaches is what the shortest one makes.
    others = [once(0)[0] for _ in range(2)]
    check(all(answer[0] == "reached" for answer in others), f"without a kill the command must end: {others}")
    total, kills = min(int(answer[1]) for answer in [first, *others]), 0
    log(f"{total} changing system calls in hull oci {' '.join(argv)}")
    before = ledger.snapshot(ISOLATED, (directory,))
    for step in sample(total):
        answer, left = once(step)
        kills += answer[0] == "killed"
        left += [answer[0]] if answer[0] == "hang" else []
        left += ledger.compare(before, ISOLATED, (directory,), 2.0)
        left += [f"state {name}" for name in os.listdir(scratch("oci-state"))]
        if left:
            wrong.append(f"step {step} {answer[:4]}: {left[:4]}")
        if len(wrong) >= 5:
            break
    check(kills > 0.7 * len(sample(total)) or wrong, f"only {kills} of {len(sample(total))} kills hit")
    check(not wrong, "left behind after a kill:\n    " + "\n    ".join(wrong))


def created(path):
    code, text = quiet_oci("create", "-b", path, "victim")
    check(code == 0, f"create: {text}")


def started(path):
    created(path)
    oci("start", "victim").ok()


def test_create_is_clean_after_a_kill_at_any_call():
    sweep(["create", "-b", "{}", "victim"])


def test_start_is_clean_after_a_kill_at_any_call():
    sweep(["start", "victim"], prepare=created)


def test_run_is_clean_after_a_kill_at_any_call():
    sweep(["run", "-b", "{}", "victim"], TRUE)


def test_run_detached_is_clean_after_a_kill_at_any_call():
    sweep(["run", "-d", "-b", "{}", "victim"])


def test_run_is_clean_on_cgroup_v1_alone():
    """Where the groups are made while hull-init begins."""
    with v1_alone():
        sweep(["run", "-d", "-b", "{}", "victim"])


def test_exec_is_clean_after_a_kill_at_any_call():
    sweep(["exec", "victim", "/bin/true"], prepare=started)


def test_kill_is_clean_after_a_kill_at_any_call():
    sweep(["kill", "victim", "KILL"], prepare=started)


def test_delete_is_clean_after_a_kill_at_any_call():
    sweep(["delete", "--force", "victim"], prepare=started)


for _name in [name for name in list(globals()) if name.startswith("test_")]:
    globals()[_name].timeout = 1200 if os.environ.get("HULL_KILLAT") == "all" else 120
