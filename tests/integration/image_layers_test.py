"""What unpacking makes: the same tree as GNU tar, the same merged view as the image-spec asks for, layers side by side;
and what is left when hull-image is killed in the middle (nothing)."""
import json
import os
import signal
import subprocess
import time

from lib.hull import binary, check, environment, equal, eventually, hull, hull_root, need, run, scratch
from lib.images import DIRECTORY, FILE, HARD_LINK, SYMLINK, Entry, docker_archive, snapshot, tar


def layers_of(name):
    """Trees of the image's layers, topmost first."""
    data = json.loads(hull("image", "inspect", name).ok().out)[0]["GraphDriver"]["Data"]
    return [data["UpperDir"]] + [tree for tree in data.get("LowerDir", "").split(":") if tree]


def make_rich_tree():
    """One of everything that a root file system holds."""
    path = scratch("rich")
    os.makedirs(f"{path}/deep/" + "long-name-of-a-directory/" * 9)
    for name, data in (("plain", b"text\n"), ("empty", b""), ("big", os.urandom(700_001)), ("set-id", b"x"), ("n" * 200, b"long")):
        with open(f"{path}/{name}", "wb") as file:
            file.write(data)
    os.chmod(f"{path}/set-id", 0o6755)
    os.chown(f"{path}/empty", 12345, 54321)
    os.link(f"{path}/plain", f"{path}/deep/hard")
    os.symlink("/absolute/nowhere", f"{path}/link")
    os.symlink("l" * 180, f"{path}/long-link")
    os.mkfifo(f"{path}/pipe", 0o640)
    os.mknod(f"{path}/null", 0o20666, os.makedev(1, 3))
    os.setxattr(f"{path}/plain", "user.colour", b"blue\0red")
    with open(f"{path}/holes", "wb") as file:
        for offset in (0, 1 << 20, 9 << 20):
            file.seek(offset)
            file.write(b"data" * 1024)
        file.truncate(64 << 20)
    with open(f"{path}/only-a-hole", "wb") as file:
        file.truncate(1 << 20)
    os.chmod(f"{path}/deep", 0o1750)
    for folder, _, files in os.walk(path, topdown=False):
        for name in files:
            os.utime(f"{folder}/{name}", ns=(1, 1_234_567_890_123_456_789), follow_symlinks=False)
        os.utime(folder, ns=(1, 987_654_321_000_000_000))
    return path


def compare_with_gnu_tar(*options):
    need("tar")
    tree, archive, reference = make_rich_tree(), scratch("rich.tar"), scratch("reference")
    run("tar", "-C", tree, *options, "-cf", archive, ".").ok()
    os.makedirs(reference)
    run("tar", "-C", reference, "--xattrs", "--xattrs-include=user.*", "-xpf", archive).ok()
    hull("import", archive, "rich").ok()
    ours = layers_of("rich")[0]
    equal(snapshot(ours), snapshot(reference), "the unpacked tree beside GNU tar's")
    return ours


def test_a_pax_tree_is_as_gnu_tar_unpacks_it():
    compare_with_gnu_tar("--format=posix", "--xattrs", "--xattrs-include=user.*")


def test_a_gnu_tree_is_as_gnu_tar_unpacks_it():
    compare_with_gnu_tar("--format=gnu")


def test_sparse_files_of_every_format_keep_their_holes():
    for options in (["--format=gnu"], ["--format=posix", "--sparse-version=0.0"], ["--format=posix", "--sparse-version=0.1"],
                    ["--format=posix", "--sparse-version=1.0"]):
        tree = compare_with_gnu_tar("-S", *options)
        used = os.stat(f"{tree}/holes").st_blocks * 512
        check(used < 1 << 20, f"{options}: holes take {used} bytes")
        hull("rmi", "rich").ok()
        run("rm", "-rf", scratch("rich"), scratch("reference")).ok()


def folder(name, mode=0o755, **more):
    return Entry(name, DIRECTORY, mode=mode, **more)


BASE = [folder("usr"), folder("usr/bin"), Entry("usr/bin/old", FILE, b"old"), Entry("bin", SYMLINK, link="usr/bin"),
        folder("etc", 0o711, uid=7), Entry("etc/a", FILE, b"a"), Entry("etc/b", FILE, b"b"), folder("data"), Entry("data/x", FILE, b"x"),
        folder("gone"), Entry("gone/y", FILE, b"y"), folder("was"), Entry("was/z", FILE, b"z")]


def merged(*layers):
    """What a container sees: {path: content, link or kind}."""
    hull("load", input=docker_archive([tar(layer) for layer in layers], names=("merged:1",))).ok()
    view, seen = {}, hull("run", "--rm", "--net=none", "-v", "/bin/busybox:/busybox:ro", "merged:1", "/busybox", "sh", "-c",
                          "for f in $(/busybox find / -xdev ! -path '/proc*' ! -path '/sys*' ! -path '/dev*'); do"
                          " if [ -L $f ]; then echo $f link; elif [ -d $f ]; then echo $f dir; else echo $f $(/busybox head -c 40 $f); fi; done").ok()
    for line in seen.out.splitlines():
        name, _, what = line.partition(" ")
        view[name] = what
    return view


def test_whiteouts_hide_and_opaque_directories_start_anew():
    view = merged(BASE, [folder("etc", 0o711, uid=7), Entry("etc/.wh.a"), folder("data"), Entry("data/.wh..wh..opq"),
                         Entry("data/new", FILE, b"new"), Entry(".wh.gone")])
    for name in ("/etc/a", "/data/x", "/gone", "/gone/y"):
        check(name not in view, f"{name} must be hidden")
    equal((view["/etc/b"], view["/data/new"]), ("b", "new"), "what stays")


def test_a_directory_over_its_own_whiteout_shows_nothing_of_below():
    view = merged(BASE, [Entry(".wh.was"), folder("was"), Entry("was/new", FILE, b"n")], [Entry("gone/.wh.y"), Entry("gone/y", FILE, b"again")])
    check("/was/z" not in view, "/was/z must be hidden")
    equal((view["/was/new"], view["/gone/y"]), ("n", "again"), "what is new")


def test_a_file_through_a_lower_layers_link_lands_where_the_link_leads():
    view = merged(BASE, [Entry("bin/new", FILE, b"tool"), Entry("etc/c", FILE, b"c")])
    equal((view["/bin"], view["/usr/bin/new"], view["/usr/bin/old"], view["/etc/c"]), ("link", "tool", "old", "c"), "the merged view")
    top = layers_of("merged:1")[0]
    check(not os.path.lexists(f"{top}/bin"), "the link is not replaced by a directory")
    status = os.stat(f"{top}/etc")
    equal((status.st_mode & 0o7777, status.st_uid), (0o711, 7), "a parent that the layer does not state has the lower one's attributes")


def test_a_hard_link_to_a_lower_layers_file_gets_its_own_copy():
    view = merged(BASE, [Entry("linked", HARD_LINK, link="etc/a")])
    equal((view["/linked"], view["/etc/a"]), ("a", "a"), "the merged view")


def test_many_layers_load_side_by_side_and_in_order():
    layers = [[Entry("top", FILE, str(number).encode()), Entry(f"only-{number}", FILE, b"x")] for number in range(120)]
    view = merged(BASE, *layers)
    equal(view["/top"], "119", "the topmost layer wins")
    equal(sum(name.startswith("/only-") for name in view), 120, "every layer is there")


def processes(word):
    return [pid for pid in filter(str.isdigit, os.listdir("/proc")) if word in _words(pid)]


def _words(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read()
    except OSError:
        return ""


def test_a_load_killed_at_any_moment_leaves_nothing_after_the_next_command():
    layers = [tar([Entry(f"d{number}", DIRECTORY, mode=0o755)] + [Entry(f"d{number}/{n}", FILE, os.urandom(20_000)) for n in range(300)])
              for number in range(3)]
    archive, small = scratch("big.tar"), docker_archive([tar(BASE)], names=("small:1",))
    with open(archive, "wb") as file:
        file.write(docker_archive(layers, names=("big:1",)))
    hull("load", input=small).ok()
    before = sorted(os.listdir(f"{hull_root()}/layers"))
    for delay_ms in (1, 3, 6, 10, 20, 30, 45, 60, 90, 130):
        child = subprocess.Popen([binary(), "load", "-q", "-i", archive], env=environment(), stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(delay_ms / 1000)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        eventually(lambda: not processes("hull-image"), what="hull-image and its readers are gone")
        hull("load", input=small).ok()
        equal(os.listdir(f"{hull_root()}/staging"), [".lock"], f"staging after a kill at {delay_ms} ms")
        names = hull("images", "-q").ok().out.split()
        if len(names) == 1:
            hull("rmi", "-f", "nothing:there")
        else:
            hull("rmi", "big:1").ok()
    equal(sorted(os.listdir(f"{hull_root()}/layers")), before, "layers")
    hull("load", "-i", archive).ok().out_is("Loaded image: big:1\n")


def test_an_image_in_use_is_not_removed():
    hull("load", input=docker_archive([tar(BASE)], names=("used:1",))).ok()
    hull("create", "--name=c", "--net=none", "used:1", "/none")
    if hull("inspect", "c").code == 0:
        hull("rmi", "used:1").fails(1, "conflict: unable to remove repository reference").one_line_error()
        hull("rm", "-f", "c").ok()
    hull("rmi", "used:1").ok().out_matches(r"^Untagged: used:1\nDeleted: sha256:[0-9a-f]{64}\nDeleted: sha256:[0-9a-f]{64}\n$")
    equal(os.listdir(f"{hull_root()}/layers"), [], "layers")
