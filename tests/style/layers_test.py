"""Room order (docs/architecture.md): a room includes itself and rooms of lower rank, never its equals."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.hull import check, equal  # noqa: E402
from sources import EQUALS, RANKS, read, room_of, sources  # noqa: E402

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)


def violation(path, include):
    """What is wrong with this include in this file, or None."""
    if "/" not in include:
        return None  # generated, or beside the file
    target = include.split("/")[0]
    if target not in RANKS:
        return None
    room = room_of(path)
    if target == room or (room, target) in EQUALS or RANKS[target] < RANKS[room]:
        return None
    return f"{path}: {room} (rank {RANKS[room]}) may not include {include} (rank {RANKS[target]})"


def test_each_room_includes_only_lower_rooms():
    wrong = [violation(path, include) for path in sources() for include in INCLUDE.findall(read(path))]
    equal([line for line in wrong if line], [], "includes that break the room order")


def test_every_folder_is_a_known_room():
    unknown = {room_of(path) for path in sources()} - set(RANKS)
    equal(unknown, set(), "folders of src/ that docs/architecture.md does not name")


def test_the_rule_catches_a_violation():
    check(violation("src/base/x.cpp", "engine/config.h"), "an upward include must be caught")
    check(violation("src/ns/x.cpp", "image/store.h"), "an include of an equal must be caught")
    check(violation("src/cli/x.cpp", "engine/config.h") is None, "a downward include is right")


def test_headers_have_a_guard_and_sources_tell_their_story():
    unguarded = [path for path in sources(endings=(".h",)) if "#pragma once" not in read(path)]
    tells = lambda path: read(path).lstrip().startswith(("//", "/*"))
    files = sources()
    silent = [path for path in files if not tells(path) and not path.endswith("_test.cpp")
              and not (path.endswith(".cpp") and path[:-4] + ".h" in files)]  # the header tells for both
    equal(unguarded, [], "headers without #pragma once")
    equal(silent, [], "files that do not open by saying what they own (a comment)")
