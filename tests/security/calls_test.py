"""What a container may ask the kernel for by default: socket families, foreign architectures, namespaces, devices
(SECURITY groups K and L). Each attack has its control: the same program finds holes where the filter is off."""
import os

from lib.hull import REPOSITORY, check, equal, hull, need, run, scratch


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


def test_devices_outside_the_rules_cannot_be_opened():
    script = ("for n in '10 232' '7 0' '1 1' '10 229'; do rm -f /tmp/d; mknod /tmp/d c $n && dd if=/tmp/d count=0 2>/dev/null "
              "&& echo opened $n; done; echo x >/dev/null && head -c1 /dev/zero >/dev/null && echo fine")
    result = hull("run", "--rm", "--net=none", "--cap-add=MKNOD", "--tmpfs=/tmp:dev", "busybox", "sh", "-c", script)
    check("opened" not in result.out and "fine" in result.out, f"device rules: {result}")
