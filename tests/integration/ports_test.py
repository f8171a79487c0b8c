"""Published ports: what is asked for, what docker says to it, and what passes through.

Servers inside are Python processes that have entered the container's net namespace: they are what an image's would be."""
import contextlib
import hashlib
import json
import os
import resource
import select
import signal
import socket
import subprocess
import time

from lib import asker
from lib.hull import busybox_rootfs, check, container, contains, environment, equal, eventually, hull, inspect, lacks, matches, need, readable_copy, refusing, run, scratch

SLEEP = ("busybox", "sleep", "600")
ENTER = """
import ctypes, hashlib, os, socket, struct, sys, threading
with open(sys.argv[1]) as ns:
    assert ctypes.CDLL(None, use_errno=True).setns(ns.fileno(), 0x40000000) == 0
"""
# Sends back what it gets until the end, and then its own end.
ECHO = ENTER + """
family, address = (socket.AF_INET6, "::1") if "six" in sys.argv else (socket.AF_INET, "127.0.0.1")
listener = socket.socket(family)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((address, 80)); listener.listen(1000)
print("ready", flush=True)
def serve(peer):
    try:
        while piece := peer.recv(65536): peer.sendall(piece)
        peer.shutdown(socket.SHUT_WR)
    except OSError: pass
    peer.close()
while True: threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
# Answers only after the client's end has come: with the digest of all that it was sent, and the same bytes back.
DIGEST = ENTER + """
listener = socket.create_server(("127.0.0.1", 80)); print("ready", flush=True)
peer = listener.accept()[0]
data = bytearray()
while piece := peer.recv(1 << 20): data += piece
peer.sendall(hashlib.sha256(data).hexdigest().encode()); peer.sendall(data); peer.close()
"""
UDP_ECHO = ENTER + """
family, address = (socket.AF_INET6, "::1") if "six" in sys.argv else (socket.AF_INET, "127.0.0.1")
server = socket.socket(family, socket.SOCK_DGRAM); server.bind((address, 53)); print("ready", flush=True)
while True:
    data, peer = server.recvfrom(65536); server.sendto(b"%d:" % peer[1] + data, peer)
"""
# Says who asks, over both protocols.
WHO = ENTER + """
family, address = (socket.AF_INET6, "::1") if "six" in sys.argv else (socket.AF_INET, "127.0.0.1")
server = socket.socket(family, socket.SOCK_DGRAM); server.bind((address, 53))
listener = socket.socket(family); listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((address, 80)); listener.listen(10); print("ready", flush=True)
def datagrams():
    while True:
        data, peer = server.recvfrom(65536); server.sendto(b"x:" + peer[0].encode(), peer)
threading.Thread(target=datagrams, daemon=True).start()
while True:
    peer, who = listener.accept()
    while peer.recv(100): pass
    peer.sendall(who[0].encode()); peer.close()
"""
# Resets each connection at once.
RESET = ENTER + """
listener = socket.create_server(("127.0.0.1", 80)); print("ready", flush=True)
while True:
    peer = listener.accept()[0]; peer.recv(1)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)); peer.close()
"""


def server(name, program, *words):
    return server_in(inspect(name, "{{.State.Pid}}"), program, *words)


@contextlib.contextmanager
def server_in(pid, program, *words):
    child = subprocess.Popen(["python3", "-c", program, f"/proc/{pid}/ns/net", *words], stdout=subprocess.PIPE, text=True)
    try:
        equal(child.stdout.readline(), "ready\n", "the server inside")
        yield
    finally:
        child.kill()
        child.communicate()


def port_of(name, inside="80/tcp", host="0.0.0.0"):
    ports = json.loads(hull("inspect", name).ok().out)[0]["NetworkSettings"]["Ports"][inside]
    return next(int(one["HostPort"]) for one in ports if one["HostIp"] == host)


def ask(address, data=b"hello", timeout=10):
    """What comes back for `data` and our end."""
    with socket.create_connection(address, timeout) as peer:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        answer = bytearray()
        while piece := peer.recv(1 << 20):
            answer += piece
        return bytes(answer)


def fetched(port):
    try:
        return ask(("127.0.0.1", port), b"GET / HTTP/1.0\r\n\r\n")
    except OSError:
        return b""  # nobody listens inside yet


def ask_udp(address, data=b"hello", timeout=5):
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as peer:
        peer.settimeout(timeout)
        peer.connect(address)
        peer.send(data)
        return peer.recv(65536).split(b":", 1)[1]


def forwarder(name):
    """The pid of the container's hull-port."""
    path = os.path.join(environment()["HULL_RUN"], "containers", inspect(name, "{{.Id}}"), "run.json")
    with open(path) as file:
        return json.load(file)["PortPid"]


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def refused(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), 2).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_port_is_published_on_every_address_of_both_families():
    with container("--name=web", "-p", "8080:80", *SLEEP), server("web", ECHO):
        for host in ("127.0.0.1", "127.0.0.2", "::1"):
            equal(ask((host, 8080)), b"hello")
        equal(hull("port", "web").ok().out, "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080\n")
        equal(hull("port", "web", "80").ok().out, "0.0.0.0:8080\n[::]:8080\n")
        equal(hull("ps", "--format", "{{.Ports}}").ok().line, "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp")
        contains(hull("port", "web", "81/udp").fails(1).err, "no public port '81/udp' published for web")


def test_the_installed_servers_are_reached():
    with container("--name=web", "-p", f"127.0.0.1:8081:{asker.PORT}", "busybox", *asker.SERVE):
        eventually(lambda: fetched(8081).endswith(b"\r\n\r\nserved\n"), what="the page")


def test_each_form_of_publish_is_bound_as_it_says():
    forms = {"80": {"0.0.0.0": None, "::": None}, "8082:80": {"0.0.0.0": 8082, "::": 8082}, "127.0.0.1:8082:80": {"127.0.0.1": 8082},
             "127.0.0.1::80": {"127.0.0.1": None}, "[::1]:8082:80": {"::1": 8082}, "::1:8082:80": {"::1": 8082},
             "8082-8085:80": {"0.0.0.0": 8082, "::": 8082}, "published=8082,target=80": {"0.0.0.0": 8082, "::": 8082}}
    for form, wanted in forms.items():
        with container("--name=web", "-p", form, *SLEEP), server("web", ECHO):
            ports = json.loads(hull("inspect", "web").ok().out)[0]["NetworkSettings"]["Ports"]["80/tcp"]
            equal({one["HostIp"] for one in ports}, set(wanted), form)
            equal(len({one["HostPort"] for one in ports}), 1, f"{form}: one number for all addresses")
            for one in ports:
                check(wanted[one["HostIp"]] in (None, int(one["HostPort"])), f"{form}: {ports}")
                host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(one["HostIp"], one["HostIp"])
                equal(ask((host, int(one["HostPort"]))), b"hello", form)


def test_a_range_on_the_host_gives_the_first_that_is_free():
    with socket.create_server(("0.0.0.0", 8090)), container("--name=web", "-p", "8090-8092:80", *SLEEP):
        equal(port_of("web"), 8091)


def test_ranges_are_paired_and_shown_joined():
    with container("--name=web", "-p", "8000-8002:8000-8002", "-p", "127.0.0.1:9000:53/udp", *SLEEP):
        equal(hull("ps", "--format", "{{.Ports}}").ok().line,
              "0.0.0.0:8000-8002->8000-8002/tcp, [::]:8000-8002->8000-8002/tcp, 127.0.0.1:9000->53/udp")


def test_a_range_of_hundreds_of_ports_and_one_of_too_many():
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    hull("run", "-d", "--name=web", "-p", "20000-20699:20000-20699", "-p", "8080:80", *SLEEP, preexec=few).ok()
    try:
        with server("web", ECHO):
            equal(ask(("127.0.0.1", 8080)), b"hello")
        equal(hull("port", "web", "20699").ok().out, "0.0.0.0:20699\n[::]:20699\n")
    finally:
        hull("rm", "-f", "web").ok()
    many = hull("run", "--rm", "-p", "20000-25000:20000-25000", *SLEEP).fails(125)
    equal(many.err.count("\n"), 1)
    contains(many.err, "publish fewer")


def test_what_an_image_exposes_is_published_on_request():
    archive = scratch("root.tar")
    run("tar", "-C", busybox_rootfs(scratch("exposing")), "-cf", archive, ".").ok()
    hull("import", "--change", "EXPOSE 80 53/udp", archive, "exposing").ok()
    with container("--name=web", "-P", "exposing", "sleep", "600"), server("web", ECHO):
        equal(sorted(json.loads(inspect("web", "{{json .NetworkSettings.Ports}}"))), ["53/udp", "80/tcp"])
        equal(ask(("127.0.0.1", port_of("web"))), b"hello")
    with container("--name=web", "exposing", "sleep", "600"):
        equal(hull("ps", "--format", "{{.Ports}}").ok().line, "53/udp, 80/tcp")
    hull("rmi", "exposing").ok()


def test_exposed_ports_are_shown_and_published_on_request():
    with container("--name=shown", "--expose=80", "--expose=5000-5001/udp", *SLEEP):
        equal(hull("ps", "--format", "{{.Ports}}").ok().line, "80/tcp, 5000-5001/udp")
        equal(json.loads(inspect("shown", "{{json .Config.ExposedPorts}}")), {"80/tcp": {}, "5000/udp": {}, "5001/udp": {}})
        equal(hull("port", "shown").ok().out, "")
        equal(hull("ps", "-q", "--filter", "expose=80").ok().out.count("\n"), 1)
        equal(hull("ps", "-q", "--filter", "publish=80").ok().out, "")
    with container("--name=all", "-P", "--expose=80", "-p", "8080:81", *SLEEP), server("all", ECHO):
        check(port_of("all") not in (0, 80), "a number of the kernel's choice")
        equal(ask(("127.0.0.1", port_of("all"))), b"hello")
        equal(port_of("all", "81/tcp"), 8080)
        equal(hull("ps", "-q", "--filter", "publish=80").ok().out.count("\n"), 1)


def test_the_record_says_what_was_asked_and_what_is():
    with container("--name=web", "-p", "127.0.0.1:8080:80", "-p", "53/udp", *SLEEP):
        host = json.loads(inspect("web", "{{json .HostConfig}}"))
        equal(host["PortBindings"], {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}], "53/udp": [{"HostIp": "", "HostPort": ""}]})
        equal(host["PublishAllPorts"], False)
        hull("stop", "-t", "0", "web").ok()
        equal(json.loads(inspect("web", "{{json .NetworkSettings.Ports}}")), {})
        equal(hull("ps", "-a", "--format", "{{.Ports}}").ok().line, "")


# What docker's command line says (its client alone: these never reach a daemon).
BAD = {"abc": "invalid containerPort: abc", "65536": "invalid containerPort: 65536", "81-80": "invalid containerPort: 81-80",
       "x:80": "invalid hostPort: x", "70000:80": "invalid hostPort: 70000", "80/icmp": "invalid proto: icmp", "8080:": "no port specified: 8080:<empty>",
       "8000-8003:80-81": "invalid ranges specified for container and host Ports: 80-81 and 8000-8003",
       "1.2.3:80:80": "invalid IP address: 1.2.3", "localhost:80:80": "invalid IP address: localhost",
       "target=80,x": "invalid publish opts format (should be name=value but got 'x')"}


def test_bad_ports_are_refused_in_dockers_words():
    need("docker")
    for form, words in BAD.items():
        ours = hull("run", "-d", "-p", form, *SLEEP).fails(125)
        equal(ours.err.count("\n"), 1, f"{form}: one line")
        contains(ours.err, words, form)
        contains(run("docker", "run", "-d", "-p", form, *SLEEP).fails(125).err.lower(), words.lower(), f"docker: {form}")  # older ones begin with a capital
    contains(hull("run", "--expose", "80:80", *SLEEP).fails(125).err, "invalid port format for --expose: 80:80")
    equal(hull("ps", "-aq").ok().out, "")


def test_a_port_that_is_taken_refuses_the_start():
    with socket.create_server(("127.0.0.1", 8080)):
        failed = hull("run", "--rm", "-p", "8079:79", "-p", "8080:80", *SLEEP).fails(125)
        equal(failed.err.count("\n"), 1)
        matches(failed.err, r"Bind for 0\.0\.0\.0:8080 failed: port is already allocated: .*address already in use")
        check(refused(8079), "the others are let go")
        equal(hull("ps", "-aq").ok().out, "")
    with container("--name=one", "-p", "8080:80", *SLEEP):
        contains(hull("run", "-d", "--name=two", "-p", "8080:80", *SLEEP).fails(125).err, "port is already allocated")
        hull("rm", "-f", "one").ok()
        hull("start", "two").ok()
        hull("rm", "-f", "two").ok()
    failed = hull("run", "--rm", "-p", "192.0.2.1:8080:80", *SLEEP).fails(125)
    contains(failed.err, "failed to bind host port 192.0.2.1:8080/tcp: Cannot assign requested address")


def test_with_the_hosts_network_ports_are_discarded_with_a_warning():
    with container("--name=open", "--net=host", "-p", "8080:80", *SLEEP) as made:
        equal(hull("port", "open").ok().out, "")
        equal(hull("ps", "--format", "{{.Ports}}").ok().line, "")
        check(refused(8080), "nothing listens")
    contains(hull("run", "--rm", "--net=host", "-p", "8080:80", "busybox", "true").ok().err,
             "WARNING: Published ports are discarded when using host network mode")


def test_a_sharer_publishes_into_what_it_shares_and_its_ports_outlive_the_targets_restart():
    with container("--name=db", *SLEEP), container("--name=web", "--net=container:db", "-p", "8080:80", *SLEEP):
        with server("db", ECHO):
            equal(ask(("127.0.0.1", 8080)), b"hello")
            hull("restart", "-t", "0", "db").ok()
            equal(ask(("127.0.0.1", 8080)), b"hello")
            hull("kill", "db").ok()
            equal(ask(("127.0.0.1", 8080)), b"hello")
    refusal = "conflicting options: port publishing and the container type network mode"
    with container("--name=db", *SLEEP):
        contains(hull("run", "--strict-ns", "--net=container:db", "-p", "8080:80", *SLEEP).fails(125).err, refusal)


def test_ports_are_there_again_after_a_restart():
    with container("--name=web", "-p", "8080:80", *SLEEP):
        for act in (("restart", "-t", "0", "web"), ("kill", "web"), ("start", "web")):
            hull(*act).ok()
            if act[0] != "kill":
                with server("web", ECHO):
                    equal(ask(("127.0.0.1", 8080)), b"hello")
            else:
                check(refused(8080), "a stopped container has no port")


def test_a_service_that_listens_on_ipv6_alone_is_reached():
    with container("--name=web", "-p", "8080:80", "-p", "5353:53/udp", *SLEEP), server("web", ECHO, "six"), server("web", UDP_ECHO, "six"):
        equal(ask(("127.0.0.1", 8080)), b"hello")
        equal(ask_udp(("127.0.0.1", 5353)), b"hello")


def test_no_client_seems_to_be_the_container_s_own_host():
    """Services trust 127.0.0.1 and ::1 (CVE-2021-20199)."""
    with container("--name=web", "-p", "8080:80", "-p", "5353:53/udp", *SLEEP):
        for word, wanted in (("four", b"192.0.0.8"), ("six", b"100::1")):
            with server("web", WHO, word):
                for host in ("127.0.0.1", "::1"):
                    equal(ask((host, 8080)), wanted)
                    equal(ask_udp((host, 5353)), wanted)
        equal(hull("exec", "web", "ip", "-o", "addr").ok().out.count("192.0.0.8"), 0, "no interface has it")


def test_namespaces_of_every_kind_have_their_ports():
    hull("ns", "create", "net", "lab").ok()
    for flags in (("--net=none",), ("--net=ns:lab",), ("--userns=private",)):
        with container("--name=web", *flags, "-p", "8080:80", *SLEEP), server("web", ECHO):
            equal(ask(("127.0.0.1", 8080)), b"hello", flags)
    hull("ns", "rm", "lab").ok()


def test_with_few_descriptors_those_who_are_too_many_wait_their_turn():
    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
    with contextlib.ExitStack() as stack:
        hull("run", "-d", "--name=web", "-p", "8080:80", *SLEEP, preexec=few).ok()
        stack.callback(hull, "rm", "-f", "web")
        stack.enter_context(server("web", ECHO))
        peers = [socket.create_connection(("127.0.0.1", 8080), 10) for _ in range(150)]
        for peer in peers:
            peer.sendall(b"x")
        eventually(lambda: len(select.select(peers, [], [], 0)[0]) >= 50, what="the first are served")
        before = busy_ticks(forwarder("web"))
        time.sleep(0.5)
        served = select.select(peers, [], [], 0)[0]
        check(len(served) < 100 and busy_ticks(forwarder("web")) - before < 10, f"{len(served)} served, the others wait in peace")
        while peers:
            ready = select.select(peers, [], [], 10)[0]
            check(ready, f"{len(peers)} wait for ever")
            for peer in ready:
                equal(peer.recv(1), b"x")
                peer.close()
                peers.remove(peer)


def test_more_udp_peers_than_there_is_room_for_displace_the_oldest():
    with container("--name=dns", "-p", "127.0.0.1:5353:53/udp", *SLEEP), server("dns", UDP_ECHO):
        for _ in range(3):
            with contextlib.ExitStack() as stack:
                for _ in range(500):
                    peer = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
                    peer.connect(("127.0.0.1", 5353))
                    peer.settimeout(5)
                    peer.send(b"x")
                    peer.recv(100)
        with open(f"/proc/{forwarder('dns')}/smaps_rollup") as file:
            check(sum(int(line.split()[1]) for line in file if line.startswith("Private_")) < 500, "memory is bounded")
        check(len(os.listdir(f"/proc/{forwarder('dns')}/fd")) < 1050, "descriptors are bounded")
        equal(ask_udp(("127.0.0.1", 5353)), b"hello")


def test_each_direction_ends_by_itself_and_nothing_is_lost():
    """A client that has sent its end still gets the answer: 100 MiB there and back."""
    data = os.urandom(1 << 20) * 100
    with container("--name=web", "-p", "8080:80", *SLEEP), server("web", DIGEST):
        answer = ask(("127.0.0.1", 8080), data, 60)
    equal(answer[:64].decode(), hashlib.sha256(data).hexdigest(), "digest of what came inside")
    equal(hashlib.sha256(answer[64:]).hexdigest(), hashlib.sha256(data).hexdigest(), "digest of what came back")


def test_a_slow_reader_holds_the_sender_back_and_not_the_others():
    with container("--name=web", "-p", "8080:80", *SLEEP), server("web", ECHO):
        with socket.create_connection(("127.0.0.1", 8080)) as slow:
            slow.setblocking(False)
            sent, data = 0, bytes(1 << 16)
            while select.select([], [slow], [], 0.5)[1]:
                sent += slow.send(data)
            check(sent > 1 << 16, "something fits")
            equal(ask(("127.0.0.1", 8080)), b"hello")
            before = busy_ticks(forwarder("web"))
            time.sleep(0.5)  # it must not turn in circles meanwhile
            check(busy_ticks(forwarder("web")) - before < 10, "the forwarder waits")
            slow.setblocking(True)
            slow.settimeout(10)
            slow.shutdown(socket.SHUT_WR)
            got = 0
            while piece := slow.recv(1 << 20):
                got += len(piece)
            equal(got, sent)


def busy_ticks(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_a_reset_and_a_refusal_inside_reach_the_client():
    with container("--name=web", "-p", "8080:80", *SLEEP):
        for serve in (False, True):
            with server("web", RESET) if serve else contextlib.nullcontext():
                try:
                    ask(("127.0.0.1", 8080))
                    check(False, "nobody can have answered")
                except ConnectionResetError:
                    pass


def test_five_hundred_connections_at_once_in_little_memory():
    with container("--name=web", "-p", "8080:80", *SLEEP), server("web", ECHO):
        with contextlib.ExitStack() as stack:
            peers = [stack.enter_context(socket.create_connection(("127.0.0.1", 8080), 10)) for _ in range(500)]
            for number, peer in enumerate(peers):
                peer.sendall(b"%06d" % number)
            for number, peer in enumerate(peers):
                equal(peer.recv(6, socket.MSG_WAITALL), b"%06d" % number)
            with open(f"/proc/{forwarder('web')}/smaps_rollup") as file:
                private = sum(int(line.split()[1]) for line in file if line.startswith("Private_"))
            check(private < 300, f"{private} KiB private with 500 connections")
        eventually(lambda: len(os.listdir(f"/proc/{forwarder('web')}/fd")) < 20, what="all closed")
        equal(ask(("127.0.0.1", 8080)), b"hello")


def test_datagrams_of_each_peer_have_a_socket_of_their_own_and_answers_come_from_where_it_asked():
    with container("--name=dns", "-p", "5353:53/udp", *SLEEP), server("dns", UDP_ECHO):
        for host in ("127.0.0.1", "127.0.0.3", "::1"):
            equal(ask_udp((host, 5353)), b"hello")
        equal(ask_udp(("127.0.0.1", 5353), bytes(60000)), bytes(60000))
        with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as two:
            seen = []
            for peer in (one, two, one):
                peer.settimeout(5)
                peer.connect(("127.0.0.1", 5353))
                peer.send(b"x")
                seen.append(peer.recv(100))
            check(seen[0] == seen[2] != seen[1], f"one flow a peer: {seen}")


def test_the_forwarder_has_no_rights():
    with container("--name=web", "-p", "8080:80", *SLEEP):
        pid = forwarder("web")
        with open(f"/proc/{pid}/status") as file:
            status = {key: value.strip() for key, _, value in (line.partition(":") for line in file)}
        for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            equal(int(status[key], 16), 0, key)
        equal((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        equal(os.readlink(f"/proc/{pid}/ns/net"), os.readlink(f"/proc/{inspect('web', '{{.State.Pid}}')}/ns/net"))
        targets = sorted(os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0] for fd in os.listdir(f"/proc/{pid}/fd"))
        lock = os.path.join(environment()["HULL_RUN"], "containers", inspect("web", "{{.Id}}"), "ports")
        equal(targets, sorted(["/dev/null", "/dev/null", "anon_inode", "anon_inode", "socket", "socket", lock]))


def test_what_a_start_would_publish_is_said_beside_its_plan():
    for how, line in (("--dry-run", "      publish 127.0.0.1:8080 -> 80/tcp"), ("--teach", "# Beside this, hull-port would: publish 127.0.0.1:8080 -> 80/tcp")):
        with socket.create_server(("127.0.0.1", 8080)):
            contains(hull("run", how, "-p", "127.0.0.1:8080:80", *SLEEP).ok().out.splitlines(), line)


def test_the_port_is_free_when_the_command_that_ends_the_container_returns():
    for end in (("stop", "-t", "0", "web"), ("kill", "web"), ("rm", "-f", "web")):
        with container("--name=web", "-p", "8080:80", *SLEEP):
            hull(*end).ok()
            socket.create_server(("0.0.0.0", 8080)).close()
    hull("run", "--rm", "-p", "8080:80", "busybox", "true").ok()
    socket.create_server(("0.0.0.0", 8080)).close()


def test_whichever_process_is_killed_nothing_is_left():
    for victim in ("forwarder", "shim", "first"):
        with container("--name=web", "-p", "8080:80", *SLEEP), contextlib.ExitStack() as stack:
            port_pid = forwarder("web")
            path = os.path.join(environment()["HULL_RUN"], "containers", inspect("web", "{{.Id}}"), "run.json")
            with open(path) as file:
                run_record = json.load(file)
            os.kill({"forwarder": port_pid, "shim": run_record["ShimPid"], "first": run_record["Pid"]}[victim], signal.SIGKILL)
            if victim == "shim":
                stack.enter_context(server("web", ECHO))
                equal(ask(("127.0.0.1", 8080)), b"hello", "the port of a container without its shim")
                continue
            eventually(lambda: gone(port_pid), what=f"the end of hull-port after {victim}")
            check(refused(8080), victim)
            if victim == "forwarder":
                equal(inspect("web", "{{.State.Running}}"), "true", "the container goes on")
                hull("restart", "-t", "0", "web").ok()
                stack.enter_context(server("web", ECHO))
                equal(ask(("127.0.0.1", 8080)), b"hello")


def test_a_killed_forwarder_is_found_and_replaced_without_touching_the_container():
    with container("--name=web", "-p", "80", *SLEEP), server("web", ECHO):
        first, port = inspect("web", "{{.State.Pid}}"), port_of("web")
        os.kill(forwarder("web"), signal.SIGKILL)
        eventually(lambda: hull("ps", "--format", "{{.Ports}}").ok().line == "80/tcp", what="ports that are not served are not shown")
        contains(hull("ns", "doctor").fails(1).out, "its hull-port was killed")
        with socket.create_server(("127.0.0.1", port)):
            contains(hull("ns", "doctor", "--fix").fails().err, "port is already allocated")
        hull("ns", "doctor", "--fix").ok()
        equal((inspect("web", "{{.State.Pid}}"), port_of("web")), (first, port))
        equal(ask(("127.0.0.1", port)), b"hello")
        hull("ns", "doctor").ok().out_is("nothing is wrong\n")


def test_whoever_asks_for_a_published_port_is_told_the_container():
    with container("--name=web", "-p", "8080:80", *SLEEP):
        contains(hull("whois", ":8080").ok().out, "container web")
        contains(hull("whois", f"pid:{forwarder('web')}").ok().out, "container web")
        lacks(hull("map").ok().out, "hull-port")


def test_ports_without_the_calls_that_older_kernels_lack():
    for refused in (("pidfd_open", "pidfd_send_signal"), ("close_range",), ("clone3",)):
        with refusing(*refused), container("--name=web", "-p", "8080:80", *SLEEP), server("web", ECHO):
            equal(ask(("127.0.0.1", 8080)), b"hello")
            port_pid = forwarder("web")
            hull("stop", "-t", "0", "web").ok()
            check(gone(port_pid), f"without {refused}: hull-port is gone with the command")


def test_an_ordinary_user_publishes_a_port():
    root, home = busybox_rootfs(scratch("rootfs")), scratch("home")
    os.makedirs(home)
    for path in (home, root):
        run("chown", "-R", "1000:1000", path).ok()
    env = {"HULL_ROOT": f"{home}/root", "HULL_RUN": f"{home}/run", "HOME": home}
    program = readable_copy()
    run(program, "run", "-d", "--rm", "--name=web", "-p", "8080:80", "--rootfs", root, "sleep", "600", user=1000, env=env).ok()
    try:
        listed = json.loads(run(program, "inspect", "web", user=1000, env=env).ok().out)[0]
        with server_in(listed["State"]["Pid"], ECHO):
            equal(ask(("127.0.0.1", 8080)), b"hello")
        with open(f"{env['HULL_RUN']}/containers/{listed['Id']}/run.json") as record, open(f"/proc/{json.load(record)['PortPid']}/status") as status:
            equal({line.split()[1] for line in status if line.startswith("Cap")}, {"0" * 16}, "capabilities")
        contains(run(program, "run", "--rm", "-p", "81:80", "--rootfs", root, "true", user=1000, env=env).fails(125).err, "0.0.0.0:81/tcp: Permission denied")
    finally:
        run(program, "rm", "-f", "web", user=1000, env=env).ok()
    check(refused(8080), "nothing listens any more")


def test_the_forwarder_ends_with_a_container_that_nobody_waits_for():
    """Shim and first process are killed at once: no hull command runs, and yet nothing serves."""
    with container("--name=web", "-p", "8080:80", *SLEEP):
        port_pid = forwarder("web")
        path = os.path.join(environment()["HULL_RUN"], "containers", inspect("web", "{{.Id}}"), "run.json")
        with open(path) as file:
            run_record = json.load(file)
        os.kill(run_record["ShimPid"], signal.SIGKILL)
        os.kill(run_record["Pid"], signal.SIGKILL)
        eventually(lambda: gone(port_pid), what="the end of hull-port")
