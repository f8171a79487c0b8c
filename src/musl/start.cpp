// The start of the release build. musl relocates a static-pie program by itself, but before 1.2.4 not from the compact table
// (DT_RELR), which is a twentieth of the plain one in size, and it leaves what is then constant writable. And what libgcc
// asks glibc for when something is thrown: where the program's unwind tables are.
#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

// Of the linker.
extern "C" __attribute__((visibility("hidden"))) const char __ehdr_start[];
extern "C" __attribute__((visibility("hidden"))) const char _end[];
extern "C" __attribute__((visibility("hidden"))) Elf64_Dyn _DYNAMIC[];

static uintptr_t base() { return reinterpret_cast<uintptr_t>(__ehdr_start); }

static const Elf64_Phdr* find_segment(Elf64_Word type) {
  const auto* header = reinterpret_cast<const Elf64_Ehdr*>(__ehdr_start);
  const auto* segments = reinterpret_cast<const Elf64_Phdr*>(base() + header->e_phoff);
  for (int i = 0; i < header->e_phnum; ++i)
    if (segments[i].p_type == type) return &segments[i];
  return nullptr;
}

// Nothing is relocated yet: no address of data, no call into the C library.
extern "C" __attribute__((visibility("hidden"), used)) void hull_relocate() {
  const Elf64_Xword* entry = nullptr;
  Elf64_Dyn* size = nullptr;
  for (Elf64_Dyn* tag = _DYNAMIC; tag->d_tag != DT_NULL; ++tag) {
    if (tag->d_tag == DT_RELR) entry = reinterpret_cast<const Elf64_Xword*>(base() + tag->d_un.d_ptr);
    if (tag->d_tag == DT_RELRSZ) size = tag;
  }
  if (entry == nullptr || size == nullptr) return;
  const Elf64_Xword* end = entry + size->d_un.d_val / sizeof *entry;
  size->d_un.d_val = 0;  // a musl that knows the table finds it done
  for (uintptr_t* where = nullptr; entry != end; ++entry) {
    if ((*entry & 1) == 0) {  // an address; the next entries are maps of the 63 words that follow it
      where = reinterpret_cast<uintptr_t*>(base() + *entry);
      *where++ += base();
      continue;
    }
    for (Elf64_Xword map = *entry >> 1; map != 0; map &= map - 1) where[__builtin_ctzll(map)] += base();
    where += 63;
  }
}

asm(R"(
  .text
  .globl hull_start
  .hidden hull_start
  .type hull_start, @function
hull_start:
  xor %ebp, %ebp
  mov %rsp, %rbx
  and $-16, %rsp
  call hull_relocate
  mov %rbx, %rsp
  xor %edx, %edx
  jmp _start
)");

// Relocated, constant data is constant (RELRO). Before every other constructor.
__attribute__((constructor(101))) static void protect() {
  const Elf64_Phdr* segment = find_segment(PT_GNU_RELRO);
  if (segment == nullptr) return;
  constexpr uintptr_t kPage = 4096;
  uintptr_t from = (base() + segment->p_vaddr) & ~(kPage - 1), to = (base() + segment->p_vaddr + segment->p_memsz) & ~(kPage - 1);
  if (to > from) ::mprotect(reinterpret_cast<void*>(from), to - from, PROT_READ);
}

extern "C" int _dl_find_object(void* address, dl_find_object* found) noexcept {
  auto at = reinterpret_cast<uintptr_t>(address);
  const Elf64_Phdr* segment = find_segment(PT_GNU_EH_FRAME);
  if (segment == nullptr || at < base() || at >= reinterpret_cast<uintptr_t>(_end)) return -1;
  std::memset(found, 0, sizeof *found);
  found->dlfo_map_start = reinterpret_cast<void*>(base());
  found->dlfo_map_end = const_cast<char*>(_end);
  found->dlfo_eh_frame = reinterpret_cast<void*>(base() + segment->p_vaddr);
  return 0;
}
