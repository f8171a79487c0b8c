"""Bad input: one line on stderr that says what and on what, the code that docker has for it, nothing left behind."""
import json
import os

from lib.hull import check, container, equal, hull, scratch

MISSING = "no-such-thing"


def refuses(code, text, *argv):
    codes = code if isinstance(code, tuple) else (code,)
    result = hull(*argv)
    check(result.code in codes, f"expected exit {code}\n{result}")
    result.err_contains(text).one_line_error()
    equal(result.out, "", f"stdout of hull {' '.join(argv)}")


def test_run_of_an_unknown_image_is_125():
    refuses(125, MISSING, "run", "--rm", MISSING, "true")


def test_a_command_that_is_not_found_is_127():
    refuses(127, "executable file not found in $PATH", "run", "--rm", "--net=none", "busybox", MISSING)
    refuses(127, "no such file or directory", "run", "--rm", "--net=none", "busybox", f"/bin/{MISSING}")


def test_a_command_that_is_not_executable_is_126():
    refuses(126, "permission denied", "run", "--rm", "--net=none", "busybox", "/etc/passwd")
    refuses(126, "", "run", "--rm", "--net=none", "busybox", "/etc")


def test_the_commands_own_code_and_signal_come_back():
    hull("run", "--rm", "--net=none", "busybox", "sh", "-c", "exit 7").exits(7).quiet()
    # the first process of a pid namespace cannot kill itself, a child of --init can
    hull("run", "--rm", "--net=none", "--init", "busybox", "sh", "-c", "kill -9 $$").exits(137)
    hull("run", "--rm", "--net=none", "busybox", "false").exits(1)


def test_an_unknown_flag_is_125():
    for command in ("run", "ps"):
        result = hull(command, "--no-such-flag")
        result.exits(125).err_contains("unknown flag: --no-such-flag")


def test_wrong_values_are_125_before_anything_is_made():
    for flag in ("--memory=abc", "--memory=1k", "--cpus=-1", "--pids-limit=x", "--ulimit=nofile=9:x", "--cap-add=NOT_A_CAP",
                 "--net=container:", "--pid=wrong", "--user=a:b:c", "--tmpfs=relative", "--name=-x", "--hostname=a\nb",
                 "--volume=a:relative", "--security-opt=wrong", "--sysctl=kernel.hostname", "--log-driver=wrong"):
        result = hull("run", "--rm", flag, "busybox", "true")
        check(result.code == 125, f"{flag}: expected exit 125\n{result}")
        check(result.err.strip(), f"{flag}: nothing on stderr")
    equal(hull("ps", "-aq").ok().out, "", "containers after refused runs")


def test_two_options_for_one_namespace_are_refused():
    hull("ns", "create", "net,uts", "lab").ok()
    for flags, both in ((("--net=host", "--ns=net=lab"), "--network host and --ns net=lab"), (("--uts=host", "--ns=lab"), "--uts host and --ns lab"),
                        (("--ns=net=none,net=host",), "--ns net=none and --ns net=host"), (("--ns=ipc=host", "--ns=ipc=private"), "--ns ipc=host and --ns ipc=private")):
        hull("run", "--rm", *flags, "busybox", "true").fails(125, f"conflicting options: {both} both say").one_line_error()
    hull("run", "--rm", "--net=host", "--ns=uts=lab", "busybox", "true").ok()
    hull("ns", "rm", "lab").ok()


def test_a_working_directory_that_is_a_file_is_refused():
    result = hull("run", "--rm", "--net=none", "-w", "/etc/passwd", "busybox", "true")
    check(result.code in (125, 126, 127), f"{result}")
    result.err_contains("/etc/passwd").err_contains("ot a directory").one_line_error()


def test_an_unknown_user_is_refused():
    refuses((125, 126), MISSING, "run", "--rm", "--net=none", "-u", MISSING, "busybox", "true")


def test_a_missing_rootfs_is_refused():
    refuses(125, scratch(MISSING), "run", "--rm", "--net=none", "--rootfs", scratch(MISSING), "true")


def test_a_name_in_use_is_a_conflict():
    with container("--name=one", "--net=none", "busybox", "sleep", "60") as identity:
        refuses(125, f'Conflict. The container name "/one" is already in use by container "{identity}"', "run", "--name=one",
                "--net=none", "busybox", "true")


def test_unknown_containers_are_named_with_code_1():
    for words in (("inspect",), ("logs",), ("stop",), ("kill",), ("rm",), ("start",), ("wait",), ("exec",)):
        argv = [*words, MISSING] + (["true"] if words == ("exec",) else [])
        result = hull(*argv)
        check(result.code == 1, f"{words}: expected exit 1\n{result}")
        result.err_contains(MISSING).one_line_error()


def test_exec_in_a_stopped_container_is_refused():
    hull("run", "--name=done", "--net=none", "busybox", "true").ok()
    result = hull("exec", "done", "true")
    result.exits(1).err_contains("is not running")
    hull("rm", "done").ok()


def test_exec_of_a_missing_command_is_127_and_of_a_file_126():
    with container("--name=cc", "--net=none", "busybox", "sleep", "60"):
        hull("exec", "cc", MISSING).exits(127).err_contains("executable file not found")
        hull("exec", "cc", "/etc/passwd").exits(126).err_contains("permission denied")
        hull("exec", "cc", "sh", "-c", "exit 9").exits(9)


def test_joining_a_dead_or_missing_target_is_refused():
    refuses(125, MISSING, "run", "--rm", f"--pid=container:{MISSING}", "busybox", "true")
    refuses(125, MISSING, "run", "--rm", "--strict-ns", f"--net=container:{MISSING}", "busybox", "true")
    hull("run", "--name=done", "--net=none", "busybox", "true").ok()
    for kind in ("net", "pid", "ipc"):
        result = hull("run", "--rm", "--strict-ns", f"--{kind}=container:done", "busybox", "true")
        check(result.code == 125, f"--{kind} of an ended container: {result}")
        result.err_contains("done").one_line_error()
    hull("rm", "done").ok()


def test_joining_a_path_that_is_no_namespace_is_refused():
    refuses(125, "/etc/passwd", "run", "--rm", "--net=ns:/etc/passwd", "busybox", "true")
    refuses(125, scratch(MISSING), "run", "--rm", f"--net=ns:{scratch(MISSING)}", "busybox", "true")


def test_a_bad_seccomp_profile_is_refused():
    with open(scratch("bad.json"), "w") as file:
        file.write('{"defaultAction": "SCMP_ACT_')
    refuses(125, "bad.json", "run", "--rm", "--net=none", "--security-opt", f"seccomp={scratch('bad.json')}", "busybox", "true")


def test_a_seccomp_profile_under_which_nothing_can_run_ends():
    """Even a program that cannot say what it lacks, and may not end, ends."""
    allowed = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["execve"], "action": "SCMP_ACT_ALLOW"}]}
    for profile, code in (({"defaultAction": "SCMP_ACT_ERRNO"}, 125), ({"defaultAction": "SCMP_ACT_KILL_PROCESS"}, 125), (allowed, (1, 125, 126, 132))):
        with open(scratch("none.json"), "w") as file:
            json.dump(profile, file)
        flags = ("--rm", "--net=none", "--security-opt", f"seccomp={scratch('none.json')}")
        result = hull("run", *flags, "busybox", "no-such-command" if code != 125 else "true", timeout=10)
        check(result.code in (code if isinstance(code, tuple) else (code,)), f"{profile}: {result}")
        if code == 125:
            result.err_contains("refuses execve").one_line_error()
    equal(hull("ps", "-aq").ok().out, "", "containers")


def test_an_env_file_is_read_alike_by_run_and_exec():
    path = scratch("env")
    with container("--name=cc", "--net=none", "busybox", "sleep", "60"):
        for words in (("run", "--rm", "--net=none", "--env-file", path, "busybox"), ("exec", "--env-file", path, "cc")):
            open(path, "w").write("# note\n\n  AA=1\nBB= x y \nNOT_SET_HERE\n")
            hull(*words, "sh", "-c", 'echo "[$AA][$BB]${NOT_SET_HERE-unset}"').ok().out_is("[1][ x y ]unset\n")
            for line, why in (("A B=1", "variable 'A B' contains whitespaces"), ("=1", "no variable name on line '=1'")):
                open(path, "w").write(line + "\n")
                result = hull(*words, "true")
                check(result.code in (1, 125), f"{line}: {result}")
                result.err_contains(why).one_line_error()


def test_rm_of_a_running_container_needs_force():
    with container("--name=cc", "--net=none", "busybox", "sleep", "60"):
        hull("rm", "cc").exits(1).err_contains("running")


def test_state_directories_of_others_are_refused():
    os.makedirs(scratch("open"))
    os.chmod(scratch("open"), 0o777)
    result = hull("ps", env={"HULL_ROOT": scratch("open")})
    check(result.code != 0, f"a HULL_ROOT writable by all was accepted: {result}")
