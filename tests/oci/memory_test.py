"""What the kernel kills for want of memory while hull makes it: the error names the limit, and nothing is left."""
import json
import os

from lib.bundle import bundle, container, oci, quiet_oci, rootfs
from lib.hull import contains, equal, scratch

LIMIT = 64 << 20
MEMORY = {"linux": {"resources": {"memory": {"limit": LIMIT, "swap": LIMIT}}}}
STACK = {"type": "RLIMIT_STACK", "soft": 64 << 20, "hard": 64 << 20}  # a quarter of it is for arguments
TMPFS = {"type": "tmpfs", "source": "tmpfs"}
NAMED = f"the kernel killed it for want of memory: the limit is {LIMIT} bytes; raise memory.limit"


def test_a_creation_that_the_memory_limit_ends_names_it():
    os.makedirs(f"{rootfs()}/big", exist_ok=True)
    with open(f"{rootfs()}/big/file", "w") as file:
        file.truncate(4 * LIMIT)
    copied = TMPFS | {"destination": "/big", "options": ["tmpcopyup"]}
    code, said = quiet_oci("create", "-b", bundle(MEMORY, lambda c: c["mounts"].append(copied)), "x")
    equal(code, 1, said)
    contains(said, NAMED)
    equal(oci("list", "-q").ok().out, "")


def test_an_exec_that_the_memory_limit_ends_names_it():
    with container(MEMORY, lambda c: c["mounts"].append(TMPFS | {"destination": "/tmp"})) as name:
        filled = {"user": {"uid": 0, "gid": 0}, "cwd": "/", "args": ["/bin/dd", "if=/dev/zero", "of=/tmp/full", "bs=16k"], "oomScoreAdj": 1000}
        oci("exec", "-p", process(filled), name).exits(137)
        oci("exec", "-p", process(filled | {"args": ["/bin/true"] + 50 * ["x" * 100000], "rlimits": [STACK]}), name).fails(255, "killed before its program began").err_contains(NAMED)


def process(document):
    path = scratch("process.json")
    with open(path, "w") as file:
        json.dump(document, file)
    return path
