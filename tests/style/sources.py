"""The C and C++ sources under src/, for the style tests."""
import os
import re

from lib.hull import REPOSITORY

RANKS = {"base": 0, "musl": 1, "kernel": 1, "oci": 1, "sandbox": 2, "ns": 2, "image": 2, "net": 2, "runtime": 3, "shim": 3,
         "engine": 4, "api": 5, "cli": 6}
# The one include between equals: cgroup and seccomp take the runtime-spec's plain data as their vocabulary.
EQUALS = {("kernel", "oci")}


def sources(top="src", endings=(".cpp", ".h", ".c")):
    """Paths relative to the repository, sorted."""
    found = []
    for folder, _, names in os.walk(os.path.join(REPOSITORY, top)):
        found += [os.path.relpath(os.path.join(folder, name), REPOSITORY) for name in names if name.endswith(endings)]
    return sorted(found)


def read(path):
    with open(os.path.join(REPOSITORY, path), errors="replace") as file:
        return file.read()


def room_of(path):
    return path.split("/")[1]


def without_comments_and_strings(text):
    """The same lines with comments and string contents blanked."""
    pattern = r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''

    def blank(match):
        found = match.group(0)
        return '""' + "\n" * found.count("\n") if found[0] in "\"R" else "\n" * found.count("\n")
    return re.sub(pattern, blank, text, flags=re.S)
