/* Run in a container: tries what the default seccomp filter and the device rules must refuse, and prints one line a
 * finding that is wrong. Static, without arguments; exits 0 if all is as it should be. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <unistd.h>

static int wrong;
static void expect(const char *what, long number, int held) {
    if (held) return;
    printf("%s %ld: errno %d\n", what, number, errno);
    wrong = 1;
}

static int allowed_family(long family) {
    return family == 1 || family == 2 || family == 10 || family == 16 || family == 17;
}

static void sockets(void) {
    for (long family = 0; family < 64; ++family)
        for (int high = 0; high < 3; ++high) {
            uint64_t value = (uint64_t)family | (high == 1 ? 1ull << 32 : high == 2 ? 1ull << 63 : 0);
            errno = 0;
            long fd = syscall(SYS_socket, value, 1, 0);
            /* An allowed family may still fail for want of privilege or kernel support, but then by the kernel. */
            expect("socket family", family, allowed_family(family) || (fd < 0 && errno == EPERM));
            if (fd >= 0) close((int)fd);
        }
    errno = 0;
    expect("AF_UNIX", 1, syscall(SYS_socket, 1, 1, 0) >= 0);
}

static long int80(long number) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(0), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
    return result;
}

static void foreign_architectures(void) {
    expect("i386 getpid", 20, int80(20) == -ENOSYS);
    errno = 0;
    expect("x32 getpid", 39, syscall(0x40000000 | 39) == -1 && errno == ENOSYS);
}

static void denied_calls(void) {
    static const long denied[] = {SYS_unshare, SYS_setns, SYS_mount, SYS_keyctl, SYS_add_key, SYS_bpf, SYS_userfaultfd,
                                  SYS_io_uring_setup, SYS_perf_event_open, SYS_fsopen, SYS_kexec_load, SYS_init_module};
    for (unsigned i = 0; i < sizeof denied / sizeof *denied; ++i) {
        errno = 0;
        expect("denied call", denied[i], syscall(denied[i], 0, 0, 0, 0, 0) == -1 && errno == EPERM);
    }
    errno = 0;
    expect("clone3", SYS_clone3, syscall(SYS_clone3, 0, 0) == -1 && errno == ENOSYS);
    errno = 0;
    expect("TIOCSTI with a high bit", 0, syscall(SYS_ioctl, 0, 0x100005412ull, "x") == -1 && errno == EPERM);
}

int main(void) {
    sockets();
    foreign_architectures();
    denied_calls();
    return wrong;
}
