// The stage of the hooks: hull's own have their turn once all is mounted, then the container's, before the host's tree goes.
#include "sandbox/compiler.h"

namespace hull::sandbox {

void append_hooks(LaunchPlan& plan, const std::vector<oci::Hook>& hooks, const char* kind, std::string_view state) {
  for (size_t i = 0; i < hooks.size(); ++i) {
    const oci::Hook& hook = hooks[i];
    std::vector<std::string> words = hook.args.empty() ? std::vector<std::string>{hook.path} : hook.args;
    Step step{StepKind::RunHook, {static_cast<uint64_t>(hook.timeout.value_or(0)), words.size()}, {}};
    step.texts = {format("hooks.{}[{}]", kind, i), hook.path, std::string(state)};
    step.texts.insert(step.texts.end(), words.begin(), words.end());
    step.texts.insert(step.texts.end(), hook.env.begin(), hook.env.end());
    plan.steps.push_back(std::move(step));
  }
}

Result<> compile_hooks(Compiler& c) {
  if (c.options.host_hooks) c.add(StepKind::WaitHooks);
  append_hooks(c.plan, c.spec.hooks.create_container, "createContainer", c.options.hook_state);
  return {};
}

}  // namespace hull::sandbox
