"""Shared by the util_linux_*_test.py: the same words given to the installed tool and to hull, then compared.

Compared are exit code, standard output, and the first line of standard error up to the remedy that hull adds (after
"; "). Namespace inodes differ between two runs, so scripts print what they mean instead (same, new).
"""
import re
import shutil

from lib.hull import Failure, SPARE_UID, Skip, binary, readable_copy, run

# Prints for each kind whether the shell is in the namespace whose inode $KIND holds, then identity and maps.
STATE = r"""
for kind in cgroup ipc mnt net pid_for_children time_for_children user uts; do
  eval "before=\$NS_$kind"
  [ "$(readlink /proc/self/ns/$kind)" = "$before" ] && echo "$kind same" || echo "$kind new"
done
grep -E '^(Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapAmb|NoNewPrivs)' /proc/self/status
cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups
umask; pwd
"""


def peer(name):
    path = shutil.which(name)
    if path is None:
        raise Skip(f"{name} of util-linux is not installed")
    return path


def namespaces(pid="self"):
    import os
    kinds = ("cgroup", "ipc", "mnt", "net", "pid_for_children", "time_for_children", "user", "uts")
    return {f"NS_{kind}": os.readlink(f"/proc/{pid}/ns/{kind}") for kind in kinds}


def first_line(text):
    line = text.splitlines()[0] if text else ""
    return re.sub(r"^\S*/(lsns|unshare|nsenter): ", r"\1: ", line)


def same_error(theirs, ours):
    theirs, ours = first_line(theirs), first_line(ours)
    return ours == theirs or ours.startswith(theirs + ";")


def both(tool, words, user=None, **options):
    """Runs both; returns (theirs, ours)."""
    theirs = run(peer(tool), *words, user=user, **options)
    ours = run(readable_copy() if user is not None else binary(), tool, *words, user=user, **options)
    return theirs, ours


def compare(tool, words, user=None, err=True, map_out=None, **options):
    """Fails when hull's exit code, output or error differ; returns hull's run."""
    theirs, ours = both(tool, words, user, **options)
    clean = map_out or (lambda text: text)
    differences = []
    if theirs.code != ours.code:
        differences.append(f"exit {ours.code}, not {theirs.code}")
    if clean(theirs.out) != clean(ours.out):
        differences.append(f"stdout {clean(ours.out)!r}, not {clean(theirs.out)!r}")
    if err and not same_error(theirs.err, ours.err):
        differences.append(f"stderr {first_line(ours.err)!r}, not {first_line(theirs.err)!r}")
    if differences:
        raise Failure(f"hull {tool} {' '.join(words)}{f' as uid {user}' if user else ''}: " + "; ".join(differences))
    return ours


def compare_all(tool, cases, **options):
    """Every case, then one failure that lists all differences."""
    problems = []
    for words in cases:
        try:
            compare(tool, words, **options)
        except Failure as failure:
            problems.append(str(failure))
    if problems:
        raise Failure(f"{len(problems)} of {len(cases)} differ\n" + "\n".join(problems))


ORDINARY = SPARE_UID
