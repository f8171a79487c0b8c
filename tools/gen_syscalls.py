#!/usr/bin/env python3
"""Writes src/kernel/syscalls_x86.inc: the system calls of x86-64, i386 and x32 from the installed kernel headers, with
those that are newer than Debian 12's (Linux 6.1) added from NEWER, up to Linux 6.19. Run it by hand when numbers are added."""
import re
import sys

HEADERS = "/usr/include/x86_64-linux-gnu/asm"
X32_BIT = 0x40000000

# Since Linux 6.2; source: arch/x86/entry/syscalls/syscall_{64,32}.tbl.
NEWER = [  # (number, name)
    (451, "cachestat"), (452, "fchmodat2"), (453, "map_shadow_stack"), (454, "futex_wake"), (455, "futex_wait"),
    (456, "futex_requeue"), (457, "statmount"), (458, "listmount"), (459, "lsm_get_self_attr"),
    (460, "lsm_set_self_attr"), (461, "lsm_list_modules"), (462, "mseal"), (463, "setxattrat"), (464, "getxattrat"),
    (465, "listxattrat"), (466, "removexattrat"), (467, "open_tree_attr"), (468, "file_getattr"),
    (469, "file_setattr"), (470, "listns"),
]
NEWER_64_ONLY = [(335, "uretprobe"), (336, "uprobe")]


def read_header(name):
    text = open(f"{HEADERS}/{name}").read()
    text = text.replace("__X32_SYSCALL_BIT + ", "")
    return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) \(?(\d+)\)?", text)}


def main():
    native = read_header("unistd_64.h")
    tables = {"X86_64": native, "I386": read_header("unistd_32.h"), "X32": read_header("unistd_x32.h")}
    for table in tables.values():
        table.update({name: number for number, name in NEWER})
    native.update({name: number for number, name in NEWER_64_ONLY})
    out = open(sys.argv[1] if len(sys.argv) > 1 else "src/kernel/syscalls_x86.inc", "w")
    out.write("// Made by tools/gen_syscalls.py: name, x86-64, i386, x32 (without its bit 30); -1: not there. Sorted by name.\n")
    for name in sorted(set().union(*tables.values()), key=str.encode):
        numbers = ", ".join(str(table.get(name, -1)) for table in tables.values())
        out.write(f'{{"{name}", {numbers}}},\n')


main()
