// A tiny assembler for classic BPF that emits from the last instruction to the first. All jumps of classic BPF go
// forward, so every target is placed before the jump to it and no patching is needed. Conditional jumps reach 255
// instructions; farther targets get a trampoline (`ja`, 32 bits) behind the jump.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace hull::kernel {

class BpfAssembler {
 public:
  using Label = size_t;  // a placed instruction: its distance from the program's end

  // `ret value`; a near one that was placed before is used again.
  Label ret(uint32_t value);
  // A load or an operation on A that goes on at `next`.
  Label statement(uint16_t code, uint32_t k, Label next);
  // if (A <op> k) goto yes else goto no; op is BPF_JEQ, BPF_JGT, BPF_JGE or BPF_JSET.
  Label branch(uint16_t op, uint32_t k, Label yes, Label no);

  size_t size() const { return reversed_.size(); }
  std::vector<sock_filter> finish() &&;

 private:
  size_t distance(Label target) const { return reversed_.size() - target - 1; }
  Label within_reach(Label target);
  Label place(uint16_t code, uint32_t k);

  std::vector<sock_filter> reversed_;
  std::vector<std::pair<uint32_t, Label>> returns_;
};

// What a filter answers to a call, as the kernel would: a SECCOMP_RET_* value; nothing if the program is malformed (jumps
// out, an instruction that no filter of ours has).
std::optional<uint32_t> run_filter(const std::vector<sock_filter>& program, const seccomp_data& call);

}  // namespace hull::kernel
