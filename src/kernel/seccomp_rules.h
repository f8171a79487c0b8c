// Between the profile and the program: the rules of each system call with names turned into numbers, and their
// compilation to classic BPF. Internal to the seccomp compiler (seccomp.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "kernel/bpf.h"

namespace hull::kernel {

enum class ArgOp { Ne, Lt, Le, Eq, Ge, Gt, MaskedEq };

struct ArgCondition {
  unsigned index = 0;          // 0-5
  ArgOp op = ArgOp::Eq;
  uint64_t value = 0;          // MaskedEq: the mask
  uint64_t masked_value = 0;   // MaskedEq alone: what (argument & mask) must be
};

struct CallRule {
  uint32_t ret = 0;  // SECCOMP_RET_* with its data
  std::vector<ArgCondition> conditions;  // ANDed
};

// What one system call gets: the first conditional rule that matches, else `otherwise`.
struct CallVerdict {
  std::vector<CallRule> conditional;
  uint32_t otherwise = 0;
};

// One architecture's calls; numbers not in the map get `otherwise`, those above `last_known` get `beyond`.
struct CallTable {
  std::map<uint32_t, CallVerdict> calls;
  uint32_t otherwise = 0;
  uint32_t last_known = 0;
  uint32_t beyond = 0;
};

// Emits the decision over the number in A (a balanced tree over ranges) and returns where it begins.
BpfAssembler::Label emit_call_table(BpfAssembler& assembler, const CallTable& table);

// Order of the actions, strictest first: 0 is kill process. For SECCOMP_RET_* values.
int strictness(uint32_t ret);

}  // namespace hull::kernel
