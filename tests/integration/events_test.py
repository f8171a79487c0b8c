"""hull events: what is told of each command, filters, times, following, and what no kill or full disk may spoil."""
import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import time

from lib.hull import (background, binary, check, container, contains, environment, equal, eventually, hull, hull_root, hull_run,
                      inspect, matches, run)

SLEEP = ("busybox", "sleep", "600")


def past(*filters, since="1h"):
    """All events so far that pass, as JSON."""
    options = [word for text in filters for word in ("--filter", text)]
    out = hull("events", "--since", since, "--until", "0s", "--format=json", *options).ok().out
    return [json.loads(line) for line in out.splitlines()]


def actions(*filters):
    return [event["Action"] for event in past(*filters)]


def attributes(event):
    return event["Actor"]["Attributes"]


def test_a_kind_that_does_not_exist_is_refused():
    hull("events", "--since=0", "--until=1", "--filter=kind=nett").exits(1).one_line_error().err_contains("use mnt, uts, ipc, net, pid, user, cgroup or time")


def test_a_containers_life_is_told_in_dockers_words():
    hull("run", "-d", "--name=db", "--label=tier=data", *SLEEP).ok()
    hull("pause", "db").ok()
    hull("unpause", "db").ok()
    hull("exec", "db", "true").ok()
    hull("rename", "db", "store").ok()
    hull("restart", "-t", "0", "store").ok()
    hull("stop", "-t", "0", "store").ok()
    hull("rm", "store").ok()
    told = past("type=container")
    equal([event["Action"] for event in told],
          ["create", "start", "pause", "unpause", "exec_create: true", "exec_start: true", "exec_die", "rename",
           "kill", "kill", "die", "stop", "start", "restart", "kill", "kill", "die", "stop", "destroy"])
    check(all(event["Actor"]["ID"] == told[0]["Actor"]["ID"] for event in told), "one container")
    check(all(attributes(event)["tier"] == "data" and attributes(event)["image"] == "busybox" for event in told), told[0])
    equal([attributes(e)["signal"] for e in told if e["Action"] == "kill"], ["15", "9", "15", "9"])
    equal([attributes(e).get("exitCode") for e in told if e["Action"] in ("die", "exec_die")], ["0", "137", "137"])
    equal(attributes(told[7]), {"image": "busybox", "name": "store", "oldName": "/db", "tier": "data"})
    times = [event["timeNano"] for event in told]
    equal(times, sorted(times), "in the order of their times")


def test_a_foreground_run_and_a_command_that_is_missing():
    hull("run", "--rm", "busybox", "sh", "-c", "exit 3").exits(3)
    equal(actions(), ["create", "attach", "start", "die", "destroy"])
    equal([attributes(e)["exitCode"] for e in past("event=die")], ["3"])
    hull("run", "--name=wrong-command", "busybox", "nosuch").exits(127)
    equal([(e["Action"], attributes(e).get("exitCode")) for e in past("container=wrong-command")], [("create", None), ("die", "127")])
    hull("rm", "wrong-command").ok()


def test_an_end_that_no_command_saw_is_told_once():
    hull("run", "-d", "--name=db", *SLEEP).ok()
    os.kill(int(inspect("db", "{{.State.Pid}}")), signal.SIGKILL)
    eventually(lambda: actions("container=db", "event=die") == ["die"], what="the shim's clean-up tells of it")
    equal(attributes(past("event=die")[0])["exitCode"], "137")
    hull("ps", "-a").ok()
    hull("rm", "db").ok()
    equal(actions("container=db", "event=die"), ["die"])


def test_an_oom_kill_is_told():
    hull("run", "--name=hog", "-m", "16m", "busybox", "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1").exits(137)
    equal(actions("container=hog", "event=oom", "event=die"), ["oom", "die"])
    hull("rm", "hog").ok()


def test_namespaces_are_told_of_from_making_to_death():
    hull("run", "-d", "--name=db", *SLEEP).ok()
    inode = os.stat(f"/proc/{inspect('db', '{{.State.Pid}}')}/ns/net").st_ino
    hull("run", "-d", "--name=web", "--net=container:db", *SLEEP).ok()
    hull("rm", "-f", "db").ok()
    hull("run", "-d", "--name=db", *SLEEP).ok()
    hull("rm", "-f", "db", "web").ok()
    told = [(e["Action"], attributes(e)["container"]) for e in past(f"namespace={inode}")]
    equal(told, [("created", "db"), ("joined", "web"), ("orphaned", "db"), ("joined", "db"), ("orphaned", "db"), ("died", "web")])
    equal({attributes(e)["kind"] for e in past("event=created", "container=db")}, {"net", "ipc", "uts", "cgroup"})


def test_names_are_told_of():
    hull("ns", "create", "net,uts", "lab", "--label", "team=x").ok()
    hull("run", "--rm", "--name=user", "--net=ns:lab", "busybox", "true").ok()
    with container("--name=db", *SLEEP):
        hull("ns", "pin", "db", "--ipc", "kept").ok()
        hull("ns", "rename", "lab", "lab2").ok()
        hull("ns", "rm", "lab2").ok()
        hull("ns", "unpin", "kept", "--ipc").ok()
    told = [(e["Action"], attributes(e)["kind"], attributes(e).get("name", attributes(e).get("container")))
            for e in past("type=namespace", "kind=net", "kind=ipc") if attributes(e).get("container") != "db"]
    equal(told, [("created", "net", "lab"), ("joined", "net", "user"), ("pinned", "ipc", "kept"), ("renamed", "net", "lab2"),
                 ("unpinned", "net", "lab2"), ("died", "net", "lab2"), ("unpinned", "ipc", "kept")])
    equal(attributes(past("event=created", "namespace=lab")[0])["team"], "x")


def test_images_are_told_of():
    with open("/dev/null", "rb"):
        tree = subprocess.run(["tar", "-c", "-C", "/etc", "hostname"], stdout=subprocess.PIPE, check=True).stdout
    image = hull("import", "-", "mine:1", input=tree, text=False).ok().out.decode().strip()
    hull("rmi", "mine:1").ok()
    equal([e["Action"] for e in past("type=image")], ["import", "untag", "delete"])
    equal(past("event=import")[0]["id"], image)


def test_the_line_is_dockers():
    hull("run", "--rm", "--name=web", "busybox", "true").ok()
    out = hull("events", "--since=1h", "--until=0s", "-f", "event=die", env={"TZ": "UTC"}).ok().out
    matches(out, r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z container die [0-9a-f]{64} \(exitCode=0, image=busybox, name=web\)\n\Z")
    east = hull("events", "--since=1h", "--until=0s", "-f", "event=die", env={"TZ": "XST-1"}).ok().out
    matches(east, r"\A\S+\.\d{9}\+01:00 container die ")
    hull("events", "--since=1h", "--until=0s", "-f", "event=die", "--format",
         "{{.Type}} {{.Status}} {{.Actor.Attributes.name}} {{.From}}").ok().out_is("container die web busybox\n")


def test_times_are_of_the_zone_that_date_has():
    hull("run", "--rm", "--net=none", "busybox", "true").ok()
    for zone in ("UTC", "Europe/Paris", ":Asia/Kathmandu", "EST5EDT", "PST8PDT", "CET-1CEST", "CET-1CEST,M3.5.0,M10.5.0/3", "<+0330>-3:30", "no/such", ""):
        line = hull("events", "--since=1h", "--until=0s", "-f", "event=die", env={"TZ": zone}).ok().out
        stamp, rest = line[:19], line[29:].split()[0]
        second = run("date", "--date", stamp + (rest if rest != "Z" else "+00:00"), "+%Y-%m-%dT%H:%M:%S %:z", env={"TZ": zone}).ok().out.split()
        equal([stamp, rest.replace("Z", "+00:00")], second, zone)


def test_times_cut_the_log():
    hull("run", "--rm", "--name=one", "busybox", "true").ok()
    time.sleep(0.05)
    middle = f"{time.time():.6f}"
    time.sleep(0.05)
    hull("run", "--rm", "--name=two", "busybox", "true").ok()
    names = lambda *window: {attributes(json.loads(line))["name"]  # noqa: E731
                             for line in hull("events", "--format=json", *window).ok().out.splitlines()}
    equal(names("--since", middle, "--until", "0s"), {"two"})
    equal(names("--since", "1h", "--until", middle), {"one"})
    equal(names("--until", middle), {"one"})
    equal(names("--since", "1h", "--until", f"{time.time() + 0.3:.3f}"), {"one", "two"})


@contextlib.contextmanager
def following(*options):
    with background(binary(), "events", "--format=json", *options) as child:
        os.set_blocking(child.stdout.fileno(), False)
        yield child


def test_following_tells_at_once_and_through_a_rotation():
    with following() as child:
        events = []

        def seen(name, action):
            events.extend(json.loads(line) for line in (child.stdout.read() or b"").splitlines())
            return any(e["Action"] == action and attributes(e)["name"] == name for e in events)

        def started():
            hull("run", "--rm", "--name=early", "busybox", "true").ok()
            return seen("early", "destroy")
        eventually(started)
        os.rename(f"{hull_root()}/events.log", f"{hull_root()}/events.log.1")
        hull("run", "--rm", "--name=later", "busybox", "true").ok()
        eventually(lambda: seen("later", "destroy"))
        equal([e["Action"] for e in events if attributes(e)["name"] == "later"], ["create", "attach", "start", "die", "destroy"])


def test_following_ends_with_its_reader():
    reader, writer = os.pipe()
    child = subprocess.Popen([binary(), "events"], stdout=writer, env=environment())
    os.close(writer)
    os.close(reader)
    eventually(lambda: child.poll() is not None)


def test_the_log_outlives_the_runtime_directory():
    hull("run", "--rm", "--name=before", "busybox", "true").ok()
    shutil.rmtree(f"{hull_run()}/containers")
    hull("run", "--rm", "--name=after", "busybox", "true").ok()
    equal([attributes(e)["name"] for e in past("event=start")], ["before", "after"])


def test_fifty_writers_at_once_give_whole_lines():
    runs = [subprocess.Popen([binary(), "run", "--rm", f"--name=n{number}", "busybox", "true"], env=environment()) for number in range(50)]
    for child in runs:
        equal(child.wait(60), 0)
    told = past()
    equal(len(told), 250)
    for number in range(50):
        equal([e["Action"] for e in told if attributes(e)["name"] == f"n{number}"], ["create", "attach", "start", "die", "destroy"])


def test_a_log_that_cannot_be_written_stops_nothing():
    os.makedirs(hull_root(), mode=0o700, exist_ok=True)
    os.symlink("/etc/hostname", f"{hull_root()}/events.log")
    before = open("/etc/hostname").read()
    hull("run", "--rm", "busybox", "echo", "works").ok().out_is("works\n")
    equal(open("/etc/hostname").read(), before)
    os.unlink(f"{hull_root()}/events.log")


def test_hostile_text_is_shown_not_obeyed():
    hull("run", "--rm", "--label=x=\x1b[31mred\nnewline", "busybox", "true").ok()
    out = hull("events", "--since=1h", "--until=0s").ok().out
    check("\x1b" not in out and len(out.splitlines()) == 5, repr(out))
    equal(attributes(past("event=die")[0])["x"], "\x1b[31mred\nnewline")


def test_wrong_use_is_told_in_a_line():
    hull("events", "--until=0s", "-f", "colour=red").fails(1, "invalid filter 'colour'; use container, event,")
    hull("events", "--until=0s", "-f", "container").fails(1, "write KEY=VALUE")
    hull("events", "--since=yesterday").fails(1, 'failed to parse value as time or duration: "yesterday"')
    hull("events", "--until=0s", "--format={{").fails(1, "template")
