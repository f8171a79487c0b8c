"""Debian packages as trees: resolves what a program needs, downloads it with apt-get, and lays its files over each other
as dpkg would, without running a package's scripts and without touching the host.
"""
import io
import os
import re
import subprocess
import tarfile
import tempfile

from oci import Tree, plain

MERGED = ("bin", "sbin", "lib", "lib64", "lib32", "libx32")  # these are links into usr/
LEFT_OUT = re.compile(r"(usr/share/(doc|man|info|locale|lintian|bug|bash-completion|menu|doc-base|debconf|zsh|gcc|gdb|"
                      r"common-licenses|i18n|polkit-1)|etc/(init\.d|logrotate\.d|default|cron\.[a-z]+|ufw)|"
                      r"(usr/)?lib/(systemd|udev|init))(/|$)")
# Needed to install or to manage a system, not to run one program.
NOT_NEEDED = {"adduser", "debconf", "cdebconf", "debconf-2.0", "dpkg", "perl", "perl-base", "init-system-helpers", "lsb-base",
              "sysvinit-utils", "usrmerge", "usr-is-merged", "passwd", "iproute2", "ucf", "sensible-utils", "debianutils",
              "libfile-find-rule-perl", "libelogind0", "base-files", "openssl", "publicsuffix"}


def closure(packages):
    """The packages and what they depend on, sorted. Of alternatives the first is taken."""
    found, wanted = set(), list(packages)
    while wanted:
        shown = subprocess.run(["apt-cache", "show", "--no-all-versions", *sorted(set(wanted))], capture_output=True, text=True,
                               check=True).stdout
        found.update(wanted)
        needed = set()
        for line in shown.splitlines():
            if line.startswith(("Depends: ", "Pre-Depends: ")):
                for clause in line.partition(": ")[2].split(","):
                    needed.add(re.split(r"[ (:|]", clause.strip())[0])
        wanted = sorted(needed - found - NOT_NEEDED)
    return sorted(found)


def download(packages, cache):
    """Paths of the .deb files, from the cache or by apt-get download."""
    os.makedirs(cache, exist_ok=True)
    with tempfile.TemporaryDirectory() as empty:  # apt leaves out what stands in the current directory already
        uris = subprocess.run(["apt-get", "download", "--print-uris", *packages], capture_output=True, text=True, check=True,
                              cwd=empty).stdout
    names = re.findall(r"^'[^']+' (\S+) ", uris, re.M)
    if any(not os.path.exists(f"{cache}/{name}") for name in names):
        user = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
        subprocess.run(["apt-get", "-qq", *user, "download", *packages], check=True, cwd=cache)
    return [f"{cache}/{name}" for name in names]


def unpack(tree, deb):
    stream = subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
        for info in tar:
            name = _merged(os.path.normpath(info.name))
            if name == "." or LEFT_OUT.match(name):
                continue
            if info.isdir() and (name in MERGED or name in tree.entries):
                continue
            entry = plain(info, name)
            if info.islnk():
                entry.linkname = _merged(os.path.normpath(info.linkname))
            tree.put(entry, tar.extractfile(info).read() if info.isreg() else b"")


def _merged(name):
    return f"usr/{name}" if name.split("/")[0] in MERGED and "/" in name else name


def base_tree():
    """The directories and links that base-files and base-passwd would set up."""
    tree = Tree()
    for path in ("etc", "usr", "var", "proc", "sys", "dev", "run", "home", "mnt", "opt", "srv", "var/log", "var/lib",
                 "var/cache", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64"):
        tree.directory(path)
    tree.directory("root", 0o700)
    tree.directory("tmp", 0o1777)
    tree.directory("var/tmp", 0o1777)
    for name in ("bin", "sbin", "lib", "lib64"):
        tree.link(name, f"usr/{name}")
    tree.link("var/run", "/run")
    return tree


def add_accounts(tree, accounts):
    """accounts: (name, uid, home). /etc/passwd and /etc/group with root, www-data, nobody and these."""
    everyone = [("root", 0, "/root", "/bin/bash"), ("www-data", 33, "/var/www", "/usr/sbin/nologin"),
                ("nobody", 65534, "/nonexistent", "/usr/sbin/nologin")]
    everyone += [(name, uid, home, "/usr/sbin/nologin") for name, uid, home in accounts]
    tree.file("etc/passwd", "".join(f"{n}:x:{u}:{u}:{n}:{h}:{s}\n" for n, u, h, s in everyone).encode())
    groups = [(n if n != "nobody" else "nogroup", u) for n, u, _, _ in everyone]
    tree.file("etc/group", "".join(f"{n}:x:{g}:\n" for n, g in groups).encode())
