// Names and numbers of the system calls of x86-64 and its two sub-architectures, up to Linux 6.19.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace hull::kernel {

enum class SyscallArch { X86_64, I386, X32 };
constexpr uint32_t kX32Bit = 0x40000000;  // set in an x32 number as seccomp sees it

// The number as struct seccomp_data has it (x32 with its bit); nothing if the name is unknown there.
std::optional<uint32_t> syscall_number(SyscallArch arch, std::string_view name);
// Numbers below the highest known one that no system call has, ascending.
std::vector<uint32_t> unused_numbers(SyscallArch arch);
// The name of a native number, for messages; empty if unknown.
std::string_view syscall_name(uint32_t number);

}  // namespace hull::kernel
