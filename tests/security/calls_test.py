"""What a container may ask the kernel for by default: socket families, foreign architectures, namespaces, devices
(SECURITY groups K and L). Each attack has its control: the same program finds holes where the filter is off."""
import errno
import os

from lib.hull import REPOSITORY, check, compiled, equal, hull, log, need, run, scratch


def probe():
    need("gcc")
    program = scratch("calls")
    built = run("gcc", "-O1", "-static", "-o", program, os.path.join(REPOSITORY, "tests/security/calls.c"))
    built.ok()
    os.chmod(program, 0o755)
    return program


def in_container(program, *options):
    return hull("run", "--rm", "--net=none", *options, "-v", f"{program}:/calls:ro", "busybox", "/calls")


def test_the_default_filter_refuses_what_it_must():
    result = in_container(probe())
    equal((result.code, result.out), (0, ""), "holes found")


def test_the_probe_finds_holes_where_there_is_no_filter():
    result = in_container(probe(), "--security-opt", "seccomp=unconfined")
    check(result.code == 1 and "x32" not in result.err, f"the control must find something: {result}")


def outcomes(*options):
    """What each call of x86-64 came to in a container: its number to an errno, 0 where it returned."""
    program = compiled("security/matrix.c", "-static")
    out = hull("run", "--rm", "--net=none", *options, "-v", f"{program}:/matrix:ro", "busybox", "/matrix", timeout=60).ok().out
    return {int(number): int(code) for number, code in (line.split() for line in out.splitlines())}


def test_every_call_gets_the_verdict_that_is_written_down():
    """The table of golden/seccomp is the filter's, compiled; this is what the kernel then does."""
    with open(f"{REPOSITORY}/tests/golden/seccomp/default.txt") as file:
        verdicts = {int(words[0]): words[-1] for words in map(str.split, file)}
    wanted = {"EPERM": errno.EPERM, "ENOSYS": errno.ENOSYS}
    passed_over = (335, 336)  # KERNEL: uretprobe and uprobe are asked of no filter since 6.14; seccomp.c
    filtered, free = outcomes(), outcomes("--security-opt", "seccomp=unconfined")
    wrong = [f"{number}: {filtered[number]}, not {verdict}" for number, verdict in verdicts.items()
             if verdict in wanted and number in filtered and number not in passed_over and filtered[number] != wanted[verdict]]
    equal(wrong, [])
    refused = [number for number in filtered if verdicts[number] in wanted]
    opened = [number for number in refused if free[number] != filtered[number]]
    log(f"{len(filtered)} calls, {len(refused)} refused, of which {len(opened)} come to something else without the filter")
    check(len(filtered) == 547 and len(opened) > 30, "the control must find what the filter closes")


def test_a_profile_that_was_tampered_with_starts_nothing():
    """No call that nobody knows, no unknown word, no text cut short may open what the profile closes."""
    import json
    good = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["execve", "exit_group"], "action": "SCMP_ACT_ALLOW"}]}
    tampered = [json.dumps(good)[:-2], "{}", "[]", "", "null", '{"defaultAction": "SCMP_ACT_ALLOWED"}', '{"defaultAction": 1}',
                json.dumps(good | {"defaultAction": "SCMP_ACT_ALLOW\u0000"}), json.dumps(good | {"syscalls": {}}),
                json.dumps(good | {"syscalls": [{"names": ["mount"], "action": "ALLOW"}]}), json.dumps(good | {"architectures": ["SCMP_ARCH_NONE"]}),
                json.dumps(good | {"syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 9, "value": 0, "op": "SCMP_CMP_EQ"}]}]}),
                json.dumps(good | {"flags": ["SECCOMP_FILTER_FLAG_NONE"]}), '{"defaultAction": "SCMP_ACT_ERRNO", "defaultAction": "SCMP_ACT_ALLOW"}']
    path = scratch("profile.json")
    for text in tampered:
        with open(path, "w") as file:
            file.write(text)
        result = hull("run", "--rm", "--net=none", "--security-opt", f"seccomp={path}", "busybox", "echo", "started")
        check(result.code == 125 and "started" not in result.out and result.err.count("\n") == 1, f"{text!r}: {result}")
    log(f"{len(tampered)} profiles")


def test_the_filter_is_there_before_the_first_instruction():
    for options in ((), ("--user=1000",), ("--security-opt=no-new-privileges",), ("--init",)):
        shown = hull("run", "--rm", "--net=none", *options, "busybox", "grep", "^Seccomp", "/proc/self/status").ok().out.split()
        equal(shown, ["Seccomp:", "2", "Seccomp_filters:", "1"], options)


def test_devices_outside_the_rules_cannot_be_opened():
    script = ("for n in '10 232' '7 0' '1 1' '10 229'; do rm -f /tmp/d; mknod /tmp/d c $n && dd if=/tmp/d count=0 2>/dev/null "
              "&& echo opened $n; done; echo x >/dev/null && head -c1 /dev/zero >/dev/null && echo fine")
    result = hull("run", "--rm", "--net=none", "--cap-add=MKNOD", "--tmpfs=/tmp:dev", "busybox", "sh", "-c", script)
    check("opened" not in result.out and "fine" in result.out, f"device rules: {result}")
