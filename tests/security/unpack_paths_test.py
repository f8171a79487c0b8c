"""Hostile names in layers (SECURITY D1, D2, D4, D5): every way out of the tree that archives have tried, for every kind
of entry, through import and as a second layer over the first one's links. A canary beside the store must not change.
The control shows that a naive extractor is fooled by the same archives."""
import os
import shutil

from lib.hull import check, equal, hull, hull_root, scratch
from lib.images import (BLOCK, CHAR, DIRECTORY, FIFO, FILE, HARD_LINK, SYMLINK, Entry, docker_archive, snapshot, tar)

UP = "../" * 16


def canary():
    """A small tree outside every store; returns its path."""
    path = scratch("canary")
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(f"{path}/sub")
    for name in ("file", "sub/inner"):
        with open(f"{path}/{name}", "w") as file:
            file.write("canary\n")
        os.chmod(f"{path}/{name}", 0o600)
        os.utime(f"{path}/{name}", (5000, 5000))
    return path


def ways_out(target):
    """(name, entries that prepare, the path that would lead to the canary)."""
    relative = UP + target.lstrip("/")
    link = lambda name, to: Entry(name, SYMLINK, link=to)
    folder = lambda name: Entry(name, DIRECTORY, mode=0o755)
    return [
        ("dotdot", [], f"{relative}/file"),
        ("dotdot-inside", [folder("a")], f"a/{UP}{target.lstrip('/')}/file"),
        ("dotdot-dot", [], f"./{relative}/./file"),
        ("absolute", [], f"{target}/file"),
        ("absolute-new", [], f"{target}/new"),
        ("double-slash", [], f"//{target}//file"),
        ("link-absolute", [link("d", target)], "d/file"),
        ("link-relative", [link("d", relative)], "d/file"),
        ("link-new", [link("d", target)], "d/new"),
        ("link-deep", [folder("a"), folder("a/b"), link("a/b/d", f"../../{relative}")], "a/b/d/file"),
        ("link-chain", [link("c", "b"), link("b", "a"), link("a", target)], "c/file"),
        ("link-of-link", [link("a", "/"), link("b", f"a/{relative}")], "b/file"),
        ("link-last", [link("x", f"{target}/file")], "x"),
        ("link-last-relative", [link("x", f"{relative}/file")], "x"),
        ("link-dangling", [link("x", f"{target}/new")], "x"),
        ("link-dangling-parent", [link("x", f"{target}/missing")], "x/new"),
        ("link-proc-root", [link("x", f"/proc/self/root{target}")], "x/file"),
        ("link-proc-cwd", [link("x", "/proc/self/cwd")], "x/file"),
        ("link-loop", [link("a", "b"), link("b", "a")], "a/file"),
        ("link-replaced", [folder("d"), link("d", target)], "d/file"),
        ("link-trailing-slash", [link("d", f"{target}/")], "d/file"),
        ("hard-absolute", [Entry("h", HARD_LINK, link=f"{target}/file")], "h"),
        ("hard-dotdot", [Entry("h", HARD_LINK, link=f"{relative}/file")], "h"),
        ("hard-through-link", [link("d", target), Entry("h", HARD_LINK, link="d/file")], "h"),
        ("hard-to-link", [link("s", f"{target}/file"), Entry("h", HARD_LINK, link="s")], "h"),
    ]


def kinds(path):
    """Each kind of entry that may stand at the path."""
    folder, _, name = path.rpartition("/")
    lead = f"{folder}/" if folder else ""
    return [
        ("file", [Entry(path, FILE, b"owned\n", mode=0o777)]),
        ("directory", [Entry(path, DIRECTORY, mode=0o777, mtime=1)]),
        ("symlink", [Entry(path, SYMLINK, link="/etc/passwd")]),
        ("hard-link", [Entry("mine", FILE, b"mine"), Entry(path, HARD_LINK, link="mine")]),
        ("char", [Entry(path, CHAR, device=(1, 3), mode=0o666)]),
        ("block", [Entry(path, BLOCK, device=(7, 0), mode=0o666)]),
        ("fifo", [Entry(path, FIFO, mode=0o666)]),
        ("xattr", [Entry(path, FILE, b"x", pax={"SCHILY.xattr.user.mark": "set"})]),
        ("whiteout", [Entry(f"{lead}.wh.{name}", FILE)]),
        ("opaque", [Entry(f"{lead}.wh..wh..opq", FILE)]),
        ("owner", [Entry(path, DIRECTORY, mode=0o4777, uid=1234, gid=1234, mtime=1)]),
    ]


def corpus(target):
    for way, prepare, path in ways_out(target):
        for kind, entries in kinds(path):
            yield f"{way}.{kind}", prepare, entries


def give(data, *command):
    result = hull(*command, input=data, timeout=20)
    check(result.code in (0, 1), f"neither done nor refused: {result}")
    if result.code:
        result.one_line_error()
    return result


def test_the_corpus_is_large_enough():
    equal(len(list(corpus("/x"))) >= 120, True, f"{len(list(corpus('/x')))} archives, at least 120 wanted")


def test_no_archive_writes_outside_through_import():
    target = canary()
    before = snapshot(target)
    accepted = 0
    for name, prepare, entries in corpus(target):
        accepted += give(tar(prepare + entries), "import", "-").code == 0
        equal(snapshot(target), before, f"the canary after {name}")
    check(accepted > 40, f"only {accepted} were taken: the corpus tests refusal alone")
    equal(os.listdir(f"{hull_root()}/staging"), [".lock"], "staging")


def test_no_second_layer_writes_through_the_firsts_links():
    target = canary()
    before = snapshot(target)
    for name, prepare, entries in corpus(target):
        give(docker_archive([tar(prepare), tar(entries)]), "load")
        equal(snapshot(target), before, f"the canary after {name}")
    equal(os.listdir(f"{hull_root()}/staging"), [".lock"], "staging")


def test_bad_whiteouts_are_refused():
    target = canary()
    before = snapshot(target)
    names = [".wh.", ".wh..", ".wh...", ".wh..wh.", ".wh..wh.x", ".wh..wh..", ".wh.a/b", "a/.wh.", "a/.wh..", "a/.wh...", "../.wh.x",
             "a/../.wh.x", ".wh.a/.wh.b", ".wh..wh..opq/x", f"{UP}.wh.etc", "./.wh..", "/.wh...", "a/b/.wh..wh.y"]
    for name in names:
        result = give(docker_archive([tar([Entry("a", DIRECTORY, mode=0o755)]), tar([Entry(name)])]), "load")
        equal(result.code, 1, f"exit for {name!r}")
    equal(snapshot(target), before, "the canary")


def naive_extract(entries, root):
    """What careless tools do: join strings and open."""
    for entry in entries:
        path = os.path.join(root, entry.info.name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if entry.info.type == SYMLINK:
            os.symlink(entry.info.linkname, path)
        elif entry.info.type == HARD_LINK:
            os.link(os.path.join(root, entry.info.linkname), path)
        elif entry.info.type == FILE:
            with open(path, "wb") as file:
                file.write(entry.data)


def test_the_naive_extractor_is_fooled():
    fooled = []
    for way, prepare, path in ways_out(canary()):
        target = canary()
        before = snapshot(target)
        root = scratch("naive")
        shutil.rmtree(root, ignore_errors=True)
        os.makedirs(root)
        try:
            naive_extract(prepare + [Entry(path, FILE, b"owned\n")], root)
        except OSError:
            pass
        if snapshot(target) != before:
            fooled.append(way)
    check(len(fooled) >= 8, f"the control must be fooled by several: {fooled}")


def layer_of(name):
    return inspect_image(name)["GraphDriver"]["Data"]["UpperDir"]


def inspect_image(name):
    import json
    return json.loads(hull("image", "inspect", name).ok().out)[0]


def test_overlays_own_marks_cannot_be_smuggled_in():
    hull("import", "-", "x", input=tar([Entry("dev0", CHAR, device=(0, 0))])).fails(1, "0:0").one_line_error()
    marks = ["trusted.overlay.opaque", "trusted.overlay.redirect", "trusted.overlay.metacopy", "user.overlay.opaque",
             "user.overlay.whiteout", "security.selinux", "security.ima", "system.posix_acl_access", "trusted.mine"]
    entries = [Entry(f"f{n}", FILE, b"x", pax={f"SCHILY.xattr.{mark}": "y"}) for n, mark in enumerate(marks)]
    entries += [Entry(f"d{n}", DIRECTORY, mode=0o755, pax={f"SCHILY.xattr.{mark}": "y"}) for n, mark in enumerate(marks)]
    entries.append(Entry("kept", FILE, b"x", pax={"SCHILY.xattr.user.kept": "value"}))
    hull("import", "-", "marks", input=tar(entries)).ok()
    tree = layer_of("marks")
    for entry in entries[:-1]:
        equal(os.listxattr(f"{tree}/{entry.info.name}"), [], f"attributes of {entry.info.name}")
    equal(os.listxattr(f"{tree}/kept"), ["user.kept"], "an allowed attribute")
