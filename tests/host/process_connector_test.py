"""hull ns watch where the kernel tells of processes, which it does in the host's pid and net namespace alone."""
import json
import os
import re
import subprocess

from lib.hull import Skip, background, binary, equal, eventually, hull

# More often than a look: what is seen within it, the kernel told.
WATCH = ("ns", "watch", "--format=json", "--interval=60000")


def told(watching, events):
    os.set_blocking(watching.stdout.fileno(), False)
    text = watching.stdout.read() or b""
    events += [json.loads(line) for line in text.splitlines()]
    return events


def test_the_kernel_tells_of_what_other_programs_do():
    with background(binary(), *WATCH) as watching:
        events = []

        def seen(action, inode):
            return any(e["Action"] == action and e["Actor"]["Attributes"]["inode"] == inode for e in told(watching, events))

        def is_watching():
            subprocess.run(["unshare", "-u", "sleep", "0.02"], check=True)
            return any(e["Action"] == "created" for e in told(watching, events))

        eventually(is_watching, timeout=5)
        os.set_blocking(watching.stderr.fileno(), False)
        if note := watching.stderr.read():
            raise Skip(f"this host's kernel does not tell: {note.decode().strip()}")
        with background("unshare", "--net", "--uts", "sleep", "60") as other:
            eventually(lambda: open(f"/proc/{other.pid}/comm").read() == "sleep\n")
            inode = re.search(r"\d+", os.readlink(f"/proc/{other.pid}/ns/net")).group()
            eventually(lambda: seen("created", inode), what="the new net namespace")
            subprocess.run(["nsenter", f"--net=/proc/{other.pid}/ns/net", "sleep", "0.05"], check=True)
            eventually(lambda: seen("joined", inode), what="the program that joined it")
        made = [e["Actor"]["Attributes"] for e in events if e["Action"] == "created" and e["Actor"]["Attributes"]["inode"] == inode]
        equal((len(made), made[0]["kind"], made[0]["pid"]), (1, "net", str(other.pid)))


def test_a_container_is_named():
    with background(binary(), *WATCH) as watching:
        events = []

        def names_it():
            hull("run", "--rm", "--name=short", "busybox", "sleep", "0.05").ok()
            return any(e["Actor"]["Attributes"].get("container") == "short" for e in told(watching, events))
        eventually(names_it, timeout=10)
