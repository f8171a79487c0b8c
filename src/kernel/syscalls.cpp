#include "kernel/syscalls.h"

#include <algorithm>
#include <iterator>

namespace hull::kernel {

namespace {
// Without pointers, each of which would have to be relocated at every start of hull.
struct Row {
  char text[30];
  int16_t x86_64, i386, x32;
  constexpr std::string_view name() const { return text; }
  int number(SyscallArch arch) const {
    return arch == SyscallArch::X86_64 ? x86_64 : arch == SyscallArch::I386 ? i386 : x32;
  }
};
constexpr Row kRows[] = {
#include "kernel/syscalls_x86.inc"
};
constexpr uint32_t base(SyscallArch arch) { return arch == SyscallArch::X32 ? kX32Bit : 0; }
}  // namespace

static_assert(std::is_sorted(std::begin(kRows), std::end(kRows), [](const Row& a, const Row& b) { return a.name() < b.name(); }));

std::optional<uint32_t> syscall_number(SyscallArch arch, std::string_view name) {
  const Row* row = std::lower_bound(std::begin(kRows), std::end(kRows), name,
                                    [](const Row& candidate, std::string_view key) { return candidate.name() < key; });
  if (row == std::end(kRows) || row->name() != name) return std::nullopt;
  int number = row->number(arch);
  if (number < 0) return std::nullopt;
  return static_cast<uint32_t>(number) | base(arch);
}

std::vector<uint32_t> unused_numbers(SyscallArch arch) {
  std::vector<bool> used;
  for (const Row& row : kRows) {
    int number = row.number(arch);
    if (number < 0) continue;
    if (static_cast<size_t>(number) >= used.size()) used.resize(static_cast<size_t>(number) + 1);
    used[static_cast<size_t>(number)] = true;
  }
  std::vector<uint32_t> unused;
  for (uint32_t number = 0; number < used.size(); ++number)
    if (!used[number]) unused.push_back(number | base(arch));
  return unused;
}

std::string_view syscall_name(uint32_t number) {
  for (const Row& row : kRows)
    if (row.x86_64 >= 0 && static_cast<uint32_t>(row.x86_64) == number) return row.name();
  return {};
}

}  // namespace hull::kernel
