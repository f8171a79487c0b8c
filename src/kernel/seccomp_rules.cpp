#include "kernel/seccomp_rules.h"

#include <linux/seccomp.h>

#include <algorithm>
#include <cstddef>

namespace hull::kernel {

using Label = BpfAssembler::Label;

int strictness(uint32_t ret) {
  switch (ret & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_KILL_PROCESS: return 0;
    case SECCOMP_RET_KILL_THREAD: return 1;
    case SECCOMP_RET_TRAP: return 2;
    case SECCOMP_RET_ERRNO: return 3;
    case SECCOMP_RET_USER_NOTIF: return 4;
    case SECCOMP_RET_TRACE: return 5;
    case SECCOMP_RET_LOG: return 6;
    default: return 7;
  }
}

namespace {

constexpr uint16_t kLoad = BPF_LD | BPF_W | BPF_ABS;
constexpr uint16_t kAnd = BPF_ALU | BPF_AND | BPF_K;

// The two words of an argument, little endian (x86 alone is compiled).
uint32_t low_word(unsigned index) { return offsetof(seccomp_data, args) + 8 * index; }
uint32_t high_word(unsigned index) { return low_word(index) + 4; }
uint32_t low(uint64_t value) { return static_cast<uint32_t>(value); }
uint32_t high(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

Label emit_equal(BpfAssembler& out, const ArgCondition& c, Label yes, Label no) {
  Label low_test = out.statement(kLoad, low_word(c.index), out.branch(BPF_JEQ, low(c.value), yes, no));
  return out.statement(kLoad, high_word(c.index), out.branch(BPF_JEQ, high(c.value), low_test, no));
}

// Greater than (BPF_JGT) or not less than (BPF_JGE): the low words count only when the high ones are equal.
Label emit_greater(BpfAssembler& out, const ArgCondition& c, uint16_t low_op, Label yes, Label no) {
  Label low_test = out.statement(kLoad, low_word(c.index), out.branch(low_op, low(c.value), yes, no));
  Label high_equal = out.branch(BPF_JEQ, high(c.value), low_test, no);
  return out.statement(kLoad, high_word(c.index), out.branch(BPF_JGT, high(c.value), yes, high_equal));
}

Label emit_masked_word(BpfAssembler& out, uint32_t offset, uint32_t mask, uint32_t wanted, Label yes, Label no) {
  if (mask == 0) return wanted == 0 ? yes : no;
  Label test = out.branch(BPF_JEQ, wanted, yes, no);
  if (mask != UINT32_MAX) test = out.statement(kAnd, mask, test);
  return out.statement(kLoad, offset, test);
}

Label emit_masked(BpfAssembler& out, const ArgCondition& c, Label yes, Label no) {
  Label low_test = emit_masked_word(out, low_word(c.index), low(c.value), low(c.masked_value), yes, no);
  return emit_masked_word(out, high_word(c.index), high(c.value), high(c.masked_value), low_test, no);
}

Label emit_condition(BpfAssembler& out, const ArgCondition& c, Label yes, Label no) {
  switch (c.op) {
    case ArgOp::Eq: return emit_equal(out, c, yes, no);
    case ArgOp::Ne: return emit_equal(out, c, no, yes);
    case ArgOp::Gt: return emit_greater(out, c, BPF_JGT, yes, no);
    case ArgOp::Ge: return emit_greater(out, c, BPF_JGE, yes, no);
    case ArgOp::Le: return emit_greater(out, c, BPF_JGT, no, yes);
    case ArgOp::Lt: return emit_greater(out, c, BPF_JGE, no, yes);
    case ArgOp::MaskedEq: return emit_masked(out, c, yes, no);
  }
  return no;
}

Label emit_verdict(BpfAssembler& out, const CallVerdict& verdict) {
  Label next = out.ret(verdict.otherwise);
  for (auto rule = verdict.conditional.rbegin(); rule != verdict.conditional.rend(); ++rule) {
    Label matched = out.ret(rule->ret);
    for (auto c = rule->conditions.rbegin(); c != rule->conditions.rend(); ++c)
      matched = emit_condition(out, *c, matched, next);
    next = matched;
  }
  return next;
}

// Numbers from `first` to the next range's, with one verdict.
struct Range {
  uint32_t first;
  CallVerdict verdict;
  bool plain() const { return verdict.conditional.empty(); }
};

void append(std::vector<Range>& ranges, uint32_t first, const CallVerdict& verdict) {
  bool same = !ranges.empty() && ranges.back().plain() && verdict.conditional.empty() &&
              ranges.back().verdict.otherwise == verdict.otherwise;
  if (!same) ranges.push_back({first, verdict});
}

std::vector<Range> ranges_of(const CallTable& table) {
  std::vector<Range> ranges;
  uint32_t next = 0;
  for (const auto& [number, verdict] : table.calls) {
    if (number > next) append(ranges, next, {{}, table.otherwise});
    append(ranges, number, verdict);
    next = number + 1;
  }
  if (next <= table.last_known) append(ranges, next, {{}, table.otherwise});
  append(ranges, std::max(next, table.last_known + 1), {{}, table.beyond});
  return ranges;
}

Label emit_tree(BpfAssembler& out, const std::vector<Range>& ranges, size_t begin, size_t end) {
  if (end - begin == 1) return emit_verdict(out, ranges[begin].verdict);
  size_t middle = (begin + end) / 2;
  Label upper = emit_tree(out, ranges, middle, end);
  Label lower = emit_tree(out, ranges, begin, middle);
  return out.branch(BPF_JGE, ranges[middle].first, upper, lower);
}

}  // namespace

Label emit_call_table(BpfAssembler& assembler, const CallTable& table) {
  std::vector<Range> ranges = ranges_of(table);
  return emit_tree(assembler, ranges, 0, ranges.size());
}

}  // namespace hull::kernel
