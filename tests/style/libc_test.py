"""hull is compiled with glibc's headers and released on musl (src/musl/): what it takes from both must be one."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib.hull import Skip, background, binary, check, equal, eventually, scratch  # noqa: E402

HEADERS = """dirent.h errno.h fcntl.h fnmatch.h net/if.h netinet/in.h poll.h regex.h sched.h signal.h spawn.h stdio.h
  stdlib.h sys/epoll.h sys/file.h sys/inotify.h sys/mman.h sys/mount.h sys/resource.h sys/signalfd.h sys/socket.h sys/stat.h
  sys/statvfs.h sys/time.h sys/un.h sys/utsname.h sys/vfs.h sys/wait.h sys/xattr.h termios.h time.h unistd.h wchar.h pthread.h"""
# A type, and its members whose places matter. Who uses another type of the C library adds it.
TYPES = """stat: st_dev st_ino st_mode st_nlink st_uid st_gid st_rdev st_size st_blksize st_blocks st_atim st_mtim st_ctim
  statfs: f_type f_bsize f_blocks f_bfree f_bavail f_files f_ffree f_namelen f_frsize f_flags
  dirent: d_ino d_type d_name
  sigaction: sa_handler sa_mask sa_flags
  msghdr: msg_name msg_namelen msg_iov msg_iovlen msg_control msg_controllen msg_flags
  cmsghdr: cmsg_len cmsg_level cmsg_type
  iovec: iov_base iov_len
  sockaddr_un: sun_family sun_path
  sockaddr_in: sin_family sin_port sin_addr
  sockaddr_in6: sin6_family sin6_port sin6_addr sin6_scope_id
  ucred: pid uid gid
  ifreq: ifr_name ifr_flags
  pollfd: fd events revents
  epoll_event: events data
  inotify_event: wd mask len
  signalfd_siginfo: ssi_signo ssi_code ssi_pid ssi_status
  termios: c_iflag c_oflag c_cflag c_lflag c_cc
  winsize: ws_row ws_col
  rlimit: rlim_cur rlim_max
  timespec: tv_sec tv_nsec
  tm: tm_sec tm_min tm_hour tm_mday tm_mon tm_year tm_wday tm_yday tm_isdst tm_gmtoff tm_zone
  utsname: nodename release machine
  siginfo_t: si_signo si_errno si_code si_pid si_status
  regex_t posix_spawn_file_actions_t cpu_set_t sigset_t mbstate_t pthread_mutex_t pthread_once_t dev_t ino_t off_t time_t mode_t"""
NUMBERS = """_SC_PHYS_PAGES _SC_PAGESIZE _SC_NPROCESSORS_ONLN _SC_CLK_TCK REG_EXTENDED REG_NOSUB FNM_PATHNAME
  O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_PATH O_TMPFILE O_NOCTTY O_NONBLOCK AT_FDCWD AT_EMPTY_PATH AT_SYMLINK_NOFOLLOW
  AT_REMOVEDIR F_DUPFD_CLOEXEC F_ADD_SEALS LOCK_EX LOCK_NB SIGRTMAX SA_RESTART SIG_BLOCK SIG_SETMASK POLLIN POLLPRI MSG_NOSIGNAL
  MSG_PEEK MSG_TRUNC SCM_RIGHTS SO_PEERCRED SOCK_CLOEXEC SOCK_NONBLOCK RLIMIT_NOFILE RLIMIT_RTTIME WNOHANG WNOWAIT WEXITED P_PIDFD
  TCSANOW TCSADRAIN TIOCSWINSZ MAP_ANONYMOUS MREMAP_MAYMOVE MNT_DETACH XATTR_CREATE EWOULDBLOCK ENOTSUP EBFONT IN_CLOEXEC CLOCK_BOOTTIME
  EOF SEEK_END PATH_MAX"""


def probe():
    """A C program that prints the place and size of everything named above."""
    body = []
    for line in TYPES.splitlines():
        name, colon, members = line.strip().partition(":")
        for kind in [name] if colon else name.split():
            spelled = kind if re.search(r"_t$", kind) else f"struct {kind}"
            body.append(f'printf("{kind} %zu\\n", sizeof({spelled}));')
            body += [f'printf("{kind}.{member} %zu\\n", offsetof({spelled}, {member}));' for member in members.split()]
    body += [f'printf("{name} %lld\\n", (long long)({name}));' for name in NUMBERS.split()]
    includes = "".join(f"#include <{name}>\n" for name in HEADERS.split())
    return f"#define _GNU_SOURCE\n#include <stddef.h>\n#include <limits.h>\n{includes}int main(void) {{\n" + "\n".join(body) + "\nreturn 0; }\n"


def told_by(compiler):
    source, program = f"{scratch()}/probe.c", f"{scratch()}/probe-{compiler}"
    with open(source, "w") as file:
        file.write(probe())
    built = subprocess.run([compiler, "-w", "-o", program, source], capture_output=True, text=True)
    equal(built.returncode, 0, built.stderr)
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()


def test_types_and_numbers_are_the_same_in_glibc_and_musl():
    glibc, musl = told_by("gcc"), told_by("musl-gcc")
    check(len(glibc) > 150, f"only {len(glibc)} lines")
    equal([pair for pair in zip(glibc, musl) if pair[0] != pair[1]], [], "glibc's and musl's")


def test_the_program_needs_no_library_and_can_be_anywhere():
    """One file to copy: static, at a random place (PIE), constant data constant (RELRO), no relocation that musl does not know."""
    with open(binary(), "rb") as file:
        if b"__asan_init" in file.read():
            raise Skip("built with sanitizers")
    told = subprocess.run(["readelf", "-hldrW", binary()], capture_output=True, text=True, check=True).stdout
    check("INTERP" not in told and "(NEEDED)" not in told, told)
    check("DYN (Position-Independent" in told and "GNU_RELRO" in told, told)
    check(re.search(r"GNU_STACK.* RW ", told) is not None, told)
    relro = int(re.search(r"GNU_RELRO +\S+ 0x(\w+)", told).group(1), 16)
    with background(binary(), "events") as child:
        eventually(lambda: os.readlink(f"/proc/{child.pid}/exe") == os.path.realpath(binary()) and "anon_inode:inotify" in
                   [os.readlink(f"/proc/{child.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{child.pid}/fd")], what="it has started")
        with open(f"/proc/{child.pid}/maps") as lines:
            maps = [(*(int(end, 16) for end in line.split()[0].split("-")), line.split()[1]) for line in lines]
    rights = next(word for low, high, word in maps if low <= maps[0][0] + relro < high)
    equal(rights, "r--p", "constant data after the start")
    check(not [line for line in maps if "w" in line[2] and "x" in line[2]], str(maps))
    check("Relocation section '.rela.dyn'" not in told, "plain relocations: musl does them, but the start is made for .relr.dyn")
