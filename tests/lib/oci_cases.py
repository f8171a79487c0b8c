"""Tables of OCI cases: a patch of the configuration, a script for the shell inside, and what it prints when the kernel did
what the specification says. check() runs them with hull; agree() with a peer, whose answers must be hull's but for the
differences that the case names, each explained in docs/oci-differences.md.
"""
import os
import re

from .bundle import oci, run_bundle
from .hull import REPOSITORY, Failure, log


BOTH = {"crun", "runc"}


class Case:
    """`wanted`: the output, stripped; or a compiled pattern that it matches. `unlike`: the peers whose answer differs.
    `alone`: not asked of peers, for what the test's world does to it (cgroups bound over cgroups)."""

    def __init__(self, name, script, wanted, *patches, code=0, unlike=None, prepare=None, need=None, alone=False):
        self.name, self.script, self.wanted, self.patches, self.code = name, script, wanted, patches, code
        self.unlike, self.prepare, self.need, self.alone = unlike or set(), prepare, need, alone

    def answer(self, runtime):
        patches = list(self.patches)
        if self.prepare:
            patches.append(self.prepare())
        result = run_bundle(*patches, script=self.script, runtime=runtime)
        return result.code, result.out.strip(), result.err.strip()

    def right(self, code, out):
        fits = self.wanted.search(out) if hasattr(self.wanted, "search") else self.wanted == out
        return code == self.code and bool(fits)


def one_line(text):
    return re.sub(r"/\S*/scratch/", "", " ".join(text.split()))[:220]


def wrong_answers(cases):
    wrong = []
    for case in cases:
        if case.need and not case.need():
            log(f"not tried, for this host lacks what it needs: {case.name}")
            continue
        code, out, err = case.answer("hull")
        if not case.right(code, out):
            wanted = getattr(case.wanted, "pattern", case.wanted)
            wrong.append(f"{case.name}: wanted {case.code} {wanted!r}, got {code} {out!r} {err}")
    log(f"{len(cases)} cases")
    return wrong


def check(cases):
    if wrong := wrong_answers(cases):
        raise Failure(f"{len(wrong)} of {len(cases)}:\n    " + "\n    ".join(wrong))


def differences():
    with open(f"{REPOSITORY}/docs/oci-differences.md") as file:
        return file.read()


def agree(runtime, cases):
    """The peer's answer is right, or the case says in which way it is not."""
    oci("--version", runtime=runtime)
    wrong, explained = [], differences()
    for case in cases:
        if case.alone or (case.need and not case.need()):
            continue
        code, out, err = case.answer(runtime)
        agrees = case.right(code, out)
        if agrees == (runtime in case.unlike):
            wrong.append(f"{case.name}: {'agrees although a difference is listed' if agrees else f'{code} {one_line(out)!r} {one_line(err)}'}")
        elif not agrees and f"| {case.name} |" not in explained:
            wrong.append(f"{case.name}: docs/oci-differences.md has no row for it ({one_line(err) or one_line(out)})")
    if wrong:
        raise Failure(f"{runtime}: {len(wrong)} of {len(cases)}:\n    " + "\n    ".join(wrong))


def mounts_of(path):
    """A shell word: the mountinfo fields of the mount on `path`: options, tags, type, super options."""
    return f"awk '$5 == \"{path}\" {{ line = $0 }} END {{ print line }}' /proc/self/mountinfo"






def exists(path):
    return lambda: os.path.exists(path)
