#include "kernel/bpf.h"

#include <cstring>

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

std::optional<uint32_t> run_filter(const std::vector<sock_filter>& program, const seccomp_data& call) {
  uint32_t a = 0;
  for (size_t pc = 0; pc < program.size(); ++pc) {
    const sock_filter& ins = program[pc];
    bool taken = false;
    switch (ins.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (ins.k % 4 != 0 || ins.k + 4 > sizeof call) return std::nullopt;
        std::memcpy(&a, reinterpret_cast<const char*>(&call) + ins.k, 4);
        continue;
      case BPF_ALU | BPF_AND | BPF_K: a &= ins.k; continue;
      case BPF_RET | BPF_K: return ins.k;
      case BPF_JMP | BPF_JA: pc += ins.k; continue;
      case BPF_JMP | BPF_JEQ | BPF_K: taken = a == ins.k; break;
      case BPF_JMP | BPF_JGT | BPF_K: taken = a > ins.k; break;
      case BPF_JMP | BPF_JGE | BPF_K: taken = a >= ins.k; break;
      case BPF_JMP | BPF_JSET | BPF_K: taken = (a & ins.k) != 0; break;
      default: return std::nullopt;
    }
    pc += taken ? ins.jt : ins.jf;
  }
  return std::nullopt;
}

}  // namespace hull::kernel
