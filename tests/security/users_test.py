"""Who a process is, from the words that say so (CVE-2016-3697, CVE-2024-40635, CVE-2026-46680, CVE-2026-30892: such a word was
read as root): each gives exactly one user and group, by run, exec and an image's or root's own files, or a refusal."""
from lib.hull import busybox_rootfs, check, container, equal, hull, scratch

PASSWD = "root:x:0:0:root:/root:/bin/sh\nnamed:x:7:8::/home/named:/bin/sh\n1000:x:5:6::/:/bin/sh\ntwin:x:11:12::/:/bin/sh\ntwin:x:0:0::/:/bin/sh\n" \
         "big:x:4294967296:0::/:/bin/sh\nnegative:x:-1:-1::/:/bin/sh\nshort:x\n:x:13:13::/:/bin/sh\nhex:x:0x10:0x10::/:/bin/sh\nlast:x:4294967295:1::/:/bin/sh\n"
GROUP = "root:x:0:\ncrew:x:9:named,twin\n2000:x:10:\nhuge:x:99999999999:\n"

TAKEN = {  # word: (uid, gid, all groups)
    "0": (0, 0, "0"), "root": (0, 0, "0"), "7": (7, 8, "8 9"), "named": (7, 8, "8 9"), "named:crew": (7, 9, "9"), "named:9": (7, 9, "9"), "7:0": (7, 0, "0"),
    "1": (1, 0, "0"), "1:": (1, 0, "0"), "1:2": (1, 2, "2"), ":1": (0, 1, "1"), ":crew": (0, 9, "9"), "twin": (11, 12, "12 9"), "11": (11, 12, "12 9"),
    "1000": (1000, 0, "0"), "1000:2000": (1000, 2000, "2000"), "65534": (65534, 0, "0"), "2147483647": (2147483647, 0, "0"), "2147483648": (2147483648, 0, "0"),
    "4294967294": (4294967294, 0, "0"), "4294967294:4294967294": (4294967294, 4294967294, "4294967294"), "5": (5, 6, "6")}
REFUSED = ("4294967295", "4294967296", "4294967295:0", "0:4294967295", "0:4294967296", "18446744073709551615", "18446744073709551616", "99999999999999999999999999",
           "-1", "+1", "-0", "+0", "1:-1", "1:+1", " 1", "1 ", "1: 2", "\t1", "1\n", "\n0", "1\v", "1:2:3", "1::2", "::", ":::", "0:0:0", "0x0", "0x10", "1e3", "1.0", "0b1",
           "１", "٣", "nobody-here", "named:nothing", "nothing:crew", "big", "negative", "hex", "last", "short", "huge", ":huge", "0:huge", "roo", "ROOT", "root:ROOT",
           "root ", " root", "-root", "--user", "../root", "/etc/passwd", "root/0", "$UID", "`id`", "*", "%d", "1,2", "1;2", "a" * 300, "9" * 300)


def seen(result):
    uid, gid, groups = result.ok().out.splitlines()
    return int(uid), int(gid), " ".join(sorted(groups.split(), key=int))


def wanted(word):
    uid, gid, groups = TAKEN[word]
    return uid, gid, " ".join(sorted(groups.split(), key=int))


def test_each_word_is_one_user_or_none():
    check(len(TAKEN) + len(REFUSED) >= 80, "eighty words")
    root = busybox_rootfs(scratch("users"))
    for file, text in (("passwd", PASSWD), ("group", GROUP)):
        with open(f"{root}/etc/{file}", "w") as out:
            out.write(text)
    show = ("/bin/sh", "-c", "id -u; id -g; id -G")
    run = ("run", "--rm", "--net=none")
    with container("--net=none", f"--rootfs={root}", "/bin/sleep", "1000") as name:
        for word in TAKEN:
            equal(seen(hull(*run, f"--user={word}", f"--rootfs={root}", *show)), wanted(word), f"run --user={word}")
            equal(seen(hull("exec", f"--user={word}", name, *show)), wanted(word), f"exec --user={word}")
        for word in REFUSED:
            for words in ((*run, f"--user={word}", f"--rootfs={root}", *show), ("exec", f"--user={word}", name, *show)):
                result = hull(*words)
                check(result.code in (125, 126, 1), f"{words[0]} --user={word!r} was taken: {result}")
                equal(result.out, "", f"{words[0]} --user={word!r}")
                result.one_line_error()


def test_leading_zeros_are_no_other_number():
    """01 is 1, whatever it would be in C."""
    for word, uid in (("01", 1), ("0001", 1), ("010", 10), ("00", 0)):
        hull("run", "--rm", "--net=none", f"--user={word}", "busybox", "id", "-u").ok().out_is(f"{uid}\n")
