"""hull ns watch where the kernel does not tell of processes: it looks, says so, and sees what lives long enough.

What it does with the process connector is shown in host/process_connector_test.py.
"""
import json
import os
import re
import subprocess

from lib.hull import background, binary, container, contains, equal, eventually, hull, inspect, sanitized

KEPT = ("busybox", "sleep", "600")


class Watching:
    def __init__(self, child):
        self.child, self.events, self.rest = child, [], b""
        contains(child.stderr.readline().decode(), "note: ")  # it has looked for the first time
        os.set_blocking(child.stdout.fileno(), False)

    def seen(self, action, inode, **attributes):
        self.rest += self.child.stdout.read() or b""
        *lines, self.rest = self.rest.split(b"\n")
        self.events += [json.loads(line) for line in lines]
        return any(e["Action"] == action and e["Actor"]["ID"].endswith(f"[{inode}]") and
                   all(e["Actor"]["Attributes"].get(key) == value for key, value in attributes.items()) for e in self.events)


def is_sleep(child):
    with open(f"/proc/{child.pid}/comm") as name:
        return name.read() == "sleep\n"


def inode_of(pid, kind):
    return re.search(r"\d+", os.readlink(f"/proc/{pid}/ns/{kind}")).group()


def test_another_programs_namespace_is_seen_made_joined_and_gone():
    with background(binary(), "ns", "watch", "--format=json", "--interval=50") as child:
        watching = Watching(child)
        with background("unshare", "--net", "sleep", "60") as first:
            eventually(lambda: is_sleep(first))
            inode = inode_of(first.pid, "net")
            eventually(lambda: watching.seen("created", inode, kind="net", pid=str(first.pid)), what="created")
            with background("nsenter", f"--net=/proc/{first.pid}/ns/net", "sleep", "60") as second:
                eventually(lambda: watching.seen("joined", inode, pid=str(second.pid)), what="joined")
        eventually(lambda: watching.seen("died", inode) or watching.seen("emptied", inode), what="its end")


def test_what_a_mount_keeps_is_emptied_and_not_dead():
    with background(binary(), "ns", "watch", "--format=json", "--interval=50") as child:
        watching = Watching(child)
        with background("unshare", "--uts", "sleep", "60") as other:
            eventually(lambda: is_sleep(other))
            inode = inode_of(other.pid, "uts")
            eventually(lambda: watching.seen("created", inode))
            held = os.open(f"/proc/{other.pid}/ns/uts", os.O_RDONLY)
        eventually(lambda: watching.seen("emptied", inode))
        assert not watching.seen("died", inode), "a descriptor keeps it"
        os.close(held)


def test_a_container_and_a_pin_are_named():
    with background(binary(), "ns", "watch", "--format=json", "--interval=50") as child:
        watching = Watching(child)

        def begun():
            subprocess.run(["unshare", "--uts", "sleep", "0.2"], check=True)
            watching.seen("", "0")
            return watching.events
        eventually(begun)
        with container("--name=db", *KEPT):
            inode = inode_of(inspect("db", "{{.State.Pid}}"), "net")
            if not sanitized():  # slowed, hull writes the name down after the look
                eventually(lambda: watching.seen("created", inode, container="db") or watching.seen("joined", inode, container="db"))
            hull("exec", "db", "sleep", "0.5").ok()  # ten looks
            eventually(lambda: watching.seen("joined", inode, container="db"))
            hull("ns", "pin", "db", "--net", "kept").ok()
            eventually(lambda: watching.seen("pinned", inode, name="kept"))
            hull("ns", "rm", "kept").ok()


def test_it_says_what_it_cannot_see():
    with background(binary(), "ns", "watch", "--interval=50") as child:
        note = child.stderr.readline().decode()
        contains(note, "note: the process connector ")
        contains(note, "; /proc is looked at every 50 ms instead, and what lives shorter is missed")
    contains(hull("ns", "watch", "--help").ok().out, "What it can miss:")


def test_filters_and_wrong_use():
    with background(binary(), "ns", "watch", "--format=json", "--interval=50", "--filter=kind=uts") as child:
        watching = Watching(child)
        with background("unshare", "--net", "--uts", "sleep", "60") as other:
            eventually(lambda: is_sleep(other))
            eventually(lambda: watching.seen("created", inode_of(other.pid, "uts")))
        equal({e["Actor"]["Attributes"]["kind"] for e in watching.events}, {"uts"})
    hull("ns", "watch", "--interval=1").fails(1, "hull ns watch: --interval 1: milliseconds from 10 to 3600000 are accepted")
    hull("ns", "watch", "--filter=colour=red").fails(1, "invalid filter 'colour'")
    hull("ns", "watch", "--filter=kind=bogus").fails(1, "kinds are mnt, uts, ipc, net, pid, user, cgroup and time")


def test_a_name_that_is_made_is_told_of():
    with background(binary(), "ns", "watch", "--format=json", "--interval=50") as child:
        watching = Watching(child)
        hull("ns", "create", "net", "lab").ok()
        hull("ns", "rm", "lab").ok()
        eventually(lambda: watching.seen("", "0") or {"created", "unpinned"} <= {event["Action"] for event in watching.events
                                                                              if event["Actor"]["Attributes"].get("name") == "lab"})
