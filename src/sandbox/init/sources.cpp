// The sources of binds and of a root that is one: opened before any content of the container is reachable, as detached
// copies; or by themselves where mount(2) copies them later (State::old_mounts).
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "sys.h"

namespace hull::init {

// In the plan's order.
constexpr int kMaxBinds = 512;
static int bind_sources[kMaxBinds];
static int next_bind = 0, opened_binds = 0;
static struct { const char* first_step; uint32_t steps; bool becomes_another; } plan;

static uint32_t passed_number(const StepView& step) { return static_cast<uint32_t>(step.number(2) >> 8); }

// KERNEL: a clone of a shared mount is its peer, and what is mounted on it appears at the host's; mount_namespaces(7). So
// its propagation is set at once.
static int open_source(const char* path, bool recursive, uint64_t propagation) {
  if (g_state.old_mounts) return open(path, O_PATH | O_CLOEXEC);
  int tree = sys_open_tree(AT_FDCWD, path, kOpenTreeClone | (recursive ? kAtRecursive : 0));
  return tree >= 0 && propagation != 0 && sys_mount_setattr(tree, true, 0, 0, propagation) != 0 ? -1 : tree;
}

static int open_root_sources(const StepView& step) {
  bool bind = step.wire->kind == static_cast<uint32_t>(StepKind::RootBind);
  const char* mount_point = step.text(bind ? 1 : 0);
  if (g_state.mount_point < 0) g_state.mount_point = open(mount_point, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (g_state.mount_point < 0) return fail("open", mount_point);
  if (!bind) return 0;
  // Soon we are another user, who may search neither: they could not be opened again, nor the masks found.
  if (plan.becomes_another) ask_for_mount_api();
  g_state.root_source = open_source(step.text(0), step.number(0) != 0, step.number(1));
  if (g_state.root_source < 0) return fail("root file system", step.text(0));
  if (!plan.becomes_another || !g_state.old_mounts) return 0;
  g_state.masks = old_masks_mount();
  return g_state.masks < 0 ? -1 : 0;
}

static int open_bind_source(const StepView& step, uint32_t text) {
  if (opened_binds == kMaxBinds) return fail_as(E2BIG, "mount", "more than 512 bind mounts");
  auto passed = static_cast<int>(passed_number(step));
  int source = passed != 0 ? passed : open_source(step.text(text), step.number(2) != 0, step.number(3) == 0 ? MS_PRIVATE : 0);
  if (source < 0) return fail("bind source", step.text(text));
  bind_sources[opened_binds++] = source;
  return 0;
}

static int open_all(uint32_t* failed) {
  const char* at = plan.first_step;
  opened_binds = 0;
  for (uint32_t i = 0; i < plan.steps; ++i) {
    *failed = i;
    auto* wire = reinterpret_cast<const WireStep*>(at);
    at += wire->size;
    auto is = [wire](StepKind kind) { return wire->kind == static_cast<uint32_t>(kind); };
    if (is(StepKind::BecomeRoot)) plan.becomes_another = true;
    if ((is(StepKind::RootBind) || is(StepKind::RootOverlay)) && open_root_sources(StepView{wire, i}) != 0) return -1;
    if ((is(StepKind::MountBind) || is(StepKind::BindNode)) && open_bind_source(StepView{wire, i}, 1) != 0) return -1;
    for (uint32_t text = 2; is(StepKind::BindCgroup1) && text < wire->text_count; text += 2)
      if (open_bind_source(StepView{wire, i}, text) != 0) return -1;
  }
  return 0;
}

int open_sources(const char* first_step, uint32_t steps, uint32_t* failed) {
  plan = {first_step, steps, false};
  bool known = g_state.old_mounts;
  if (open_all(failed) == 0) return 0;
  return !known && g_state.old_mounts ? open_all(failed) : -1;
}

int open_sources_again() {
  uint32_t failed;
  return open_all(&failed);
}

int next_source(const StepView& step) {
  int source = bind_sources[next_bind++];
  if (!g_state.old_mounts) return source;
  if (passed_number(step) != 0) return fail_as(ENOSYS, "a mount whose ids are mapped needs Linux 5.12", step.text(0));
  int staged = old_clone(source, step.number(2) != 0);
  close(source);
  // As open_source() does.
  if (staged < 0 || (step.number(3) == 0 && old_attributes(staged, true, 0, 0, MS_PRIVATE) != 0)) return fail("mount", step.text(1));
  return staged;
}

}  // namespace hull::init
