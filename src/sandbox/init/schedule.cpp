// The steps for how the process is scheduled, and under which label of a security module it runs.
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "sys.h"

namespace hull::init {

int set_scheduler(const StepView& step) {
  if (syscall(SYS_sched_setattr, 0, step.text(0), 0) != 0) return fail("sched_setattr", "process.scheduler");
  return 0;
}

int set_io_priority(const StepView& step) {
  constexpr int kWhoProcess = 1;
  if (syscall(SYS_ioprio_set, kWhoProcess, 0, static_cast<int>(step.number(0))) != 0) return fail("ioprio_set", "process.ioPriority");
  return 0;
}

int set_affinity(const StepView& step) {
  if (syscall(SYS_sched_setaffinity, 0, step.text_size(0), step.text(0)) != 0) return fail("sched_setaffinity", "process.execCPUAffinity");
  return 0;
}

int set_memory_policy(const StepView& step) {
  constexpr unsigned long kBitsPerByte = 8;
  const void* mask = step.text_size(0) != 0 ? step.text(0) : nullptr;
  if (syscall(SYS_set_mempolicy, static_cast<int>(step.number(0)), mask, step.text_size(0) * kBitsPerByte) != 0)
    return fail("set_mempolicy", "linux.memoryPolicy");
  return 0;
}

// Opened while /proc is the host's, or for exec checked to be a procfs: what is mounted in its place could swallow the
// label (CVE-2019-16884). The kernel takes a write only from the memory image that opened the file.
int open_label(const StepView& step) {
  constexpr long kProcMagic = 0x9fa0;
  struct statfs fs;
  g_state.label = open(step.text(0), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (g_state.label < 0) return fail("open", step.text(0));
  if (fstatfs(g_state.label, &fs) != 0 || fs.f_type != kProcMagic) return fail_as(ELOOP, "not a procfs file", step.text(0));
  return 0;
}

int set_label(const StepView& step) {
  if (write(g_state.label, step.text(0), step.text_size(0)) < 0) return fail("write", step.text(0));
  close(g_state.label);
  return 0;
}

}  // namespace hull::init
