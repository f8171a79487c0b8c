"""Starts and restarts of those who share while the other ends, is removed, or has lost something: right, or refused before
anything was stopped."""
import os
import shutil
import signal
import subprocess

from lib import isolate
from lib.hull import binary, check, contains, environment, equal, eventually, hull, hull_root, hull_run, inspect, log, scratch, sh

KEPT = ("busybox", "sleep", "600")


def start(name, *options):
    hull("run", "-d", f"--name={name}", *options, *KEPT).ok()


def pid(name):
    return int(inspect(name, "{{.State.Pid}}"))


def net(name):
    return os.readlink(f"/proc/{pid(name)}/ns/net")


def beside(*commands):
    """Runs hull's commands at once; the first one's (code, error)."""
    children = [subprocess.Popen([binary(), *words], env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                for words in commands]
    ends = [child.communicate(timeout=60) for child in children]
    return children[0].returncode, ends[0][1].strip()


def rounds(count, *commands, again):
    failed = []
    for _ in range(count):
        code, said = beside(*commands)
        if code != 0:
            failed.append(said)
        again()
    log(f"{count - len(failed)} of {count} started")
    equal(failed, [], "failed starts")


def test_a_sharer_starts_while_its_target_is_killed():
    start("db")
    start("web", "--net=container:db")
    hull("stop", "-t", "0", "web").ok()

    def again():
        hull("start", "db").ok()
        equal(net("web"), net("db"))
        hull("stop", "-t", "0", "web").ok()
    rounds(12, ("start", "web"), ("kill", "db"), again=again)
    hull("rm", "-f", "web", "db").ok()


def test_a_sharer_starts_while_its_target_is_removed():
    start("db")
    start("web", "--net=container:db")
    hull("stop", "-t", "0", "web").ok()

    def again():
        start("db")
        equal(net("web"), net("db"))
        hull("stop", "-t", "0", "web").ok()
    rounds(12, ("start", "web"), ("rm", "-f", "db"), again=again)
    hull("rm", "-f", "web", "db").ok()


def test_mutual_sharers_restart_at_once():
    names = ("aa", "bb", "cc", "dd")
    for name in names:
        start(name, *([f"--net=container:{names[0]}"] if name != names[0] else []), *(["--ipc=container:bb"] if name in ("cc", "dd") else []))
    rounds(6, *(("restart", "-t", "0", name) for name in names), again=lambda: [hull("start", name).ok() for name in names])
    equal(len({net(name) for name in names}), 1)
    hull("rm", "-f", *names).ok()


def test_a_restart_that_would_be_refused_leaves_it_running():
    hull("ns", "create", "net", "lab").ok()
    start("cc", "--ns", "net=lab")
    before = pid("cc")
    hull("ns", "rm", "-f", "lab").ok()
    check(hull("restart", "-t", "0", "cc").code != 0, "the restart is refused")
    equal(pid("cc"), before)
    hull("rm", "-f", "cc").ok()


def test_a_group_that_somebody_removed_is_made_anew():
    start("st")
    inode = net("st")
    hull("stop", "-t", "0", "st").ok()
    identity = inspect("st", "{{.Id}}")
    isolate.remove_cgroups([f"{top}/hull/{identity}" for top in isolate.hierarchies()])
    result = hull("start", "st").ok()
    contains(result.err, "is made anew")
    equal(net("st"), inode)
    for _ in range(2):
        hull("restart", "-t", "0", "st").ok()
    hull("exec", "st", "true").ok()
    hull("rm", "-f", "st").ok()


def test_a_start_after_shim_and_process_were_killed():
    start("db")
    for _ in range(8):
        process = pid("db")
        with open(f"/proc/{process}/stat") as stat:
            shim = int(stat.read().rsplit(")", 1)[1].split()[1])
        os.kill(shim, signal.SIGKILL)
        os.kill(process, signal.SIGKILL)
        hull("start", "db").ok()
        equal(inspect("db", "{{.State.Status}}"), "running")
    hull("rm", "-f", "db").ok()


def test_a_caller_whose_group_was_once_killed():
    for top in isolate.hierarchies():
        if os.path.exists(f"{top}/cgroup.controllers"):
            group = f"{top}/hull/once-killed"
            os.mkdir(group)
            with open(f"{group}/cgroup.kill", "w") as file:
                file.write("1")
            try:
                sh(f"echo $$ > {group}/cgroup.procs; exec {binary()} run --rm --net=none busybox echo started").ok().out_is("started\n")
            finally:
                eventually(lambda: isolate.remove_cgroups([group]) or not os.path.exists(group))


def test_one_with_another_s_processes_starts_again_and_again():
    start("hp", "--pid=host")
    start("db")
    start("ps", "--pid=container:db")
    for _ in range(3):
        hull("restart", "-t", "0", "hp").ok()
        hull("restart", "-t", "0", "ps").ok()
        hull("exec", "hp", "true").ok()
    hull("kill", "hp").ok()
    hull("start", "hp").ok()
    hull("rm", "-f", "hp", "ps", "db").ok()


def test_the_hostname_is_the_network_s():
    start("db", "--hostname=dbhost")
    start("web", "--net=container:db")
    start("own", "--net=container:db", "--hostname=webhost")
    equal(hull("exec", "web", "sh", "-c", "hostname; cat /etc/hostname").ok().out, "dbhost\ndbhost\n")
    said = hull("exec", "own", "sh", "-c", "hostname; cat /etc/hostname; grep -c -E 'webhost|dbhost' /etc/hosts").ok().out
    equal(said, "webhost\nwebhost\n2\n")
    hull("rm", "-f", "own", "web", "db").ok()


def test_doctor_leaves_the_files_of_a_process_whose_record_is_gone():
    start("db")
    identity, process = inspect("db", "{{.Id}}"), pid("db")
    shutil.move(f"{hull_root()}/containers/{identity}", scratch("away"))
    try:
        contains(hull("ns", "doctor", "--fix").exits(1).out, "unrecorded-process")
        check(os.path.exists(f"/proc/{process}/root/bin/busybox"), "its root is whole")
    finally:
        shutil.move(scratch("away"), f"{hull_root()}/containers/{identity}")
    contains(hull("ns", "doctor", "--fix").ok().out, "lost-name")
    hull("ns", "doctor").ok()
    equal(pid("db"), process)
    hull("rm", "-f", "db").ok()


def test_doctor_names_what_it_cannot_mend():
    start("db")
    identity, process = inspect("db", "{{.Id}}"), pid("db")
    for path in (f"{hull_run()}/containers/{identity}/run.json", f"{hull_root()}/containers/{identity}/config.json"):
        os.rename(path, scratch("kept"))
        with open(path, "w") as file:
            file.write("{")
        result = hull("ns", "doctor", "--fix").exits(1)
        check("unrecorded-process" in result.out or "damaged-record" in result.out, result.out)
        contains(result.out, "for you to decide")
        os.rename(scratch("kept"), path)
    hull("ns", "doctor").ok()
    equal(pid("db"), process)
    hull("rm", "-f", "db").ok()
