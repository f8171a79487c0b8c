"""hull whois and hull owns: each kind of question, in both directions."""
import json
import os
import socket
import subprocess

from lib import ledger
from lib.hull import check, container, contains, equal, eventually, hull, hull_run, inspect, run, scratch

SERVE = ("busybox", "sh", "-c", "mkdir -p /www; echo hi > /www/index.html; exec httpd -f -p 8765 -h /www")


def pid_of(name):
    return int(inspect(name, "{{.State.Pid}}"))


def rows(*argv):
    return [json.loads(line) for line in hull(*argv, "--format", "json").ok().out.splitlines()]


def owners(question, kind=None):
    return {row["Owner"] for row in rows("whois", question) if kind in (None, row["Kind"])}


def values(facts, kind):
    return {row["Value"] for row in facts if row["Kind"] == kind}


def test_every_fact_that_owns_tells_is_answered_by_whois():
    with container("--name=db", "--hostname=dbhost", *SERVE), container("--name=other", "busybox", "sleep", "600"):
        eventually(lambda: hull("exec", "db", "wget", "-qO-", "http://127.0.0.1:8765").code == 0)
        run("nsenter", "--net", "--target", pid_of("db"), "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1").ok()
        run("nsenter", "--net", "--target", pid_of("db"), "ip", "address", "add", "10.77.0.5/24", "dev", "v0").ok()
        facts = rows("owns", "db")
        kinds = {row["Kind"] for row in facts}
        # beside them: names, threads and unix sockets below; ns-id and cgroup-id where the kernel has them
        equal({"container", "hostname", "pid", "inner-pid", "inode", "cgroup", "interface", "mac", "ip", "port", "socket", "mount-id", "overlay"} - kinds,
              set(), "kinds that owns does not tell")
        for kind in sorted(kinds):
            row = next(row for row in facts if row["Kind"] == kind)
            contains(owners(f"{kind}:{row['Value']}", kind), "container db", f"whois {kind}:{row['Value']}")
        check("container other" not in {row["Owner"] for row in facts}, "owns tells of one alone")
        upper = inspect("db", "{{.GraphDriver.Data.UpperDir}}")
        contains(values(facts, "overlay"), upper, "its own upper directory")
        check(upper not in values(rows("owns", "other"), "overlay"), "and nobody else's")


def test_a_veth_is_of_both_its_ends_and_loopback_addresses_are_found():
    with container("--name=db", "busybox", "sleep", "600"):
        pid = pid_of("db")
        run("ip", "link", "add", "vhost0", "type", "veth", "peer", "name", "vin0", "netns", str(pid)).ok()
        try:
            equal(owners("vhost0", "interface"), {"host", "container db"})
            equal(owners("vin0", "interface"), {"host", "container db"})
            contains(values(rows("owns", "db"), "interface"), "vhost0")
        finally:
            run("ip", "link", "delete", "vhost0").ok()
        for address in ("10.99.0.7/32", "fd00::7/128"):
            run("nsenter", "--net", "--target", pid, "ip", "address", "add", address, "dev", "lo").ok()
            equal(owners(address.split("/")[0], "ip"), {"container db"})
        hull("whois", "127.0.0.1").exits(1).one_line_error()


def test_the_host_answers_once_and_nobody_owns_what_he_shares_with_it():
    with container("--name=db", "--net=host", "--uts=host", "busybox", "sleep", "600"):
        inode = os.readlink("/proc/self/ns/net")
        equal([row["Owner"] for row in rows("whois", inode)], ["host"])
        equal([row["Owner"] for row in rows("whois", "interface:lo") if inode in row["Detail"]], ["host"])
        check(inode[5:-1] not in values(rows("owns", "db"), "inode"), "the host's net namespace is not db's")


def test_questions_as_people_ask_them():
    with container("--name=db", "--hostname=dbhost", *SERVE):
        pid = pid_of("db")
        eventually(lambda: hull("exec", "db", "wget", "-qO-", "http://127.0.0.1:8765").code == 0)
        in_net = ("nsenter", "--net", "--target", pid)
        run(*in_net, "ip", "link", "add", "v0", "address", "02:00:00:00:00:77", "type", "veth", "peer", "name", "v1").ok()
        run(*in_net, "ip", "address", "add", "10.77.0.5/24", "dev", "v0").ok()
        upper = inspect("db", "{{.GraphDriver.Data.UpperDir}}")
        group = open(f"/proc/{pid}/cgroup").read().splitlines()[0].split(":", 2)[2]
        mount = open(f"/proc/{pid}/mountinfo").read().split()[0]
        listening = next(line.split()[9] for line in open(f"/proc/{pid}/net/tcp6").read().splitlines()[1:]
                         + open(f"/proc/{pid}/net/tcp").read().splitlines()[1:] if line.split()[3] == "0A")
        for question in (pid, f"pid:{pid}", "db:1", os.readlink(f"/proc/{pid}/ns/net"), os.stat(f"/proc/{pid}/ns/uts").st_ino, "v0",
                         "02:00:00:00:00:77", "10.77.0.5", "10.77.0.5/24", ":8765", "8765/tcp", "port:8765", "dbhost", "db",
                         inspect("db", "{{.Id}}"), inspect("db", "{{.Id}}")[:12], group, f"/sys/fs/cgroup/pids{group}", f"mount-id:{mount}",
                         f"socket:[{listening}]", upper, f"{upper}/etc/passwd"):
            contains(owners(str(question)), "container db", f"whois {question}")
        hull("whois", "8765/udp").fails(1, "nobody's; looked for it as port").one_line_error()
        hull("stop", "-t", "0", "db").ok()
        contains(owners(upper), "container db", "a stopped container's directory")
        contains(owners(json.loads(inspect("db", "{{json .Namespaces}}"))["net"]["Inode"].__str__()), "container db (not running)", "a kept namespace")


def test_threads_sockets_and_processes_outside_of_containers():
    program = ("import socket,threading,time,sys; s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen();"
               "t=threading.Thread(target=time.sleep,args=(600,),daemon=True); t.start(); print(t.native_id, flush=True); time.sleep(600)")
    path = scratch("asked.sock")
    child = subprocess.Popen(["python3", "-c", program, path], stdout=subprocess.PIPE, text=True)
    ledger.KNOWN_CHILDREN.add(child.pid)
    try:
        tid = child.stdout.readline().strip()
        owner = f"process {child.pid} (python3)"
        contains(owners(f"tid:{tid}"), owner)
        contains(owners(tid, "tid"), owner)
        contains(owners(path), owner)
        contains(owners(str(child.pid), "pid"), owner)
        contains({row["Kind"] for row in rows("owns", owner)}, "unix")
    finally:
        child.kill()
        child.wait()
        ledger.KNOWN_CHILDREN.discard(child.pid)


def test_names_and_other_engines():
    hull("ns", "create", "net,pid", "lab").ok()
    contains(owners("lab"), "ns lab")
    contains(owners(str(os.stat(f"{hull_run()}/ns/lab/net").st_ino)), "ns lab")
    contains({row["Kind"] for row in rows("owns", "lab")}, "name")
    hull("ns", "rm", "lab").ok()
    tops = [line.split()[4] for line in open("/proc/self/mountinfo") if " - cgroup " in line and "pids" in line.rsplit(" - ", 1)[1]]
    identity = "ab" * 32
    os.makedirs(f"{tops[0]}/docker/{identity}")
    child = subprocess.Popen(["sh", "-c", f"echo $$ > {tops[0]}/docker/{identity}/cgroup.procs; echo in; exec sleep 600"], stdout=subprocess.PIPE)
    ledger.KNOWN_CHILDREN.add(child.pid)
    try:
        child.stdout.readline()
        equal(owners(f"pid:{child.pid}"), {"docker abababababab"})
        contains({row["Kind"] for row in rows("owns", "docker abababababab")}, "cgroup")
    finally:
        child.kill()
        child.wait()
        ledger.KNOWN_CHILDREN.discard(child.pid)
        os.rmdir(f"{tops[0]}/docker/{identity}")
        os.rmdir(f"{tops[0]}/docker")


def test_bad_questions():
    hull("whois", "").fails(1, "an empty question").one_line_error()
    hull("whois", "no-such-thing").fails(1, "nobody's; looked for it as container, name, hostname").one_line_error()
    hull("owns", "no-such-thing").fails(1, "no container, name or unit").one_line_error()
    hull("whois").exits(1)
    hull("whois", "pid:1", "--format", "{{.Owner}}").ok()


def test_a_namespace_by_its_path_and_a_container_by_its_short_id():
    with container("--name=db", "--net=none", "busybox", "sleep", "600"):
        pid, identity = inspect("db", "{{.State.Pid}}"), inspect("db", "{{.Id}}")
        for question in (f"/proc/{pid}/ns/net", "/run/netns/db", f"{hull_run()}/ns/@{identity}/net", identity[:12], identity[:6]):
            contains(hull("whois", question).ok().out, "db")
