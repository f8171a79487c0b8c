"""hooks.*: order, place, standard input, environment, working directory, time-out and what a failure does."""
import json
import os
import signal
import stat
import time

from lib.bundle import bundle, command, container, oci, quiet_oci, rootfs, run_bundle, state
from lib.hull import background, check, contains, equal, eventually, log, namespace_of, scratch

KINDS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def script(text, name="hook"):
    """An executable script of the host."""
    path = scratch(f"{name}{os.urandom(3).hex()}.sh")
    with open(path, "w") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def note(kind):
    """A hook that appends its kind to a file. startContainer finds only the container's files."""
    if kind == "startContainer":
        return {"path": "/bin/sh", "args": ["sh", "-c", "echo startContainer >> /noted"]}
    return {"path": script(f"echo {kind} >> {rootfs()}/noted\n"), "args": [kind]}


def hooks(**kinds):
    return {"hooks": kinds}


def noted():
    path = f"{rootfs()}/noted"
    text = open(path).read().split() if os.path.exists(path) else []
    if text:
        os.unlink(path)
    return text


def run_all(runtime):
    path = bundle(hooks(**{kind: [note(kind), note(kind)] for kind in KINDS}), {"process": {"args": ["/bin/sh", "-c", "echo program >> /noted"]}})
    name = os.path.basename(path)
    try:
        equal(quiet_oci("create", "-b", path, name, runtime=runtime), (0, ""))
        created = noted()
        oci("start", name, runtime=runtime).ok()
        eventually(lambda: state(name, runtime)["status"] == "stopped")
        started = noted()
        oci("delete", name, runtime=runtime).ok()
        return created, started, noted()
    finally:
        if runtime != "hull":  # one that failed on the way leaves no group behind
            quiet_oci("delete", "-f", name, runtime=runtime)


def test_hooks_run_in_order_and_at_their_time():
    created, started, deleted = run_all("hull")
    equal(created, ["prestart"] * 2 + ["createRuntime"] * 2 + ["createContainer"] * 2)
    equal(sorted(started), sorted(["startContainer"] * 2 + ["program"] + ["poststart"] * 2))
    equal([word for word in started if word != "poststart"], ["startContainer"] * 2 + ["program"])
    equal(deleted, ["poststop"] * 2)


def test_crun_runs_them_at_the_same_time():
    """runc 1.1 runs poststart during create: docs/oci-differences.md."""
    ours = [sorted(part) for part in run_all("hull")]
    for _ in range(3):  # on a busy machine crun 1.8 now and then says "stopped" of a program that has yet to run
        try:
            theirs = [sorted(part) for part in run_all("crun")]
        except AssertionError as error:
            theirs = str(error)
        if theirs == ours:
            return
        log(f"crun: {theirs}")
        noted()
    equal(theirs, ours, "crun, asked three times")


def test_the_state_is_on_standard_input():
    seen = {}
    for kind in KINDS:
        target = f"{rootfs()}/state" if kind == "startContainer" else scratch(f"state-{kind}")
        hook = {"path": "/bin/sh", "args": ["sh", "-c", f"cat > {'/state' if kind == 'startContainer' else target}"]}
        path = bundle(hooks(**{kind: [hook]}), {"annotations": {"a": "b"}}, {"process": {"args": ["/bin/true"]}})
        name = os.path.basename(path)
        run_or_fail(path, name)
        with open(target) as file:
            seen[kind] = json.load(file)
        equal((seen[kind]["id"], seen[kind]["bundle"], seen[kind]["annotations"]), (name, path, {"a": "b"}), kind)
    wanted = {"prestart": "creating", "createRuntime": "creating", "createContainer": "creating", "startContainer": "created",
              "poststart": "running", "poststop": "stopped"}
    equal({kind: seen[kind]["status"] for kind in KINDS}, wanted)
    equal(seen["startContainer"]["pid"], 1, "as the container sees it")
    check(seen["createRuntime"]["pid"] > 1, "as we see it")


def run_or_fail(path, name):
    code, text = quiet_oci("create", "-b", path, name)
    equal((code, text), (0, ""))
    oci("start", name).ok()
    eventually(lambda: state(name)["status"] == "stopped")
    oci("delete", name).ok()


def test_environment_arguments_and_directory():
    out = scratch("out")
    hook = {"path": script(f'echo "$0 $1 $X $HOME" > {out}; pwd >> {out}; env | wc -l >> {out}\n'), "args": ["zero", "one"], "env": ["X=y"]}
    path = bundle(hooks(createRuntime=[hook]), {"process": {"args": ["/bin/true"]}})
    oci("run", "-b", path, "x").ok()
    with open(out) as file:
        lines = file.read().split("\n")
    contains(lines[0], "one y")
    equal(lines[1], path)
    check(int(lines[2]) <= 4, "nothing of ours is in the environment")


def test_in_which_namespaces_each_runs():
    for kind, inside in (("createRuntime", False), ("createContainer", True)):
        out = scratch(f"ns-{kind}")
        hook = {"path": "/bin/sh", "args": ["sh", "-c", f"readlink /proc/self/ns/uts /proc/self/ns/net > {out}"], "env": ["PATH=/bin:/usr/bin"]}
        with container(hooks(**{kind: [hook]})) as name:
            pid = state(name)["pid"]
            of = pid if inside else "self"
            with open(out) as file:
                equal(file.read().split(), [namespace_of(of, "uts"), namespace_of(of, "net")], kind)


def test_create_runtime_finds_the_containers_namespaces_through_its_pid():
    out = scratch("net")
    text = f"""read state; pid=$(echo "$state" | sed 's/.*"pid":\\([0-9]*\\).*/\\1/'); readlink /proc/$pid/ns/net > {out}\n"""
    with container(hooks(createRuntime=[{"path": script(text), "env": ["PATH=/bin:/usr/bin"]}])) as name:
        with open(out) as file:
            equal(file.read().strip(), namespace_of(state(name)["pid"], "net"))


def test_mounts_are_made_before_the_hooks_of_creation():
    out = scratch("mounted")
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"grep -c ' - mqueue ' /proc/self/mountinfo > {out}"], "env": ["PATH=/bin:/usr/bin"]}
    oci("run", "-b", bundle(hooks(createContainer=[hook]), {"process": {"args": ["/bin/true"]}}), "x").ok()
    with open(out) as file:
        check(int(file.read()) >= 1, "the container's mqueue")


def test_a_failure_of_each_kind():
    for kind in ("prestart", "createRuntime", "createContainer"):
        ran = scratch(f"ran-{kind}")
        path = bundle(hooks(**{kind: [{"path": script("echo some output; echo and an error >&2; exit 3\n")}, {"path": script(f"touch {ran}\n")}]}))
        code, text = quiet_oci("create", "-b", path, "failing")
        equal(code, 1, kind)
        contains(text, f"hooks.{kind}[0]")
        contains(text, "exit status 3: some output\\nand an error")
        equal(text.count("\n"), 0, "one line")
        check(not os.path.exists(ran), "the second hook must not run")
        equal(oci("list", "-q").ok().out, "", "nothing is left")


def test_start_container_failing_stops_the_container():
    failing = {"path": "/bin/sh", "args": ["sh", "-c", "echo its reason; exit 4"]}
    result = run_bundle(hooks(startContainer=[failing], poststart=[note("poststart")], poststop=[note("poststop")]), args=["/bin/echo", "ran"])
    check(result.code == 1 and "ran" not in result.out, str(result))
    contains(result.err, "hooks.startContainer[0]: /bin/sh: exit status 4: its reason")
    equal(noted(), ["poststop"])


def test_start_tells_of_a_start_container_hook_that_fails():
    path = bundle(hooks(startContainer=[{"path": "/bin/false"}]))
    name = os.path.basename(path)
    equal(quiet_oci("create", "-b", path, name), (0, ""))
    oci("start", name).fails(1, "hooks.startContainer[0]: /bin/false: exit status 1")
    eventually(lambda: state(name)["status"] == "stopped")
    oci("delete", name).ok()


def test_start_returns_when_the_hooks_are_done_and_leaves_no_descriptor():
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "sleep 601 & echo hooked > /hooked"]}  # and what it leaves behind holds nothing
    with container(hooks(startContainer=[hook]), start=False) as name:
        began = time.monotonic()
        oci("start", name, timeout=5).ok()
        check(time.monotonic() - began < 3, "start waited for the program")
        with open(f"{rootfs()}/hooked") as file:
            equal(file.read(), "hooked\n")
        held = [os.readlink(f"/proc/{state(name)['pid']}/fd/{fd}") for fd in os.listdir(f"/proc/{state(name)['pid']}/fd")]
        equal(held, ["/dev/null"] * 3)


def shared_memory():
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Shmem:"))


def test_endless_output_costs_nothing_and_a_late_hook_takes_its_children_along():
    endless = {"path": "/bin/sh", "args": ["sh", "-c", "echo begin; yes & yes"], "env": ["PATH=/bin:/usr/bin"], "timeout": 1}
    for kind in ("createRuntime", "createContainer"):
        before = shared_memory()
        code, text = quiet_oci("create", "-b", bundle(hooks(**{kind: [endless]})), "x")
        equal(code, 1)
        contains(text, "still running after 1 s: ")
        check(len(text) < 1000 and text.count("\n") == 0, text)
        check(shared_memory() - before < 100000, f"{shared_memory() - before} KB of shared memory")
        equal(oci("list", "-q").ok().out, "")


def test_output_is_cut_between_characters():
    for kind in ("createRuntime", "createContainer"):
        hook = {"path": script("for i in $(seq 1 300); do printf 'ä€'; done; exit 1\n"), "env": ["PATH=/bin:/usr/bin"]}
        code, text = quiet_oci("create", "-b", bundle(hooks(**{kind: [hook]})), "x")
        equal(code, 1)
        check(text.endswith("ä€") and "\\x" not in text, text)


def test_a_container_that_is_killed_in_a_start_hook_is_told():
    with container(hooks(startContainer=[{"path": "/bin/sleep", "args": ["sleep", "600"]}]), start=False) as name:
        with background(*command(), "start", name) as starting:
            eventually(lambda: state(name)["status"] == "running")
            time.sleep(0.1)
            oci("kill", name, "KILL").ok()
            equal(starting.wait(10), 1)
            contains(starting.stderr.read().decode(), "hooks.startContainer[0]: the container was killed while it ran")


def slow_run(*patches):
    """A bundle whose startContainer hook takes its time, and the process of a `run` of it that has come there."""
    ready = f"{rootfs()}/hook-runs"
    waiting = {"path": "/bin/sh", "args": ["sh", "-c", "echo >> /hook-runs; exec sleep 600"]}
    if os.path.exists(ready):
        os.unlink(ready)
    path = bundle(hooks(startContainer=[waiting], poststart=[note("poststart")]), *patches)
    return path, lambda: eventually(lambda: os.path.exists(ready))


def test_a_run_in_its_start_hook_runs():
    """And goes on doing so when the run itself is killed."""
    path, until_hook = slow_run()
    with background(*command(), "run", "-b", path, "slow") as running:
        until_hook()
        equal(state("slow")["status"], "running")
        os.kill(running.pid, signal.SIGKILL)
        running.wait(10)
        equal(state("slow")["status"], "running")
        oci("delete", "slow").fails(1, "not stopped")
        oci("delete", "--force", "slow").ok()


def test_a_run_that_is_ended_in_its_start_hook_has_not_begun():
    path, until_hook = slow_run({"linux": {"namespaces": [{"type": kind} for kind in ("mount", "uts", "ipc", "network")]}})
    with background(*command(), "run", "-b", path, "slow") as running:
        until_hook()
        oci("kill", "slow", "TERM").ok()
        equal(running.wait(10), 1)
        contains(running.stderr.read().decode(), "killed before its program began")
    equal(noted(), [], "no poststart hook")


def test_start_hooks_wait_for_a_program_that_is_there():
    touching = {"path": "/bin/sh", "args": ["sh", "-c", "echo >> /touched; exit 3"]}
    path = bundle(hooks(startContainer=[touching]), {"process": {"args": ["/bin/nope"]}})
    for words in (("run", "-b", path, "x"), ("create", "-b", path, "x")):
        code, text = quiet_oci(*words)
        equal(code, 1)
        contains(text, 'exec: "/bin/nope": no such file or directory')
    check(not os.path.exists(f"{rootfs()}/touched"), "no hook ran")


def test_a_program_that_keeps_the_fifo_open_does_not_hold_start_up():
    """With CAP_SYS_PTRACE a hook of the image reaches hull-init's descriptors."""
    grab = "(for i in 3 4 5 6 7 8 9 10 11 12; do [ -p /proc/1/fd/$i ] && exec 9<>/proc/1/fd/$i; done; exec sleep 600 >/dev/null 2>&1) & sleep 0.3; exit 0"
    caps = ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_SETUID", "CAP_KILL"]
    with container(hooks(startContainer=[{"path": "/bin/sh", "args": ["sh", "-c", grab]}]),
                   {"process": {"capabilities": {kind: caps for kind in ("bounding", "effective", "permitted")}}}, start=False) as name:
        oci("start", name, timeout=10).ok()
        equal(state(name)["status"], "running")


def test_hooks_are_found_however_their_names_are_written():
    path = bundle(hooks(poststart=[{"path": "/bin/false"}]))
    with open(f"{path}/config.json") as file:
        text = file.read()
    with open(f"{path}/config.json", "w") as file:
        file.write(text.replace('"poststart"', '"post\\u0073tart"'))
    oci("run", "-b", path, "x").exits(1).err_contains("hooks.poststart[0]")


def test_no_annotation_passes_for_the_pid():
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "cat > /state"]}
    annotations = {"pid": "-1", "x\"pid\":-1": "\"pid\":-1", "p": "@pid@"}
    run_bundle(hooks(startContainer=[hook]), {"annotations": annotations}, args=["/bin/true"]).ok()
    with open(f"{rootfs()}/state") as file:
        seen = json.load(file)
    equal((seen["pid"], seen["annotations"]), (1, annotations))


def test_an_exec_that_fails_after_the_hooks_is_told_too():
    path = bundle(hooks(startContainer=[{"path": "/bin/sh", "args": ["sh", "-c", "printf '#!/nowhere\\n' > /program"]}]),
                  {"process": {"args": ["/program"]}})
    name = os.path.basename(path)
    with open(f"{rootfs()}/program", "w") as file:
        file.write("#!/bin/sh\n")
    os.chmod(f"{rootfs()}/program", 0o755)
    equal(quiet_oci("create", "-b", path, name), (0, ""))
    oci("start", name).fails(1, "exec: /program: No such file or directory")
    eventually(lambda: state(name)["status"] == "stopped")
    oci("delete", name).ok()


def test_a_poststart_hook_that_fails_ends_the_container():
    """runtime-spec 1.3, and runc; crun goes on."""
    path = bundle(hooks(poststart=[{"path": script("echo why; exit 5\n")}, note("poststart")], poststop=[note("poststop")]))
    name = os.path.basename(path)
    equal(quiet_oci("create", "-b", path, name), (0, ""))
    oci("start", name).fails(1, "exit status 5: why").err_contains("hooks.poststart[0]")
    eventually(lambda: state(name)["status"] == "stopped")
    equal(noted(), [], "the second one")
    oci("delete", name).ok()
    equal(noted(), ["poststop"])
    run_bundle(hooks(poststart=[{"path": script("exit 5\n")}]), args=["/bin/sleep", "60"]).fails(1, "hooks.poststart[0]")


def test_hooks_after_a_failing_poststop_run():
    failing = {"path": script("exit 5\n")}
    run_bundle(hooks(poststop=[failing, note("poststop")]), args=["/bin/true"]).ok().err_contains("hooks.poststop[0]")
    equal(noted(), ["poststop"])


def test_poststop_follows_a_failed_hook_of_creation():
    for kind in ("prestart", "createRuntime", "createContainer"):
        run_bundle(hooks(**{kind: [{"path": script("exit 3\n")}], "poststop": [note("poststop")]}),
                   args=["/bin/true"]).exits(1)
        equal(noted(), ["poststop"], f"after {kind}")


def test_a_timeout_ends_a_hook():
    for kind in ("createRuntime", "createContainer"):
        path = bundle(hooks(**{kind: [{"path": "/bin/sleep", "args": ["sleep", "60"], "timeout": 1}]}))
        code, text = quiet_oci("create", "-b", path, "late")
        equal(code, 1)
        contains(text, "still running after 1 s")
        equal(oci("list", "-q").ok().out, "")


def test_a_hook_that_is_missing_or_killed():
    code, text = quiet_oci("create", "-b", bundle(hooks(createRuntime=[{"path": "/nowhere"}])), "x")
    equal(code, 1)
    contains(text, "/nowhere")
    code, text = quiet_oci("create", "-b", bundle(hooks(createRuntime=[{"path": script("kill -9 $$\n")}])), "x")
    equal(code, 1)
    contains(text, "signal 9")


def test_a_hook_may_change_the_containers_root():
    """As nvidia's does: a createContainer hook finds the root mounted and the host's tools."""
    marker = f"{rootfs()}/by-hook"
    hook = {"path": script(f"touch {marker}\n"), "env": ["PATH=/bin:/usr/bin"]}
    run_bundle(hooks(createContainer=[hook]), script="test -e /by-hook && echo there").ok().out_is("there\n")
    check(stat.S_ISREG(os.stat(marker).st_mode), "a file")
