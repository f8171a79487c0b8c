#include "sandbox/init_image.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

// The program's bytes; HULL_INIT_PATH is the build's hull-init (cmake/freestanding.cmake).
asm(".section .rodata\n"
    ".balign 16\n"
    ".global hull_init_begin\n"
    ".global hull_init_end\n"
    "hull_init_begin: .incbin \"" HULL_INIT_PATH "\"\n"
    "hull_init_end:\n"
    ".byte 0\n"
    ".previous\n");
extern "C" const char hull_init_begin[] __attribute__((visibility("hidden")));
extern "C" const char hull_init_end[] __attribute__((visibility("hidden")));

namespace hull::sandbox {

Result<Fd> make_init_image() {
  Fd image(::memfd_create("hull-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC));
  // KERNEL: MFD_EXEC is refused with EINVAL before Linux 6.3, where memory files are executable anyway; memfd_create(2).
  if (!image) image = Fd(::memfd_create("hull-init", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!image) return fail_errno("memfd_create", "hull-init");
  TRY(write_all(image, {hull_init_begin, static_cast<size_t>(hull_init_end - hull_init_begin)}, "hull-init"));
  if (::fcntl(image.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
    return fail_errno("fcntl", "seal hull-init");
  return image;
}

}  // namespace hull::sandbox
