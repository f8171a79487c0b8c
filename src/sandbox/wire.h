// The plan's wire form: what hull writes into a memory file and hull-init reads. Plain C++ without any library, so
// that both sides share it. A plan is a WireHeader followed by its steps; a step is a WireStep followed by its texts
// (each: uint32_t size without the NUL, the bytes, a NUL) and is padded to eight bytes.
//
//   hull                                    hull-init
//    |-- clone, exec from sealed memfd ------->|
//    |   fds: 3 control, 4 plan, 5 console     |-- runs the steps in order
//    |-- 'M' (made from outside) ------------->|   (step WaitOutside; with a descriptor: of the root's mount where only
//    |                                         |    hull can make it, an overlay in a user namespace; or of the whole
//    |                                         |    plan, where hull-init was given its beginning; and, as many as the
//    |                                         |    second byte says, of the groups' files)
//    |<- WireTrace kNamespacesMark ------------|   (step TellNamespaces: what /proc shows of us is the container's)
//    |<- WireTrace kReadyMark -----------------|   (step WaitHooks: all is mounted; hull runs its hooks)
//    |-- 'H' (go on) ------------------------->|
//    |<- WireTrace kReadyMark -----------------|   (step WaitGo, where hull asked for it: every namespace is made)
//    |-- 'G' and our pid as hull sees it ----->|   (step WaitGo, just before exec: the record is on disk)
//    |<- WireFailure, then exit 1 -------------|   a step failed
//    |<- end of file --------------------------|   exec succeeded (the socket is close-on-exec)
//   console fd 5: the pty's master goes to whoever holds the other end (SCM_RIGHTS)
#pragma once

#include <stdint.h>

namespace hull::sandbox {

enum class StepKind : uint32_t {
  // numbers and texts of each; "dst" is a path inside the new root, resolved there and nowhere else
  WaitOutside,     // -; hull has made the groups, written the id maps
  EnterCgroup,     // n0: first passed descriptor, or 0 for those that came with 'M', n1: their number; texts: files; "0" is written to each
  EnterTimeNs,     // n0: passed descriptor of a time namespace
  NewNetNs,        // -
  NewCgroupNs,     // -
  NewTimeNs,       // texts: the lines for timens_offsets
  TellNamespaces,  // -; all namespaces are made
  Birth,           // n0: CLONE_NEW*; the rest of the plan is run by a process made here, with hull for its parent
  NewSession,      // n0: 1 = with standard input for its terminal
  BecomeRoot,      // -; uid and gid 0 of the new user namespace
  Loopback,        // -; bring lo up
  Propagation,     // n0: MS_* propagation of the whole tree
  DetachMounts,    // texts: mount points of the host that this mount namespace is to do without
  RootBind,        // n0: 1 = recursive, n1: MS_* propagation; texts: source, mount point
  RootOverlay,     // n0: 1 = volatile, n1: 1 = userxattr, n2: 1 = made by hull, came with 'M'; texts: mount point, upper, work, lowers top first
  MountFs,         // n0: MOUNT_ATTR_*, n1: 1 = begins as a copy of dst, n2: 1 = takes dst's mode, n3: propagation, n5: 1 = may stand inside /proc;
                   // texts: dst, fs type, source, options…
  MountBind,       // n0: attr set, n1: attr clear, n2: 1 = recursive, or 256 * a passed descriptor of a mount; n3: propagation, n4: attr recursive,
                   // n5: 1 = may stand inside /proc; texts: dst, source
  MountCgroup1,    // n0: MOUNT_ATTR_*; texts: dst, then pairs name, controllers
  BindCgroup1,     // n0, n1, n2, n3, n4: as MountBind's; texts: dst, then pairs name, source; "a,b" as name gets links a and b
  MakeNode,        // n0: mode with type, n1: dev, n2: uid, n3: gid; texts: dst
  BindNode,        // texts: dst, source on the host (device nodes where mknod is refused)
  MakeLink,        // texts: dst, target
  MakeDir,         // n0: mode, n1: uid, n2: gid; texts: dst
  WriteFile,       // n0: mode, n1: uid, n2: gid; texts: dst, content
  Console,         // n0: rows, n1: columns, n2: uid, n3: 1 = a later NewSession takes it; opens the pty, binds dev/console, sends the master, takes the slave
  MaskPaths,       // texts: dsts
  ReadonlyPaths,   // texts: dsts
  Remount,         // n0: attr set, n1: attr clear; texts: dst (a mount); "/" is the root itself
  WaitHooks,       // -; all is mounted; hull's own hooks come first
  RunHook,         // n0: timeout in s, n1: number of arguments; texts: name, program, state (\1: our pid), arguments, then environment
  Pivot,           // n0: 1 = move the mount and chroot instead
  Hostname,        // texts: name
  Domainname,      // texts: name
  Sysctl,          // texts: dotted-path with slashes, value
  Rlimit,          // n0: resource, n1: soft, n2: hard
  OomScoreAdj,     // texts: the decimal value
  NewKeyring,      // texts: name
  Scheduler,       // texts[0]: struct sched_attr
  IoPriority,      // n0: the class and priority of ioprio_set(2)
  Affinity,        // texts[0]: the CPU mask
  MemoryPolicy,    // n0: mode and flags of set_mempolicy(2); texts[0]: the node mask
  OpenLabel,       // texts: file of /proc/self/attr
  Label,           // texts: what is written there
  Umask,           // n0
  Personality,     // n0
  SetUser,         // n0: uid, n1: gid, n2: 1 = look HOME up in /etc/passwd, n3: 1 = setgroups refused; blob in texts[0]: gids
  BoundingCaps,    // n0: mask
  SetCaps,         // n0: effective, n1: permitted, n2: inheritable, n3: ambient
  NoNewPrivs,      // -
  Seccomp,         // n0: flags, n1: passed descriptor of a listener's socket; texts: struct sock_filter[], the state for it (\1: our pid)
  Chdir,           // texts: directory
  Reaper,          // -; stay as PID 1, the rest of the plan runs in a child
  WaitGo,          // n0: 1 = say first that all before is done
  FindProgram,     // texts: program, PATH; fails as its exec would
  WaitStart,       // n0: passed descriptor of a fifo, n1: of one that takes what fails afterwards, or 0; lets hull go, waits for a byte
  Hold,            // -; stay as PID 1 of the namespaces and reap, with no program
  Exec,            // n0: number of arguments, n1: 1 = search PATH, n2: passed descriptors that become 3 and up, n3: their number;
                   // texts: arguments, then environment
  Count
};

constexpr uint32_t kWireMagic = 0x4e4c5548;  // "HULN"
constexpr uint32_t kWireVersion = 2;
constexpr uint32_t kStepNumbers = 6;
constexpr int kControlFd = 3;
constexpr int kPlanFd = 4;
constexpr int kConsoleFd = 5;
constexpr int kFirstPassedFd = 6;
constexpr uint32_t kMaxGroupFiles = 31;  // that come with 'M', with one more descriptor

struct WireHeader {
  uint32_t magic, version, step_count, size;  // size: of the whole plan
  int32_t born_pid;  // written into the plan's file by step Birth: the pid of the process it made, as hull sees it
  uint32_t begins;   // 1: its steps are the beginning of a plan that comes with 'M'
};

struct WireStep {
  uint32_t kind, text_count;
  uint32_t size, trace;  // size: with texts and padding
  uint64_t numbers[kStepNumbers];
};

// A text is preceded by its size.
inline uint32_t size_of_text(const char* text) { return *reinterpret_cast<const uint32_t*>(text - sizeof(uint32_t)); }
inline const char* first_text(const WireStep* step) { return reinterpret_cast<const char*>(step + 1) + sizeof(uint32_t); }
inline const char* next_text(const char* text) { return text + ((size_of_text(text) + 4) & ~3u) + sizeof(uint32_t); }

// Whether a step of at most `room` bytes holds its texts, each with its NUL.
inline bool is_sound_step(const WireStep* step, uint64_t room) {
  if (room < sizeof *step || step->size < sizeof *step || step->size > room || step->size % 8 != 0) return false;
  if (step->kind >= static_cast<uint32_t>(StepKind::Count)) return false;
  uint64_t left = step->size - sizeof *step;
  const char* text = first_text(step);
  for (uint32_t i = 0; i < step->text_count; ++i, text = next_text(text)) {
    if (left < sizeof(uint32_t)) return false;
    left -= sizeof(uint32_t);
    uint64_t padded = (uint64_t{size_of_text(text)} + 4) & ~uint64_t{3};
    if (padded > left || text[size_of_text(text)] != '\0') return false;
    left -= padded;
  }
  return true;
}

// Whether `size` bytes, aligned to eight, are a plan that can be walked from the first step to the last text.
inline bool is_sound_plan(const void* data, uint64_t size) {
  auto* header = static_cast<const WireHeader*>(data);
  if (size < sizeof *header || header->magic != kWireMagic || header->version != kWireVersion || header->size != size) return false;
  const char* at = reinterpret_cast<const char*>(header + 1);
  const char* end = static_cast<const char*>(data) + size;
  for (uint32_t i = 0; i < header->step_count; ++i) {
    auto* step = reinterpret_cast<const WireStep*>(at);
    if (!is_sound_step(step, static_cast<uint64_t>(end - at))) return false;
    at += step->size;
  }
  return at == end;
}

// What hull-init says of the step that failed. `detail` names the object (a path, an id).
struct WireFailure {
  uint32_t step;
  int32_t errno_value;
  char call[48];
  char detail[400];
};

// With tracing on, one message of these goes over the control socket just before exec; the first has step kTraceMark.
constexpr uint32_t kTraceMark = 0xffffffff;
struct WireTrace {
  uint32_t step, nanoseconds;
};
constexpr uint32_t kReadyMark = 0xfffffffe;  // one WireTrace alone
constexpr uint32_t kNamespacesMark = 0xfffffffd, kWaitingMark = 0xfffffffc;  // likewise

}  // namespace hull::sandbox
