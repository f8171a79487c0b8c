"""The OCI lifecycle by runc's command line: states, exit codes, messages that shims read."""
import json
import os

from lib.bundle import bundle, container, oci, quiet_oci, run_bundle, state
from lib.hull import binary, check, contains, equal, eventually, run, scratch


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
