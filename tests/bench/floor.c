// The kernel's floor for one container: nothing but the system calls, in one process that forks one child per round.
// All namespaces, cgroups in every hierarchy, overlay root, /proc, /dev, devpts, shm, mqueue, /sys, masked and
// read-only paths, pivot_root, hostname, loopback, capabilities, seccomp, exec, reap, remove. `make bench` compares
// hull with it. What it leaves out is what an engine adds: records, a shim, pipes, checks. Errors end it: exit 1.
//
//   floor ROUNDS LOWERDIR STATEDIR CGROUP-NAME [--time] [--no-cgroup]     prints one duration in microseconds a line
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/if.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MS_REC_SLAVE ((1 << 14) | (1 << 19))
#define MAX_HIERARCHIES 32

struct hierarchy { int fd; int v2; int cpuset; char cpus[128], mems[128]; };
static struct hierarchy groups[MAX_HIERARCHIES];
static int group_count, use_time, use_cgroup = 1;
static const char *lower, *state_path;

static void die(const char* what) { fprintf(stderr, "floor: %s: %s\n", what, strerror(errno)); _exit(1); }
static int must(int result, const char* what) { if (result < 0) die(what); return result; }

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void read_small(int dir, const char* name, char* into, size_t size) {
  int fd = must(openat(dir, name, O_RDONLY | O_CLOEXEC), name);
  ssize_t n = read(fd, into, size - 1);
  into[n > 0 ? n : 0] = 0;
  close(fd);
}

static void write_small(int dir, const char* name, const char* text) {
  int fd = must(openat(dir, name, O_WRONLY | O_CLOEXEC), name);
  must((int)write(fd, text, strlen(text)), name);
  close(fd);
}

static void find_hierarchies(void) {
  FILE* file = fopen("/proc/self/mountinfo", "re");
  char line[4096], path[1024];
  while (file && fgets(line, sizeof line, file)) {
    char* tail = strstr(line, " - ");
    if (!tail || strncmp(tail + 3, "cgroup", 6) != 0 || sscanf(line, "%*s %*s %*s %*s %1023s", path) != 1) continue;
    struct hierarchy* group = &groups[group_count];
    group->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (group->fd < 0) continue;
    group->v2 = strncmp(tail + 3, "cgroup2", 7) == 0;
    group->cpuset = !group->v2 && faccessat(group->fd, "cpuset.cpus", F_OK, 0) == 0;
    if (group->cpuset) {
      read_small(group->fd, "cpuset.cpus", group->cpus, sizeof group->cpus);
      read_small(group->fd, "cpuset.mems", group->mems, sizeof group->mems);
    }
    if (++group_count == MAX_HIERARCHIES) break;
  }
  if (file) fclose(file);
}

// --- one round: the parent's side ---

static int make_cgroups(const char* name) {
  int v2 = -1;
  for (int i = 0; use_cgroup && i < group_count; i++) {
    must(mkdirat(groups[i].fd, name, 0755), "mkdir cgroup");
    if (groups[i].v2) v2 = must(openat(groups[i].fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open cgroup");
    if (!groups[i].cpuset) continue;
    int dir = must(openat(groups[i].fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "open cpuset");
    write_small(dir, "cpuset.cpus", groups[i].cpus);
    write_small(dir, "cpuset.mems", groups[i].mems);
    close(dir);
  }
  return v2;
}

static void remove_cgroups(const char* name) {
  for (int i = 0; use_cgroup && i < group_count; i++)
    for (int tries = 0; unlinkat(groups[i].fd, name, AT_REMOVEDIR) < 0 && errno == EBUSY && tries < 1000; tries++)
      usleep(100);
}

static void make_state(int state) {
  must(mkdirat(state, "c", 0700), "mkdir");
  must(mkdirat(state, "c/upper", 0755), "mkdir");
  must(mkdirat(state, "c/work", 0700), "mkdir");
  must(mkdirat(state, "c/root", 0755), "mkdir");
}

static void remove_tree(int dir, const char* const* names) {
  for (; *names; names++)
    if (unlinkat(dir, *names, AT_REMOVEDIR) < 0 && unlinkat(dir, *names, 0) < 0 && errno != ENOENT) die(*names);
}

static void remove_state(int state) {
  static const char* const names[] = {"c/work/work/incompat/volatile/dirty", "c/work/work/incompat/volatile", "c/work/work/incompat", "c/work/work", "c/work",
                                      "c/upper/dev", "c/upper/proc", "c/upper/sys", "c/upper", "c/root", "c", NULL};
  remove_tree(state, names);
}

// --- one round: the child's side ---

static int new_fs(const char* type, const char* const* options, unsigned attributes) {
  int fs = must((int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC), type);
  for (; options && *options; options += 2)
    must((int)syscall(SYS_fsconfig, fs, options[1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, options[0], options[1], 0),
         options[0]);
  must((int)syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), type);
  int tree = must((int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes), "fsmount");
  close(fs);
  return tree;
}

static void attach(int tree, int root, const char* at) {
  must((int)syscall(SYS_move_mount, tree, "", root, at, MOVE_MOUNT_F_EMPTY_PATH), at);
}

static void mount_at(int root, const char* at, const char* type, const char* const* options, unsigned attributes) {
  int tree = new_fs(type, options, attributes);
  attach(tree, root, at);
  close(tree);
}

static void make_dev(int root) {
  static const struct { const char* name; int major, minor; } nodes[] = {
      {"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
  static const char* const links[][2] = {{"/proc/self/fd", "fd"}, {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
                                         {"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"}, {"/proc/kcore", "core"}};
  static const char* const dev_options[] = {"mode", "0755", "size", "65536k", NULL};
  static const char* const pts_options[] = {"newinstance", NULL, "ptmxmode", "0666", "mode", "0620", "gid", "5", NULL};
  static const char* const shm_options[] = {"mode", "1777", "size", "65536k", NULL};
  int dev = new_fs("tmpfs", dev_options, MOUNT_ATTR_NOSUID);
  for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
    must(mknodat(dev, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)), nodes[i].name);
  for (size_t i = 0; i < sizeof links / sizeof *links; i++) must(symlinkat(links[i][0], dev, links[i][1]), "symlink");
  must(mkdirat(dev, "pts", 0755), "pts");
  must(mkdirat(dev, "shm", 01777), "shm");
  must(mkdirat(dev, "mqueue", 0755), "mqueue");
  attach(dev, root, "dev");
  mount_at(dev, "pts", "devpts", pts_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
  mount_at(dev, "shm", "tmpfs", shm_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV);
  mount_at(dev, "mqueue", "mqueue", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV);
  close(dev);
}

static void read_only(int root, const char* path) {
  int tree = (int)syscall(SYS_open_tree, root, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  if (tree < 0 && errno == ENOENT) return;
  must(tree, path);
  struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
  must((int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr), path);
  attach(tree, root, path);
  close(tree);
}

static void mask(int root, const char* path) {
  struct stat st;
  if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) < 0) return;
  if (S_ISDIR(st.st_mode)) {
    mount_at(root, path, "tmpfs", NULL, MOUNT_ATTR_RDONLY);
    return;
  }
  int null = must((int)syscall(SYS_open_tree, root, "dev/null", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), "dev/null");
  attach(null, root, path);
  close(null);
}

static void make_root(void) {
  static const char* const masked[] = {"proc/acpi", "proc/asound", "proc/interrupts", "proc/kcore", "proc/keys",
      "proc/latency_stats", "proc/sched_debug", "proc/scsi", "proc/timer_list", "proc/timer_stats", "sys/firmware",
      "sys/devices/virtual/powercap", NULL};
  static const char* const locked[] = {"proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger", NULL};
  const char* const options[] = {"lowerdir", lower, "upperdir", "c/upper", "workdir", "c/work", "volatile", NULL, NULL};
  must((int)syscall(SYS_mount, NULL, "/", NULL, MS_REC_SLAVE, NULL), "propagation");
  must(chdir(state_path), "chdir");  // by path: a descriptor from before clone3 is in the parent's mount namespace
  int root = new_fs("overlay", options, 0);
  attach(root, AT_FDCWD, "c/root");
  mount_at(root, "proc", "proc", NULL, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV);
  make_dev(root);
  mount_at(root, "sys", "sysfs", NULL, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NODEV);
  for (const char* const* path = locked; *path; path++) read_only(root, *path);
  for (const char* const* path = masked; *path; path++) mask(root, *path);
  must(fchdir(root), "fchdir");
  must((int)syscall(SYS_pivot_root, ".", "."), "pivot_root");
  must((int)syscall(SYS_umount2, ".", 2), "umount2");
  must(chdir("/"), "chdir");
}

static void loopback_up(void) {
  struct ifreq request = {.ifr_name = "lo"};
  int fd = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
  request.ifr_flags = IFF_UP;
  must(ioctl(fd, 0x8914 /* SIOCSIFFLAGS */, &request), "lo up");
  close(fd);
}

static void drop_capabilities(void) {
  const uint64_t keep = 0xa80425fb;  // docker's default fourteen
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{keep, keep, 0}, {0, 0, 0}};
  for (int cap = 0; cap <= 40; cap++)
    if (!(keep >> cap & 1)) must(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0), "bounding set");
  must((int)syscall(SYS_capset, &header, data), "capset");
}

// A tree of the size of the default profile's: 64 ranges of syscall numbers, decided in six comparisons.
static unsigned short emit_tree(struct sock_filter* code, unsigned short at, int low, int high) {
  if (high - low < 8) {
    code[at] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, low >= 448 ? SECCOMP_RET_ERRNO | 38 : SECCOMP_RET_ALLOW);
    return at + 1;
  }
  int middle = (low + high) / 2;
  unsigned short right = emit_tree(code, at + 1, low, middle);
  code[at] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, middle, right - at - 1, 0);
  return emit_tree(code, right, middle, high);
}

static void load_seccomp(void) {
  static struct sock_filter code[256] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
  struct sock_fprog program = {emit_tree(code, 4, 0, 512), code};
  must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
  must((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "seccomp");
}

static void child(const char* name) {
  char tasks[300];
  snprintf(tasks, sizeof tasks, "%s/tasks", name);
  for (int i = 0; use_cgroup && i < group_count; i++)
    if (!groups[i].v2) write_small(groups[i].fd, tasks, "0");
  must(unshare(CLONE_NEWCGROUP), "cgroup namespace");
  make_root();
  loopback_up();
  must(sethostname("floor", 5), "hostname");
  must(setsid(), "setsid");
  drop_capabilities();
  load_seccomp();
  must((int)syscall(SYS_close_range, 3, ~0u, 0), "close_range");
  char* const arguments[] = {"true", NULL};
  char* const environment[] = {"PATH=/bin", NULL};
  execve("/bin/true", arguments, environment);
  die("exec /bin/true");
}

static void one_round(int state, const char* name) {
  make_state(state);
  int v2 = make_cgroups(name);
  int pidfd = -1;
  struct clone_args args = {.flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWPID | CLONE_PIDFD,
                            .pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD};
  if (v2 >= 0) args.flags |= CLONE_INTO_CGROUP, args.cgroup = (uint64_t)v2;
  if (use_time) must(unshare(0x80 /* CLONE_NEWTIME: for children */), "time namespace");
  int pid = must((int)syscall(SYS_clone3, &args, sizeof args), "clone3");
  if (pid == 0) child(name);
  siginfo_t info;
  must(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED), "waitid");
  close(pidfd);
  if (v2 >= 0) close(v2);
  if (info.si_code != CLD_EXITED || info.si_status != 0) { fprintf(stderr, "floor: the child failed\n"); exit(1); }
  remove_cgroups(name);
  remove_state(state);
}

int main(int argc, char** argv) {
  if (argc < 5) { fprintf(stderr, "usage: floor ROUNDS LOWERDIR STATEDIR CGROUP-NAME [--time] [--no-cgroup]\n"); return 2; }
  for (int i = 5; i < argc; i++) {
    use_time |= strcmp(argv[i], "--time") == 0;
    use_cgroup &= strcmp(argv[i], "--no-cgroup") != 0;
  }
  lower = argv[2], state_path = argv[3];
  int state = must(open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC), argv[3]);
  find_hierarchies();
  for (int round = atoi(argv[1]); round > 0; round--) {
    int64_t start = now_ns();
    one_round(state, argv[4]);
    printf("%.1f\n", (double)(now_ns() - start) / 1000);
  }
  return 0;
}
