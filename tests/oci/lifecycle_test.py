"""The OCI lifecycle by runc's command line: states, exit codes, messages that shims read."""
import contextlib
import fcntl
import json
import os
import signal
import time

from lib.bundle import bundle, command, container, oci, quiet_oci, run_bundle, state
from lib.hull import background, binary, check, contains, equal, eventually, need, run, scratch


def test_a_container_goes_through_created_running_stopped():
    with container(start=False) as name:
        seen = state(name)
        equal((seen["status"], seen["id"], seen["ociVersion"]), ("created", name, "1.3.0"))
        with open(f"{seen['bundle']}/pid") as file:
            equal(int(file.read()), seen["pid"])
        oci("start", name).ok().quiet()
        equal(state(name)["status"], "running")
        oci("start", name).fails(1, "cannot start")
        oci("pause", name).ok()
        equal(state(name)["status"], "paused")
        oci("exec", name, "/bin/true").fails(255, "paused")
        oci("resume", name).ok()
        oci("delete", name).fails(1, "not stopped")
        oci("kill", name, "KILL").ok()
        eventually(lambda: state(name)["status"] == "stopped")
        equal(state(name)["pid"], 0)
        oci("kill", name).fails(1, "container not running")
        oci("delete", name).ok()
        oci("state", name).fails(1, "does not exist").one_line_error()
        oci("delete", name).fails(1, "does not exist")
        oci("delete", "-f", name).ok()


def test_the_state_has_the_keys_of_the_specification():
    with container({"annotations": {"org.x": "y"}}) as name:
        seen = state(name)
        check({"ociVersion", "id", "status", "pid", "bundle", "annotations"} <= set(seen), f"keys: {seen}")
        equal(seen["annotations"], {"org.x": "y"})
        listed = json.loads(oci("list", "-f", "json").ok().out)
        equal([one["id"] for one in listed], [name])
        check({"rootfs", "created", "owner"} <= set(listed[0]), f"keys of list: {listed}")
        equal(oci("list", "-q").ok().out, name + "\n")
        equal(json.loads(oci("ps", "-f", "json", name).ok().out), [seen["pid"]])


def test_run_gives_the_exit_code_and_leaves_nothing():
    run_bundle(script="exit 7").exits(7)
    run_bundle(script="echo out; echo err >&2").ok().out_is("out\n").err_contains("err")
    equal(oci("list", "-q").ok().out, "")


def test_exec_gives_the_exit_code_and_the_container_s_world():
    with container() as name:
        oci("exec", name, "/bin/sh", "-c", "exit 9").exits(9)
        oci("exec", name, "/bin/hostname").ok().out_is("bundle\n")
        oci("exec", "-e", "A=b c", name, "/bin/sh", "-c", "echo $A").ok().out_is("b c\n")
        oci("exec", "--cwd", "/tmp", name, "/bin/pwd").ok().out_is("/tmp\n")
        oci("exec", "-u", "5:6", "-g", "7", name, "/bin/id").ok().out_matches("uid=5 gid=6 groups=6?,?7")
        oci("exec", name, "/nothing").exits(255).err_contains("no such file or directory")
        oci("exec", name, "nothing").exits(255).err_contains("executable file not found in $PATH")


def test_a_missing_program_is_told_by_create():
    code, text = quiet_oci("create", "-b", bundle({"process": {"args": ["/nothing"]}}), "x")
    equal(code, 1)
    contains(text, "no such file or directory")
    equal(oci("list", "-q").ok().out, "")


def test_an_id_is_checked():
    for bad in ("", "a/b", "..", "a b", "ä"):
        oci("state", bad).fails(1, "invalid container ID")


def test_one_id_serves_one_container():
    with container() as name:
        code, text = quiet_oci("create", "-b", bundle(), name)
        equal(code, 1)
        contains(text, "exists")


def test_errors_go_to_the_log_as_json_lines():
    log_file = scratch("log.json")
    oci("--log", log_file, "--log-format", "json", "state", "nobody").exits(1)
    with open(log_file) as file:
        entry = json.loads(file.readlines()[-1])
    equal((entry["level"], entry["msg"]), ("error", entry["msg"]))
    contains(entry["msg"], "does not exist")
    check("time" in entry, "a time")


def test_hull_answers_to_other_runtimes_names():
    for name in ("hull-oci", "runc", "crun"):
        link = scratch(name)
        os.symlink(binary(), link)
        run(link, "--version").ok().out_matches("version .*\n(commit.*\n)?spec: 1")
        run(link, "--root", scratch("oci-state"), "list", "-q").ok().out_is("")


def test_a_directory_that_was_no_container_is_none():
    """A root that is given by mistake loses nothing."""
    top = scratch("mistake")
    for path in ("bob/.ssh", "withroot/root", "bundle/root/bin", "lost/state"):
        os.makedirs(f"{top}/{path}")
    for path in ("bob/.bashrc", "withroot/root/data", "bundle/config.json", "lost/state.json.old"):
        with open(f"{top}/{path}", "w") as file:
            file.write("precious")
    before = sorted(os.walk(top))
    at = [binary(), "oci", "--root", top]
    equal(run(*at, "list", "-q").ok().out, "")
    for name in ("bob", "withroot", "bundle", "lost"):
        run(*at, "state", name).fails(1, "does not exist")
        run(*at, "delete", name).fails(1, "does not exist")
        run(*at, "delete", "--force", name)
    run(*at, "delete", "--force", "--regex", ".*")
    equal(sorted(os.walk(top)), before)


def test_what_is_not_hull_s_in_a_container_s_directory_stays():
    with container() as name:
        home = f"{scratch('oci-state')}/{name}"
        with open(f"{home}/notes", "w"):
            pass
        oci("delete", "--force", name).fails(1, "/notes: is not hull's")
        check(os.path.exists(f"{home}/notes"), "it stays")
        os.unlink(f"{home}/notes")
        oci("delete", name).ok()


def test_a_directory_of_a_creation_that_was_cut_short_is_removed():
    home = f"{scratch('oci-state')}/cut"
    os.makedirs(f"{home}/notify")
    for name in ("state.json.new.4711", "notify/notify.sock", "start.fifo"):
        with open(f"{home}/{name}", "w"):
            pass
    equal(state("cut")["status"], "stopped")
    oci("delete", "cut").ok()
    check(not os.path.exists(home), "gone")


def test_a_creator_whose_container_was_deleted_leaves_the_next_one_alone():
    go, ends = scratch("go"), scratch("ends")
    waiting = {"path": "/bin/sh", "args": ["sh", "-c", f"while [ ! -e {go} ]; do sleep 0.05; done"], "env": ["PATH=/bin:/usr/bin"]}
    ending = {"path": "/bin/sh", "args": ["sh", "-c", f"echo end >> {ends}"], "env": ["PATH=/bin:/usr/bin"]}
    path, group = bundle({"hooks": {"createRuntime": [waiting], "poststop": [ending]}, "linux": {"cgroupsPath": "/hull-twice"}}), "/hull-twice"
    with background(*command(), "create", "-b", path, "twice") as creating:
        eventually(lambda: oci("state", "twice").code == 0 and state("twice")["pid"] > 0)
        oci("delete", "--force", "twice").ok()
        equal(quiet_oci("run", "-d", "-b", bundle({"linux": {"cgroupsPath": group}}), "twice")[0], 0)
        with open(go, "w"):
            pass
        equal(creating.wait(10), 1)
    equal(state("twice")["status"], "running")
    with open(ends) as file:
        equal(file.read(), "end\n", "poststop, once")
    oci("delete", "--force", "twice").ok()


def test_a_run_leaves_what_has_its_id_by_now_alone():
    """Deleted while it waits, and made again by another: the one that comes back takes nothing away."""
    first, second = (bundle({"process": {"args": ["/bin/sleep", "600"]}}) for _ in range(2))
    with background(*command(), "run", "-b", first, "again") as running:
        eventually(lambda: oci("state", "again").code == 0 and state("again")["status"] == "running")
        os.kill(running.pid, signal.SIGSTOP)
        oci("delete", "--force", "again").ok()
        equal(quiet_oci("create", "-b", second, "again")[0], 0)
        os.kill(running.pid, signal.SIGCONT)
        equal(running.wait(10), 128 + signal.SIGKILL)
        equal(state("again")["status"], "created")
        oci("start", "again").ok()
        equal(state("again")["status"], "running")
        oci("delete", "--force", "again").ok()


def test_a_run_and_who_deletes_it_both_end_well():
    path = bundle({"process": {"args": ["/bin/sleep", "600"]}})
    for _ in range(10):
        with background(*command(), "run", "-b", path, "both") as running:
            eventually(lambda: oci("state", "both").code == 0 and state("both")["status"] == "running")
            oci("delete", "--force", "both").ok()
            equal((running.wait(10), running.stderr.read()), (128 + signal.SIGKILL, b""))


def test_two_who_delete_go_one_after_the_other():
    with container() as name:
        home = os.open(f"{scratch('oci-state')}/{name}", os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(home, fcntl.LOCK_EX)
        with background(*command(), "delete", "--force", name) as deleting:
            time.sleep(0.2)
            check(deleting.poll() is None and state(name)["status"] == "running", "it waits for the other")
            os.close(home)
            equal(deleting.wait(10), 0)
        oci("state", name).fails(1, "does not exist")


def test_many_on_one_group_are_told_that_it_is_in_use():
    path = bundle({"linux": {"cgroupsPath": "/hull-one-group"}, "process": {"args": ["/bin/sleep", "0.2"]}})
    with contextlib.ExitStack() as all_of_them:
        runs = [all_of_them.enter_context(background(*command(), "run", "-b", path, f"one{i}")) for i in range(8)]
        ends = [(one.wait(20), one.stderr.read().decode()) for one in runs]
    check(any(code == 0 for code, _ in ends), f"one of them: {ends}")
    for code, text in ends:
        check(code == 0 or "/hull-one-group: is in use" in text, f"{code} {text}")


def test_a_program_that_may_not_be_traced_holds_nobody_up():
    """Without CAP_SYS_PTRACE it cannot be seen what another's process runs."""
    need("setpriv")
    path = bundle({"process": {"args": ["/bin/sleep", "600"], "user": {"uid": 1000, "gid": 1000}}})
    began = time.monotonic()
    run("setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace", "sh", "-c",
        f"{' '.join(command())} run -d -b {path} untraced >/dev/null 2>&1").ok()
    check(time.monotonic() - began < 5, "it does not wait for an end")
    equal(state("untraced")["status"], "running")
    oci("delete", "--force", "untraced").ok()
