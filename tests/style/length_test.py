"""Lengths only shrink (STYLE: one story per file, a function fits on a screen).

Limits: a file 700 lines, a function 70. tests/style/lengths.txt lists the exceptions of today with their lengths; an
entry may fall and disappear, never rise or be added. `tests/run style/length` names what to change.
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.hull import REPOSITORY, check, equal, need, run  # noqa: E402
from sources import read, sources  # noqa: E402

FILE_LIMIT, FUNCTION_LIMIT = 700, 70
FILE_MEDIAN, FUNCTION_SHARE = 200, 0.03  # most files under 200 lines; few functions over 40
BASELINE = "tests/style/lengths.txt"


def baseline():
    entries = {}
    for line in read(BASELINE).splitlines():
        if line.strip() and not line.startswith("#"):
            name, length = line.rsplit(None, 1)
            entries[name] = int(length)
    return entries


def functions():
    """(file, function, lines) of every function body, by universal-ctags."""
    need("ctags")
    found = run("ctags", "-R", "--languages=C,C++", "--langmap=C++:+.h", "--kinds-C++=f", "--kinds-C=f",
                "--fields=+ne", "--output-format=json", "-f", "-", "src", "tests/bench", cwd=REPOSITORY).ok()
    for line in found.out.splitlines():
        tag = json.loads(line)
        if "end" in tag and tag.get("name"):
            yield tag["path"], tag["name"], tag["end"] - tag["line"] + 1


def judge(lengths, limit):
    allowed = baseline()
    return [f"{name}: {length} lines (limit {allowed.get(name, limit)})"
            for name, length in sorted(lengths.items()) if length > allowed.get(name, limit)]


def file_lengths():
    return {path: read(path).count("\n") for path in sources()}


def function_lengths():
    lengths = {}
    for path, name, lines in functions():
        key = f"{path}:{name}"
        lengths[key] = max(lines, lengths.get(key, 0))
    return lengths


def test_no_file_is_too_long():
    equal(judge(file_lengths(), FILE_LIMIT), [], "files over the limit: split them by story")


def test_most_files_are_short():
    lengths = sorted(file_lengths().values())
    check(lengths[len(lengths) // 2] < FILE_MEDIAN, "the median file is over 200 lines")


def test_no_function_is_too_long():
    equal(judge(function_lengths(), FUNCTION_LIMIT), [], "functions over the limit: make a table or a helper")


def test_few_functions_are_over_forty_lines():
    lengths = function_lengths()
    long = [name for name, lines in lengths.items() if lines > 40]
    check(len(long) <= max(3, FUNCTION_SHARE * len(lengths)), f"{len(long)} of {len(lengths)} functions over 40: {long}")


def test_the_list_of_exceptions_only_shrinks():
    lengths = {**file_lengths(), **function_lengths()}
    stale = [f"{name}: listed {length}, is {lengths.get(name, 0)}" for name, length in baseline().items()
             if lengths.get(name, 0) < length]
    equal(stale, [], f"entries to lower or remove in {BASELINE}")
