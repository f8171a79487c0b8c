"""hull map: its JSON beside an oracle of readlink alone, its formats, its watching, and what it says of wrong use."""
import contextlib
import json
import os
import random
import re
import select
import stat
import subprocess

from lib import isolate
from lib.hull import (SPARE_UID, background, binary, check, container, contains, environment, equal, eventually, hull,
                      matches, run, scratch)

KINDS = ("user", "cgroup", "ipc", "uts", "net", "pid", "mnt", "time")
SLEEP = ("busybox", "sleep", "600")
PF_KTHREAD = 0x00200000


def oracle():
    """Of every live process of user space: which namespaces it is in; by readlink, and nothing of hull's."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            links = tuple(int(re.search(r"\d+", os.readlink(f"/proc/{pid}/ns/{kind}")).group()) for kind in KINDS)
            with open(f"/proc/{pid}/stat") as stat:
                flags = int(stat.read().rpartition(")")[2].split()[6])
        except (OSError, AttributeError):
            continue  # it ended, or is a zombie
        if not flags & PF_KTHREAD:
            found.setdefault(links, []).append(int(pid))
    return found


def parties_by_links(document):
    return {tuple(party["namespaces"][kind]["inode"] for kind in KINDS): party
            for party in document["parties"] if party["processes"]}


def expected_how(links, index, host, everyone):
    if links[index] == host[index]:
        return "host"
    return "shared" if sum(other[index] == links[index] for other in everyone) > 1 else "own"


def agree(document, found, host):
    drawn = parties_by_links(document)
    equal(set(drawn), set(found), "the parties")
    for links, pids in found.items():
        party = drawn[links]
        if links != host:  # among the host's processes is this hull
            equal((party["processes"], party["pid"]), (len(pids), min(pids)), party["name"])
        for index, kind in enumerate(KINDS):
            cell = party["namespaces"][kind]
            equal(cell["how"], expected_how(links, index, host, found), f"{party['name']}'s {kind}")
            if cell["how"] == "shared":
                with_whom = {drawn[other]["name"] for other in found if other[index] == links[index] and other != links}
                equal(set(cell["with"]), with_whom, f"who shares {kind} with {party['name']}")


def random_containers(dice, count):
    for number in range(count):
        targets = [f"c{n}" for n in range(number)]
        options = []
        for option in ("net", "ipc", "uts", "pid", "cgroupns"):
            choices = ["", "", f"--{option}=host"] + [f"--{option}=container:{dice.choice(targets)}" for _ in targets[:2]]
            if option == "ipc":
                choices = [choice for choice in choices if choice != "--ipc=host" or "--pid=host" not in options]
            options.append(dice.choice(choices))
        if not any(options) and dice.random() < 0.5:
            options.append("--ns=user=private")
        yield [f"--name=c{number}", *filter(None, options)]


def bare_process(dice):
    flags = dice.sample(["-n", "-u", "-i", "-C", "-T", "-U"], dice.randint(1, 4))
    return background("unshare", *flags, "sleep", "600")


def in_place(processes):
    eventually(lambda: all(open(f"/proc/{p.pid}/comm").read() == "sleep\n" for p in processes))


def test_thirty_topologies_equal_readlink():
    for seed in range(30):
        dice = random.Random(seed)
        names = []
        with contextlib.ExitStack() as stack:
            bare = [stack.enter_context(bare_process(dice)) for _ in range(dice.randint(0, 3))]
            stack.callback(lambda: hull("rm", "-f", *names).ok() if names else None)
            for options in random_containers(dice, dice.randint(1, 5)):
                hull("run", "-d", *options, *SLEEP).ok()
                names.append(options[0].partition("=")[2])
            in_place(bare)
            found = oracle()
            document = json.loads(hull("map", "--format=json").ok().out)
            host = tuple(int(re.search(r"\d+", os.readlink(f"/proc/1/ns/{kind}")).group()) for kind in KINDS)
            agree(document, found, host)


def test_the_reason_is_what_the_user_asked_for():
    with container("--name=db", *SLEEP), container("--name=web", "--net=container:db", *SLEEP), \
            container("--name=agent", "--pid=host", "--net=host", "--cap-add=SYS_PTRACE", *SLEEP):
        document = json.loads(hull("map", "--format=json").ok().out)
        rows = {party["name"]: party for party in document["parties"]}
        equal(rows["web"]["namespaces"]["net"]["reason"], "--net=container:db")
        equal(rows["web"]["namespaces"]["net"]["with"], ["db"])
        equal([mark["name"] for mark in rows["agent"]["marks"]], ["host pid + ptrace", "host net"])
        net = next(space for space in document["namespaces"] if space["inode"] == rows["db"]["namespaces"]["net"]["inode"])
        equal((net["name"], net["home"], net["parties"]), ("net of db", "db", ["db", "web"]))
        text = hull("map").ok().out
        matches(text, r"(?m)^web +A +own .*--net=container:db$")
        matches(text, r"(?m)^agent .*! host pid \+ ptrace, host net")
        contains(text, "net of db\n├─ db  made for it\n└─ web  --net=container:db\n")


def test_what_keeps_a_namespace_without_a_process_is_shown():
    with container("--name=db", *SLEEP):
        hull("run", "--name=old", "--net=container:db", "busybox", "true").ok()
        hull("ns", "create", "net,uts", "lab").ok()
        try:
            rows = {party["name"]: party for party in json.loads(hull("map", "--format=json").ok().out)["parties"]}
            equal((rows["old"]["detail"], rows["old"]["processes"]), ("exited", 0))
            equal(rows["old"]["namespaces"]["net"]["with"], ["db"])
            equal((rows["lab"]["type"], set(rows["lab"]["namespaces"])), ("name", {"net", "uts"}))
        finally:
            hull("ns", "rm", "lab").ok()
            hull("rm", "old").ok()


def test_other_engines_containers_and_units_are_named_by_their_cgroup():
    """As podman and systemd lay out cgroups; the engines themselves are in conformance/."""
    names = {"/machine.slice/libpod-" + "ab" * 32 + ".scope": ("podman abababababab", "engine"),
             "/docker/" + "cd" * 32: ("docker cdcdcdcdcdcd", "engine"),
             "/system.slice/web.service": (None, "process")}
    tops = [top for top in isolate.hierarchies() if top.endswith(("/systemd", "/cgroup"))]
    made = [top + path for top in tops for path in names]
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: isolate.remove_cgroups([group.rpartition("/")[0] for group in made]))
        stack.callback(lambda: isolate.remove_cgroups(made))
        for path, (name, kind) in names.items():
            child = stack.enter_context(background("unshare", "--net", "sleep", "60"))
            in_place([child])
            for top in tops:
                os.makedirs(top + path, exist_ok=True)
                with open(f"{top}{path}/cgroup.procs", "w") as group:
                    group.write(str(child.pid))
            rows = {party["pid"]: party for party in json.loads(hull("map", "--format=json").ok().out)["parties"]}
            equal((rows[child.pid]["name"], rows[child.pid]["type"]), (name or f"sleep ({child.pid})", kind))
            if name is None:
                equal(rows[child.pid]["detail"], "unit web.service")


def test_graphviz_reads_the_graph():
    with container("--name=db", *SLEEP), container("--name=web", "--net=container:db", *SLEEP):
        hull("map", "--format=dot", "-o", f"{scratch()}/map.dot").ok()
        drawn = run("dot", "-Tplain", f"{scratch()}/map.dot").ok().out
        matches(drawn, r'(?m)^edge \S+ g0 .*"?--net=container:db')
        mermaid = hull("map", "--format=mermaid").ok().out
        matches(mermaid, r'\Aflowchart LR\n  p0\["host"\]\n')
        matches(mermaid, r'(?m)^  p\d ---\|"--net=container:db"\| g0$')


def test_watch_shows_a_change_and_ends_with_its_reader():
    reader, writer = os.pipe()
    watching = subprocess.Popen([binary(), "map", "--watch", "--format=matrix"], stdout=writer, env=environment())
    os.close(writer)
    text = ""

    def seen(word):
        nonlocal text
        if select.select([reader], [], [], 0.1)[0]:
            text += os.read(reader, 65536).decode()
        return word in text

    try:
        eventually(lambda: seen("host"))
        with container("--name=late", *SLEEP):
            eventually(lambda: seen("late"))
    finally:
        os.close(reader)
    eventually(lambda: watching.poll() is not None)


def test_an_ordinary_user_sees_what_he_may():
    document = json.loads(hull("map", "--format=json", user=SPARE_UID).ok().out)
    equal(document["parties"][0]["type"], "host")


def test_wrong_use_is_told_in_a_line():
    hull("map", "--format=png").fails(1, "hull map: unknown format 'png'; use matrix, tree, svg, html, dot, mermaid or json")
    hull("map", "--interval=0").fails(1, "hull map: --interval 0: seconds from 1 to 86400 are accepted")
    hull("map", "-o", "/no/such/map.svg", "--format=svg").fails(1, "/no/such")
    hull("map", "x").fails(1)


def test_output_goes_where_it_is_told_and_nothing_else_is_harmed():
    device, link, target = scratch("full"), scratch("link"), scratch("target")
    os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 7))
    os.symlink(target, link)
    hull("map", "--format=json", "-o", device).fails(1, "No space left on device")
    check(stat.S_ISCHR(os.stat(device).st_mode), "the device is a device")
    hull("map", "--format=json", "-o", link).ok()
    check(os.path.islink(link), "the link is a link")
    with open(target) as file:
        json.load(file)
