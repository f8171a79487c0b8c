"""Calls that hull's sources may not make, and why (SECURITY design rules). Comments and strings are not searched."""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.hull import check, equal  # noqa: E402
from sources import read, sources, without_comments_and_strings  # noqa: E402

FREESTANDING = ("src/sandbox/init/", "src/shim/", "src/net/forward/")  # C++ without its library
# (what, pattern, folders or files where it is right, reason)
RULES = (
    ("a shell", r"(?<![\w.>:])(?:::|std::)?(system|popen|wordexp)\s*\(", (), "no shell is ever run by us"),
    ("execvp and execlp", r"\b(execvp|execlp|execvpe|posix_spawnp)\s*\(", ("src/cli/", "src/ns/"),
     "helpers run by absolute path; only unshare and nsenter search PATH, for the caller's own command"),
    ("name service", r"\b(getpw\w+|getgr(nam|gid|ent)\w*|gethostby\w+|getaddrinfo|getservby\w+)\s*\(", (),
     "loads host libraries; read the files instead"),
    ("std::regex", r"std::(w)?regex\b|#include\s*<regex>", (), "slow to start, recursive on input"),
    ("iostream", r"#include\s*<(iostream|fstream|iomanip)>", (), "1 ms at start, static state"),
    ("threads", r"#include\s*<(thread|future|mutex|shared_mutex)>|std::(thread|async)\b|pthread_create",
     ("src/image/worker/",), "the process that clones is single-threaded"),
    ("unsafe C strings", r"\b(sprintf|vsprintf|gets|atoi|atol|atoll)\s*\(", (), "bounds, errors"),
    ("C strings", r"\b(strcpy|strcat|strtok)\s*\(", FREESTANDING, "std::string where there is one"),
    ("std::sto*", r"std::sto(i|l|ll|ul|ull|f|d)\s*\(", (), "use parse_uint: signs, spaces and prefixes are refused"),
    ("glibc's own layout", r"\b(fts_open|getrusage|wait3|wait4|sigfillset|strsignal|execvpe?|regcomp)\s*\(|\bregmatch_t\b|_SC_NPROCESSORS",
     FREESTANDING + ("src/image/worker/", "src/base/pattern.cpp"), "otherwise in musl, on which hull is released"),
    ("tmpnam", r"\b(tmpnam|tempnam|mktemp)\s*\(", (), "races"),
    ("clone", r"\b(fork|vfork|clone|clone3)\s*\(", ("src/sandbox/", "src/shim/", "src/kernel/", "src/base/", "src/ns/",
     "src/image/", "src/engine/", "src/cli/"), "only the rooms that make processes"),
    ("a launch", r"\bsandbox::launch\s*\(|\bcompile_(exec_)?plan\s*\(", ("src/sandbox/", "src/runtime/process.cpp", "src/engine/named.cpp"),
     "containers are made in one place; named.cpp launches what holds a pid namespace"),
    ("mount", r"(?<![\w.:>])(::)?(mount|umount|umount2)\s*\(", ("src/kernel/", "src/sandbox/", "src/ns/", "src/cli/",
     "src/image/", "src/engine/"), "mounts are made by the kernel wrappers and the executor"),
    ("chroot", r"(?<![\w.:>])(::)?chroot\s*\(", ("src/sandbox/", "src/ns/", "src/cli/", "src/image/worker/"),
     "pivot_root for containers; chroot only for unshare -R and nsenter -r"),
)
# In-container paths by string: forbidden where a container's root is handled.
ROOTED = ("src/sandbox/",)
ROOTED_RULE = re.compile(r"std::filesystem|\brealpath\s*\(")


def offences(path, text):
    clean = without_comments_and_strings(text)
    for what, pattern, allowed, reason in RULES:
        if path.startswith(allowed) if allowed else False:
            continue
        for found in re.finditer(pattern, clean if "include" not in pattern else text):
            yield f"{path}:{clean.count(chr(10), 0, found.start()) + 1}: {what} ({found.group(0).strip()}): {reason}"
    if path.startswith(ROOTED):
        for found in ROOTED_RULE.finditer(clean):
            yield f"{path}: {found.group(0)}: paths that a container controls go through a root handle"


def test_no_forbidden_call():
    found = [line for path in sources() if not path.endswith("_test.cpp") for line in offences(path, read(path))]
    equal(found, [], "forbidden calls")


def test_the_rules_catch_what_they_name():
    for line in ('system("x");', "std::system(x)", "execvp(a, b)", "getpwnam(x)", "#include <iostream>", "std::regex r;",
                 "strcpy(a, b)", "std::stoi(x)", "sandbox::launch(plan, io)", "compile_plan(spec)"):
        check(list(offences("src/base/x.cpp", line + "\n")), f"not caught: {line}")
    for line in ("// system(x)", 'text = "system(x)";', "file_system(x)", "fs.system(x)", "parse_uint(x)"):
        check(not list(offences("src/base/x.cpp", line + "\n")), f"wrongly caught: {line}")


def test_kernel_traps_carry_their_tag():
    """`// KERNEL:` comments name a release or a source, so that they can be listed and checked."""
    bare = []
    for path in sources():
        lines = read(path).splitlines()
        for number, line in enumerate(lines):
            if "KERNEL:" in line and len(line.split("KERNEL:")[1].strip()) < 10:
                bare.append(f"{path}:{number + 1}")
    equal(bare, [], "KERNEL: comments without text")
