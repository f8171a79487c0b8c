"""--systemd-cgroup where no systemd runs, and with a bus of ours in its place: one that refuses, lies, talks nonsense or
says nothing, and one that does as systemd does on this host's hierarchies. The real one is in vm/oci_systemd_test.py."""
import contextlib
import os
import socket
import struct
import threading
import time

from lib import isolate
from lib.bundle import bundle, oci, quiet_oci, state
from lib.hull import check, equal, eventually, log, scratch

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
ROOT, MANAGER = "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"


class Reader:
    """D-Bus values of a body; a second implementation, to try the first with."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        size = struct.calcsize(form)
        self.at += -self.at % size
        self.at += size
        return struct.unpack_from("<" + form, self.data, self.at - size)[0]

    def text(self, length="I"):
        size = self.number(length)
        self.at += size + 1
        return self.data[self.at - size - 1:self.at - 1].decode()

    def value(self, kind):
        if kind[0] == "a":
            size, pad = self.number("I"), 8 if kind[1] in "({t" else 1 if kind[1] == "y" else 4
            self.at += -self.at % pad
            end, out = self.at + size, []
            while self.at < end:
                out.append(self.value(kind[1:]))
            return out
        if kind[0] == "(":
            self.at += -self.at % 8
            return (self.text(), self.value("v")) if kind == "(sv)" else (self.text(), self.text())
        if kind == "v":
            return self.value(self.text("B"))
        return self.text() if kind in "so" else self.number({"u": "I", "b": "I", "t": "Q", "i": "i", "x": "q", "y": "B"}[kind])


class Writer:
    def __init__(self):
        self.out = b""

    def number(self, form, value):
        self.out += b"\0" * (-len(self.out) % struct.calcsize(form)) + struct.pack("<" + form, value)
        return self

    def text(self, value, length="I"):
        self.number(length, len(value))
        self.out += value.encode() + b"\0"
        return self


def message(kind, serial, fields, body=b""):
    head = Writer()
    for code, form, value in fields:
        head.out += b"\0" * (-len(head.out) % 8)
        head.out += bytes([code, 1]) + form.encode() + b"\0"
        head.text(value, "B") if form == "g" else head.number("I", value) if form == "u" else head.text(value)
    start = struct.pack("<cBBBIII", b"l", kind, 0, 1, len(body), serial, len(head.out))
    return start + head.out + b"\0" * (-len(head.out) % 8) + body


class Bus:
    """Speaks as the bus to one client after another. A test overrides what is to go wrong."""

    def __init__(self):
        self.calls, self.sent, self.path = [], 0, scratch("bus")
        self.properties = {}

    def start(self, client, unit, properties):
        raise NotImplementedError

    def auth(self, client):
        client.sendall(b"DATA\r\nOK 0123456789abcdef0123456789abcdef\r\n")

    def reply(self, client, serial, signature="", body=b""):
        self.send(client, RETURN, [(5, "u", serial)] + ([(8, "g", signature)] if signature else []), body)

    def error(self, client, serial, name, text):
        self.send(client, ERROR, [(4, "s", name), (5, "u", serial), (8, "g", "s")], Writer().text(text).out)

    def send(self, client, kind, fields, body=b""):
        self.sent += 1
        client.sendall(message(kind, self.sent, fields, body))

    def removed(self, client, job, unit, result="done"):
        fields = [(1, "o", ROOT), (2, "s", MANAGER), (3, "s", "JobRemoved"), (8, "g", "uoss")]
        self.send(client, SIGNAL, fields, Writer().number("I", 1).text(job).text(unit).text(result).out)

    def call(self, client, serial, member, body):
        if member in ("Hello", "AddMatch", "Subscribe", "ResetFailedUnit", "Ping"):
            return self.reply(client, serial)
        if member == "StartTransientUnit":
            unit, _, properties = body.text(), body.text(), dict(body.value("a(sv)"))
            equal(body.value("a(sv)"), [], "auxiliary units")
            return self.start(client, serial, unit, properties)
        return self.error(client, serial, "org.freedesktop.DBus.Error.UnknownMethod", member)

    def serve_one(self, client):
        data = b""
        while not data.endswith(b"BEGIN\r\n"):
            data += client.recv(1)
        if self.auth(client) == "end":
            return
        with client.makefile("rb") as stream:
            while head := stream.read(16):
                size, serial, fields = struct.unpack("<III", head[4:])
                names = Reader(struct.pack("<I", fields) + b"\0" * 4 + stream.read(fields + -fields % 8))
                names.at, found = 8, {}
                while names.at < 8 + fields:
                    names.at += -names.at % 8
                    code = names.number("B")
                    kind = names.text("B")
                    found[code] = names.text("B") if kind == "g" else names.value(kind)
                self.calls.append(found[3])
                if self.call(client, serial, found[3], Reader(stream.read(size))) == "end":
                    return

    def serve(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, contextlib.suppress(OSError, IndexError):
                self.serve_one(client)

    @contextlib.contextmanager
    def running(self):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.path)
        listener.listen(8)
        thread = threading.Thread(target=self.serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.path}", "SYSTEMD_BUS_TIMEOUT": "500ms"}
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join(10)
            os.unlink(self.path)


class Refusing(Bus):
    def auth(self, client):
        client.sendall(b"REJECTED EXTERNAL\r\n")
        return "end"


class Nonsense(Bus):
    def auth(self, client):
        client.sendall(b"\xff\0x" * 2000)
        client.recv(1)
        return "end"


class Silent(Bus):
    def auth(self, client):
        client.recv(1)
        return "end"


class Garbage(Bus):
    """Answers Hello with bytes that are no message."""
    def __init__(self, data):
        super().__init__()
        self.data = data

    def call(self, client, serial, member, body):
        client.sendall(self.data)
        client.recv(1)
        return "end"


class HangsUp(Bus):
    def call(self, client, serial, member, body):
        return "end"


class Denies(Bus):
    def start(self, client, serial, unit, properties):
        self.error(client, serial, "org.freedesktop.DBus.Error.AccessDenied", "Interactive authentication\nrequired.")


class Taken(Bus):
    def start(self, client, serial, unit, properties):
        self.error(client, serial, "org.freedesktop.systemd1.UnitExists", f"Unit {unit} was already loaded.")


class Starts(Bus):
    """Says that it did; `group` is what it then says of the unit."""
    def __init__(self, group="/", result="done"):
        super().__init__()
        self.group, self.result = group, result

    def start(self, client, serial, unit, properties):
        self.removed(client, "/other", "other.scope")
        self.reply(client, serial, "o", Writer().text("/job/1").out)
        if self.result:
            self.removed(client, "/job/1", unit, self.result)

    def call(self, client, serial, member, body):
        if member == "Get":
            return self.reply(client, serial, "v", Writer().text("s", "B").text(self.group).out)
        if member == "StopUnit":
            return self.error(client, serial, "org.freedesktop.systemd1.NoSuchUnit", "none")
        return super().call(client, serial, member, body)


class Chatters(Bus):
    """Never answers and never stops talking."""
    def call(self, client, serial, member, body):
        with contextlib.suppress(OSError):
            while True:
                self.removed(client, "/x", "x.scope")
        return "end"


def refused(words, env, within=5.0):
    began = time.monotonic()
    result = oci("--systemd-cgroup", "create", "-b", bundle({"linux": {"cgroupsPath": None}}), "c", env=env)
    took = time.monotonic() - began
    result.fails(1, words).one_line_error()
    check(took < within, f"it took {took:.1f} s")
    equal(os.listdir(scratch("oci-state")) if os.path.isdir(scratch("oci-state")) else [], [], "what is left")


def test_without_systemd_one_line_says_so():
    result = oci("--systemd-cgroup", "create", "-b", bundle({"linux": {"cgroupsPath": None}}), "c")
    result.fails(1, "--systemd-cgroup: systemd does not run here").one_line_error()
    result.err_contains("remove --systemd-cgroup")
    oci("--systemd-cgroup", "create", "-b", bundle(), "c").fails(1, "slice:prefix:name").one_line_error()
    oci("--systemd-cgroup", "list").ok()


def test_a_bus_that_does_not_do_as_asked_is_one_line_and_nothing_is_left():
    header = message(RETURN, 1, [(5, "u", 1)])
    for fake, words in ((Refusing(), "refuses this user"), (Nonsense(), "does not speak D-Bus"), (Silent(), "systemd does not answer"), (HangsUp(), "hung up"),
                        (Garbage(b"x" * 64), "malformed"), (Garbage(b"B" + header[1:]), "byte order"), (Garbage(header[:4] + b"\xff" * 12), "malformed"),
                        (Garbage(header[:20]), "does not answer"), (Garbage(header[:16] + b"\xff" * 8), "malformed"), (Denies(), "authentication\\nrequired"),
                        (Taken(), "runc-c.scope was already loaded"), (Starts(result="failed"), 'its job ended as "failed"'),
                        (Starts(result=None), "systemd does not answer"), (Starts("/"), "does not tell the cgroup"), (Starts("/init.scope"), "does not tell the cgroup"),
                        (Starts("/../runc-c.scope"), "does not tell the cgroup"), (Starts("/none/runc-c.scope"), "no such cgroup"), (Chatters(), "does not answer")):
        log(f"{type(fake).__name__}: {words}")
        with fake.running() as env:
            refused(words, env)


class LikeSystemd(Starts):
    """Makes groups where systemd does on a host of cgroup v1: in its own hierarchy and in some others, not in all."""
    def __init__(self):
        super().__init__()
        self.tops = [top for top in isolate.hierarchies() if top.endswith(("/systemd", "/memory", "/pids", "/unified")) or top == "/sys/fs/cgroup"]

    def start(self, client, serial, unit, properties):
        self.properties, self.group = properties, f"/system.slice/{unit}"
        for top in self.tops:
            os.makedirs(top + self.group, exist_ok=True)
        super().start(client, serial, unit, properties)

    def call(self, client, serial, member, body):
        if member == "StopUnit":
            self.reply(client, serial, "o", Writer().text("/job/2").out)
            for top in self.tops:
                with contextlib.suppress(OSError):
                    os.rmdir(top + self.group)
            return self.removed(client, "/job/2", "x")
        if member == "SetUnitProperties":
            _, _, changed = body.text(), body.number("I"), body.value("a(sv)")
            self.properties |= dict(changed)
            return self.reply(client, serial)
        return super().call(client, serial, member, body)


def test_the_group_is_in_every_hierarchy_and_gone_at_the_end():
    fake = LikeSystemd()
    resources = {"pids": {"limit": 9}, "memory": {"limit": 64 << 20}, "devices": [{"allow": False, "access": "rwm"}]}
    path = bundle({"linux": {"cgroupsPath": None, "resources": resources}, "annotations": {"org.systemd.property.CollectMode": "'inactive'"}})
    with fake.running() as env:
        code, text = quiet_oci("--systemd-cgroup", "run", "-d", "-b", path, "c", env=env)
        equal((code, text), (0, ""))
        wanted = {"Description": "hull container c", "Slice": "system.slice", "Delegate": 1, "DefaultDependencies": 0, "TasksMax": 9, "CollectMode": "inactive",
                  "CPUAccounting": 1, "MemoryAccounting": 1, "IOAccounting": 1, "TasksAccounting": 1}
        equal({name: fake.properties.get(name) for name in wanted}, wanted)
        check(len(fake.properties["PIDs"]) == 1, "one process is named")
        with open(f"/proc/{state('c')['pid']}/cgroup") as file:
            groups = {line.split(":", 2)[2].strip()[-len(fake.group):] for line in file}
        equal(groups, {fake.group})
        oci("exec", "c", "/bin/true").ok()
        oci("update", "--pids-limit", "7", "c", env=env).ok()
        equal(fake.properties["TasksMax"], 7)
        eventually(lambda: not os.path.exists(f"/proc/{fake.properties['PIDs'][0]}"), what="the end of the process that held the scope")
        oci("delete", "--force", "c", env=env).ok()
    isolate.remove_cgroups([f"{top}/system.slice" for top in isolate.hierarchies()])
    check("StopUnit" in fake.calls and "ResetFailedUnit" in fake.calls, f"calls: {fake.calls}")


def test_delete_ends_without_systemd_too():
    fake = LikeSystemd()
    with fake.running() as env:
        equal(quiet_oci("--systemd-cgroup", "run", "-d", "-b", bundle({"linux": {"cgroupsPath": None}}), "c", env=env), (0, ""))
    oci("delete", "--force", "c", env=env).ok()
    check(not any(os.path.exists(top + fake.group) for top in isolate.hierarchies()), "the group is gone")
    isolate.remove_cgroups([f"{top}/system.slice" for top in isolate.hierarchies()])
