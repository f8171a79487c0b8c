"""hull oci features: what it says is what this build does on this host."""
import json
import os
import shutil

from lib.bundle import bundle, oci, quiet_oci
from lib.hull import Skip, check, contains, equal, log, refusing

MOUNT = {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"}
OF_BINDS = {"bind", "rbind", "idmap", "ridmap"}


def features(**options):
    return json.loads(oci("features", **options).ok().out)


def test_its_keys_are_those_of_the_specification():
    said = features()
    equal((said["ociVersionMin"], said["ociVersionMax"]), ("1.0.0", "1.3.0"))
    equal(said["hooks"], ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"])
    equal(set(said["linux"]), {"namespaces", "capabilities", "cgroup", "seccomp", "apparmor", "selinux", "intelRdt", "memoryPolicy", "netDevices",
                               "mountExtensions"})


def test_each_mount_option_that_is_named_is_taken():
    path, wrong = bundle(), []
    names = [name for name in features()["mountOptions"] if name not in OF_BINDS | {"remount"}]
    for name in names:
        bundle(lambda c: c["mounts"].append(MOUNT | {"options": [name]}), path=path)
        code, text = quiet_oci("create", "-b", path, "x")
        oci("delete", "-f", "x").ok()
        if code != 0:
            wrong.append(f"{name}: {text}")
    equal(wrong, [])
    for name in ("iversion", "frobnicate"):
        check(name not in names, name)
    log(f"{len(names)} options")


def test_each_value_of_seccomp_and_memory_policy_is_taken():
    said = features()["linux"]
    seccomp, policy = said["seccomp"], said["memoryPolicy"]
    rules = [{"action": action} for action in seccomp["actions"] if action != "SCMP_ACT_NOTIFY"]
    rules += [{"action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 1, "valueTwo": 1, "op": op}]} for op in seccomp["operators"]]
    patches = [{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["swapoff"]} | rule]}}} for rule in rules]
    patches += [{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "flags": [flag]}}} for flag in seccomp["supportedFlags"]]
    patches += [{"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "architectures": seccomp["archs"]}}}]
    nodes = lambda mode: {} if mode in ("MPOL_DEFAULT", "MPOL_LOCAL") else {"nodes": "0"}  # noqa: E731
    patches += [{"linux": {"memoryPolicy": {"mode": mode} | nodes(mode)}} for mode in policy["modes"]]
    for patch in patches:
        equal(quiet_oci("create", "-b", bundle(patch), "x"), (0, ""), patch)
        oci("delete", "-f", "x").ok()
    check(set(seccomp["supportedFlags"]) <= set(seccomp["knownFlags"]), str(seccomp))
    log(f"{len(patches)} configurations")


def test_what_the_kernel_refuses_is_not_said_to_be_there():
    with refusing("seccomp", "mount_setattr"):
        said = features()["linux"]
    equal((said["seccomp"]["supportedFlags"], said["seccomp"]["actions"], said["seccomp"]["enabled"], said["mountExtensions"]["idmap"]["enabled"]),
          ([], [], False, False))
    contains(said["seccomp"]["knownFlags"], "SECCOMP_FILTER_FLAG_LOG")
    equal(features()["linux"]["mountExtensions"]["idmap"]["enabled"], True)
    equal(set(features()["linux"]["namespaces"]), {{"mnt": "mount", "net": "network"}.get(name, name) for name in os.listdir("/proc/self/ns")
                                                   if not name.endswith("_for_children")})


def test_runc_knows_no_mount_option_more():
    if not shutil.which("runc"):
        raise Skip("runc is not installed")
    theirs = json.loads(oci("features", runtime="runc").ok().out)["mountOptions"]
    equal(sorted(set(theirs) - set(features()["mountOptions"])), ["iversion", "mand"], "options of no file system here")
