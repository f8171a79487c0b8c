"""Known container escapes, replayed against `hull oci` with hostile bundles. Where Debian's crun or runc are installed the
same attack is run on them, and the log says whether it succeeds there: a replay that no runtime ever fell to proves little.
"""
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import threading

from lib.bundle import CAPS, bundle, command, container, oci, quiet_oci, rootfs
from lib.hull import Terminal, binary, check, compiled, contains, environment, equal, eventually, lacks, log, scratch

SECRET = "the host's secret"


def canary():
    """A directory of the host with one file, of which no container may read, change or add a thing."""
    path = scratch("canary")
    os.makedirs(path, exist_ok=True)
    with open(f"{path}/secret", "w") as file:
        file.write(SECRET)
    return path


def fingerprint(path):
    found = []
    for folder, folders, files in os.walk(path):
        for name in sorted(folders + files):
            status = os.lstat(f"{folder}/{name}")
            content = open(f"{folder}/{name}").read() if stat.S_ISREG(status.st_mode) else ""
            found.append((folder, name, status.st_mode, status.st_uid, status.st_size, content))
    return found


def hostile_root(name, **links):
    """A root of its own, where each of `links` (dev="/x") is a symbolic link in place of the directory."""
    path = scratch(f"root-{name}")
    if not os.path.isdir(path):
        shutil.copytree(rootfs(), path, symlinks=True)
    for where, target in links.items():
        place = f"{path}/{where}"
        if os.path.islink(place):
            os.unlink(place)
        elif os.path.isdir(place):
            os.rmdir(place)
        os.symlink(target, place)
    return path


def peers():
    return [name for name in ("crun", "runc") if shutil.which(name)]


def attempt(*patches, runtime="hull", script="true"):
    path = bundle({"process": {"args": ["/bin/sh", "-c", script]}}, *patches)
    return oci("run", "-b", path, os.path.basename(path), runtime=runtime)


def replay(what, attack):
    """`attack(runtime)` says how it got out, or nothing. hull holds; what the peers do goes to the log."""
    for runtime in peers():
        try:
            outcome = attack(runtime)
        except AssertionError as error:
            outcome = f"not told ({str(error).splitlines()[0]})"
        log(f"{what}: {runtime} {'FELL: ' + outcome if outcome else 'held'}")
    outcome = attack("hull")
    check(not outcome, f"{what}: {outcome}")


def test_a_working_directory_through_a_leaked_descriptor():
    """CVE-2024-21626: cwd=/proc/self/fd/N, N a directory of the host that the runtime left open."""
    secret = f"{canary()}/secret"

    def attack(runtime):
        for number in range(3, 16):
            seen = attempt({"process": {"cwd": f"/proc/self/fd/{number}"}}, runtime=runtime, script=f"cat ../../../../../../../../..{secret} .{secret}")
            if SECRET in seen.out:
                return f"descriptor {number}: {seen.out!r}"
        return None
    replay("cwd through a descriptor", attack)
    with container() as name:
        for number in range(3, 16):
            for argv in (("--cwd", f"/proc/self/fd/{number}", name, "/bin/cat", f"../../../../../../..{secret}"), (name, f"/proc/self/fd/{number}{secret}")):
                lacks(oci("exec", *argv).out, SECRET)


def test_no_descriptor_of_the_host_is_inherited():
    program = compiled("security/escape.c", "-static")
    shutil.copy(program, f"{rootfs()}/bin/escape")
    with open("/etc/hostname") as ours:
        os.set_inheritable(ours.fileno(), True)
        equal(attempt(script="escape descriptors").ok().out, "held descriptors: none\n")
        with container() as name:
            equal(oci("exec", name, "/bin/escape", "descriptors").ok().out, "held descriptors: none\n")


def test_the_runtime_s_binary_cannot_be_overwritten():
    """CVE-2019-5736: whoever is in the container when the runtime enters opens /proc/PID/exe of it."""
    def digest():
        with open(binary(), "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    before = digest()
    loop = "while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || (echo x >> $p/exe) 2>/dev/null; done; done"
    with container({"process": {"args": ["/bin/sh", "-c", loop]}}) as name:
        for _ in range(40):
            oci("exec", name, "/bin/true")
            oci("exec", name, "/proc/self/exe", "true")
    equal(digest(), before)


def test_a_hook_has_nothing_of_the_image():
    """CVE-2025-23266: the image's environment and directory reached a hook that runs as the host's root."""
    out = scratch("hook-out")
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"(env; pwd; ls -l /proc/self/fd) > {out}"], "env": ["ONLY=this"]}
    attempt({"process": {"env": ["PATH=/bin", "LD_PRELOAD=./x.so", "BASH_ENV=x", "GCONV_PATH=."]}, "hooks": {"createRuntime": [hook], "createContainer": []}}).ok()
    with open(out) as file:
        seen = file.read()
    contains(seen, "ONLY=this")
    for word in ("LD_PRELOAD", "BASH_ENV", "GCONV_PATH", scratch("oci-rootfs")):
        lacks(seen, word)


def test_dev_is_a_link_to_the_host():
    """CVE-2026-41579, CVE-2026-47766: nodes and links are made where the image's /dev points."""
    place = canary()
    before = fingerprint(place)

    def attack(runtime):
        for number, target in enumerate((place, f"../../../../../../../..{place}", f"/proc/self/root{place}", "/link2")):
            root = hostile_root(f"dev{number}-{runtime}", dev=target)
            if target == "/link2":
                os.path.islink(f"{root}/link2") or os.symlink(place, f"{root}/link2")
            for mounts in (None, []):
                attempt({"root": {"path": root}}, {"mounts": mounts} if mounts is not None else {}, runtime=runtime)
                if fingerprint(place) != before:
                    for name in set(os.listdir(place)) - {"secret"}:
                        path = f"{place}/{name}"
                        shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
                    return f"/dev -> {target} changed the host"
        return None
    replay("/dev is a link", attack)


def test_masks_are_not_taken_from_the_container():
    """CVE-2025-31133: /dev/null is a link, and what covers a masked path is the file it points at."""
    place = canary()
    devices = scratch("devices")
    os.makedirs(devices, exist_ok=True)
    if not os.path.lexists(f"{devices}/null"):
        os.symlink(f"{place}/secret", f"{devices}/null")
    before = fingerprint(place)
    patch = {"mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}, {"destination": "/dev", "type": "bind", "source": devices, "options": ["rbind"]}],
             "linux": {"maskedPaths": ["/proc/timer_list", "/proc/keys"]}}

    def attack(runtime):
        seen = attempt(patch, runtime=runtime, script="cat /proc/timer_list /proc/keys 2>&1; echo more > /proc/keys")
        return f"{seen.out!r}" if SECRET in seen.out or "Timer List" in seen.out or fingerprint(place) != before else None
    replay("/dev/null is a link", attack)


def test_a_false_proc_gets_no_setting():
    """CVE-2019-16884, CVE-2025-52881: /proc is a link or a tmpfs, and what is to protect lands in an ordinary file."""
    for number, patch in enumerate(({"mounts": [{"destination": "/proc", "type": "tmpfs", "source": "tmpfs"}]},
                                    {"root": {"path": hostile_root("proc", proc="/tmp/fake")}},
                                    {"mounts": [{"destination": "/proc", "type": "bind", "source": scratch(), "options": ["rbind"]}]})):
        os.makedirs(f"{hostile_root('proc')}/tmp/fake/sys/kernel", exist_ok=True)
        fake = f"{hostile_root('proc')}/tmp/fake/sys/kernel/domainname"
        with open(fake, "w") as file:
            file.write("untouched")
        seen = attempt(patch, {"linux": {"sysctl": {"kernel.domainname": "written"}}}, script="cat /proc/sys/kernel/domainname")
        with open(fake) as file:
            equal(file.read(), "untouched", f"case {number}")
        check(seen.code != 0 or seen.out == "written\n", f"case {number}: it ran without its setting: {seen}")


def test_mount_points_through_links_stay_inside():
    """CVE-2015-3629, CVE-2024-45310, CVE-2021-30465: directories made, or mounts put, where a link of the image leads."""
    place = canary()
    before = fingerprint(place)
    source = scratch("volume")
    os.makedirs(source, exist_ok=True)

    def attack(runtime):
        root = hostile_root(f"links-{runtime}", link=place, up=f"../../../../../../..{place}")
        for destination in ("/link/made", "/link", "/up/made/deep", "/link/../link/x"):
            attempt({"root": {"path": root}}, lambda c, d=destination: c["mounts"].append({"destination": d, "type": "bind", "source": source, "options": ["rbind"]}),
                    {"process": {"cwd": "/link/work"}}, runtime=runtime)
            if fingerprint(place) != before:
                return f"{destination} changed the host"
        return None
    replay("a mount point through a link", attack)


def test_proc_is_no_place_for_a_mount():
    """CVE-2015-3631, CVE-2019-16884."""
    for destination in ("/proc/self", "/proc/sys", "/proc/sys/kernel", "//proc//sys", "/proc/../proc/self", "/proc/1", "/proc/sysrq-trigger", "/proc/self/attr"):
        seen = attempt(lambda c, d=destination: c["mounts"].append({"destination": d, "type": "bind", "source": scratch(), "options": ["rbind"]}))
        check(seen.code != 0, f"{destination}: mounted")
        contains(seen.err, "/proc")


def test_what_is_read_only_was_never_writable():
    """CVE-2026-115521: a remount that comes late, or not at all."""
    source = scratch("ro-volume")
    os.makedirs(f"{source}/below", exist_ok=True)
    writes = "for f in / /v /v/below /etc; do (echo x > $f/probe) 2>/dev/null && echo wrote $f; done; echo done"
    seen = attempt({"root": {"readonly": True}}, lambda c: c["mounts"].append({"destination": "/v", "type": "bind", "source": source, "options": ["rbind", "rro"]}), script=writes)
    seen.ok().out_is("done\n")


def test_a_mount_inside_stays_inside():
    def table():
        with open("/proc/self/mountinfo") as file:
            return [line.split()[4] for line in file]
    before = table()
    admin = {bits: CAPS + ["CAP_SYS_ADMIN"] for bits in ("bounding", "effective", "permitted")}
    attempt({"process": {"capabilities": admin}}, script="mount -t tmpfs x /tmp && mount --make-rshared / && mount -t tmpfs y /var && echo mounted").ok().out_is("mounted\n")
    equal(table(), before)


def test_old_ways_out_of_a_root():
    program = compiled("security/escape.c", "-static")
    shutil.copy(program, f"{rootfs()}/bin/escape")
    secret = f"{canary()}/secret"
    for way in (("chroot", secret), ("handle", "/")):
        seen = attempt(script=f"escape {' '.join(way)}")
        lacks(seen.ok().out, "escaped")
        contains(seen.out, "held")


def test_the_operator_s_terminal_takes_no_text_from_inside():
    """CVE-2017-5226: TIOCSTI types for whoever sits at the terminal that the container was started from."""
    shutil.copy(compiled("security/escape.c", "-static"), f"{rootfs()}/bin/escape")
    path = bundle({"process": {"args": ["/bin/escape", "tiocsti"]}})
    with Terminal(*command(), "run", "-b", path, os.path.basename(path), env=environment()) as terminal:
        terminal.expect("held TIOCSTI")
        equal(terminal.wait(), 0)


def test_negative_groups_hold():
    """CVE-2022-36109: a group left out of the list lets its owner's refusal be walked around."""
    path = f"{rootfs()}/not-for-five"
    with open(path, "w") as file:
        file.write("x")
    os.chown(path, 0, 5)
    os.chmod(path, 0o604)
    try:
        user = {"process": {"user": {"uid": 1000, "gid": 5}}}
        check(attempt(user, script="cat /not-for-five").code != 0, "the group that may not read it reads it")
        attempt({"process": {"user": {"uid": 1000, "gid": 6}}}, script="cat /not-for-five").ok()
        with container(user) as name:
            check(oci("exec", name, "/bin/cat", "/not-for-five").code != 0, "exec: the group that may not read it reads it")
    finally:
        os.unlink(path)


CGROUPS = {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro", "nosuid", "noexec", "nodev"]}


def test_cgroups_cannot_be_written():
    """CVE-2022-0492, CVE-2023-25809: release_agent runs on the host as root."""
    script = """for f in $(find /sys/fs/cgroup -name release_agent -o -name notify_on_release -o -name devices.allow -o -name cgroup.procs -o -name tasks); do
      (echo 1 > $f) 2>/dev/null && echo wrote $f; done; mkdir /tmp/cg; mount -t cgroup -o memory x /tmp/cg 2>/dev/null && echo mounted; echo done"""
    for namespaces in (None, [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]):
        attempt({"linux": {"namespaces": namespaces}} if namespaces else {}, lambda c: c["mounts"].append(CGROUPS), script=script).ok().out_is("done\n")


def test_devices_of_the_host_cannot_be_opened():
    """Not named, so not allowed: a node may be made, and opens nothing."""
    caps = {bits: CAPS + ["CAP_MKNOD"] for bits in ("bounding", "effective", "permitted")}
    nodes = {"mem": "c 1 1", "kvm": "c 10 232", "loop": "b 7 0", "disk": "b 254 0", "fuse": "c 10 229"}
    script = "; ".join(f"mknod /tmp/{name} {words} && (head -c1 /tmp/{name} > /dev/null) 2>/tmp/why && echo opened {name}" for name, words in nodes.items())
    deny = {"linux": {"resources": {"devices": [{"allow": False, "access": "rwm"}]}}}

    def attack(runtime):
        for patch in ({}, deny):
            seen = attempt({"process": {"capabilities": caps}}, patch, runtime=runtime, script=f"rm -f /tmp/*; {script}; head -c1 /dev/zero | wc -c")
            if "opened" in seen.out:
                return f"{'with' if patch else 'without'} rules: {seen.out!r}"
        return None
    replay("devices of the host", attack)


def test_a_name_is_no_path():
    for name in ("..", ".", "", "../x", "a/b", "/etc", "a\nb", "x" * 2000, "-rf"):
        code, text = quiet_oci("state", "--", name)
        check(code != 0, f"{name!r} was taken: {text}")
        code, text = quiet_oci("delete", "--force", "--", name)
    check(os.path.isdir(scratch("oci-state")) or not os.path.exists(scratch("oci-state")), "the state directory")


def test_a_swapper_races_the_mounts():
    """CVE-2021-30465, and CVE-2026-53612 of mount(8), which changed owners by path: two directories of a shared volume are
    exchanged, one of them a link, while mounts with owners of their own are made in it."""
    place, volume = canary(), scratch("raced")
    os.makedirs(f"{volume}/inner", exist_ok=True)
    if not os.path.lexists(f"{volume}/bad"):
        os.symlink(place, f"{volume}/bad")
    before, over = fingerprint(place), threading.Event()
    swapper = subprocess.Popen([compiled("security/swap.c"), f"{volume}/inner", f"{volume}/bad"])
    try:
        nested = [{"destination": "/v", "type": "bind", "source": volume, "options": ["rbind"]}] + \
                 [{"destination": f"/v/inner/{n}", "type": "tmpfs", "source": "tmpfs", "options": ["mode=0700", "uid=1234", "gid=1234"]} for n in range(3)]
        for _ in range(60):
            attempt(lambda c: c["mounts"].extend(json.loads(json.dumps(nested))), script=f"cat /v/inner/secret /v/inner/*/secret 2>/dev/null; grep -c {place} /proc/self/mountinfo")
            equal(fingerprint(place), before, "the host's directory")
    finally:
        over.set()
        swapper.kill()
        swapper.wait()


def watch_who_enters(runtime, *capabilities):
    """What `escape trace` inside a container tells of 60 processes that the runtime sends in."""
    shutil.copy(compiled("security/escape.c", "-static"), f"{rootfs()}/bin/escape")
    caps = {kind: [*CAPS, *capabilities] for kind in ("bounding", "effective", "permitted")}
    path = f"{rootfs()}/seen"

    def seen():
        with open(path) as file:
            return file.read()
    with container({"process": {"capabilities": caps, "args": ["/bin/sh", "-c", "escape trace >/seen; sleep 100"]}}, runtime=runtime) as name:
        eventually(lambda: os.path.exists(path) and "watching" in seen())
        for _ in range(60):
            oci("exec", name, "/bin/true", runtime=runtime)
        oci("exec", name, "/bin/touch", "/tmp/end", runtime=runtime)
        eventually(lambda: "met " in seen())
    lines = seen().splitlines()[1:]
    os.unlink(f"{rootfs()}/tmp/end")
    os.unlink(path)
    log(f"{runtime} with {capabilities}: {lines[-1]}")
    met = int(lines[-1].split()[1].rstrip(","))
    check(met > 20 or runtime != "hull", f"the attack met too few: {lines[-1]}")
    return lines[:-1]


def test_who_enters_shows_nothing_and_is_not_traced():
    """CVE-2016-9962: a process inside takes from the one that enters what that brought along."""
    for runtime in peers():
        watch_who_enters(runtime)
    equal(watch_who_enters("hull"), [], "what hull shows")


def test_whoever_may_trace_everything_still_finds_nothing_of_the_host_s_files():
    """With CAP_SYS_PTRACE nothing hides a process of the same user namespace; what enters is then no program on disk, has no
    right that the container has not, and holds open nothing by which files of the host could be reached. (runc is traced just so, and at times waits for ever.)"""
    lines = watch_who_enters("hull", "CAP_SYS_PTRACE")
    check(any(line.startswith("sees exe") for line in lines), "the attack saw nothing: it proves nothing")
    harmless = re.compile(r"sees (exe /memfd:hull-init .deleted.|(cwd|root) /|fd/\d+ (/dev/null|(pipe|socket):.*|/sys/fs/cgroup/.*/tasks|/.*/log\d*))$|traces it$")
    equal([line for line in lines if not harmless.match(line)], [], "what hull shows")


for _name in [name for name in list(globals()) if name.startswith("test_")]:
    globals()[_name].timeout = 120
