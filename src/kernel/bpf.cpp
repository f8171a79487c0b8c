#include "kernel/bpf.h"

namespace hull::kernel {

// A branch's offset has eight bits; two trampolines may come between the branch and its targets.
static constexpr size_t kReach = 255 - 2;

BpfAssembler::Label BpfAssembler::place(uint16_t code, uint32_t k) {
  reversed_.push_back({code, 0, 0, k});
  return reversed_.size() - 1;
}

BpfAssembler::Label BpfAssembler::statement(uint16_t code, uint32_t k, Label next) {
  if (distance(next) > 0) place(BPF_JMP | BPF_JA, static_cast<uint32_t>(distance(next)));
  return place(code, k);
}

BpfAssembler::Label BpfAssembler::ret(uint32_t value) {
  for (auto& [known, label] : returns_) {
    if (known != value) continue;
    if (distance(label) > kReach / 2) label = place(BPF_RET | BPF_K, value);
    return label;
  }
  Label label = place(BPF_RET | BPF_K, value);
  returns_.emplace_back(value, label);
  return label;
}

BpfAssembler::Label BpfAssembler::within_reach(Label target) {
  if (distance(target) <= kReach) return target;
  return place(BPF_JMP | BPF_JA, static_cast<uint32_t>(distance(target)));
}

BpfAssembler::Label BpfAssembler::branch(uint16_t op, uint32_t k, Label yes, Label no) {
  yes = within_reach(yes);
  no = within_reach(no);
  reversed_.push_back({static_cast<uint16_t>(BPF_JMP | BPF_K | op), static_cast<uint8_t>(distance(yes)),
                       static_cast<uint8_t>(distance(no)), k});
  return reversed_.size() - 1;
}

std::vector<sock_filter> BpfAssembler::finish() && { return {reversed_.rbegin(), reversed_.rend()}; }

}  // namespace hull::kernel
