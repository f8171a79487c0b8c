// What glibc's headers promise and musl has not, or has otherwise. hull is compiled with glibc's headers (its rooms are also
// linked with glibc, in the tests) and released on musl, which keeps glibc's binary interface: tests/style/libc_test.py
// compares the types and the numbers that hull uses.
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <unistd.h>

#include "musl/names.h"

using hull::musl::kErrors;
using hull::musl::kSignals;

static void overflow() {
  constexpr char kText[] = "hull: a buffer is too small: a fault in hull; please report it\n";
  (void)!::write(2, kText, sizeof kText - 1);
  __builtin_trap();
}

extern "C" {

char __libc_single_threaded = 1;  // no program of ours has a second thread (tests/style/forbidden_test.py)

int statx(int directory, const char* path, int flags, unsigned mask, struct statx* status) {
  return static_cast<int>(::syscall(SYS_statx, directory, path, flags, mask, status));
}

int renameat2(int from, const char* old_path, int to, const char* new_path, unsigned flags) {
  return static_cast<int>(::syscall(SYS_renameat2, from, old_path, to, new_path, flags));
}

// The kernel's encoding of a device number in 64 bits (linux/kdev_t.h, as stat(2) gives it).
unsigned gnu_dev_major(unsigned long device) { return static_cast<unsigned>((device >> 32 & 0xfffff000) | (device >> 8 & 0xfff)); }
unsigned gnu_dev_minor(unsigned long device) { return static_cast<unsigned>((device >> 12 & 0xffffff00) | (device & 0xff)); }
unsigned long gnu_dev_makedev(unsigned major, unsigned minor) {
  unsigned long high = major & 0xfffff000, low = major & 0xfff, upper = minor & 0xffffff00;
  return high << 32 | low << 8 | upper << 12 | (minor & 0xff);
}

const char* strerrorname_np(int number) {
  for (const auto& row : kErrors)
    if (row.number == number) return row.name;
  return nullptr;
}

const char* strerrordesc_np(int number) {
  for (const auto& row : kErrors)
    if (row.number == number) return row.text;
  return nullptr;
}

// GNU's, which the headers declare; musl's is POSIX's and gives a number.
char* strerror_r(int number, char* buffer, size_t size) {
  const char* text = strerrordesc_np(number);
  if (text != nullptr) return const_cast<char*>(text);
  ::snprintf(buffer, size, "Unknown error %d", number);
  return buffer;
}

const char* sigabbrev_np(int number) {
  for (const auto& row : kSignals)
    if (row.number == number) return row.name;
  return nullptr;
}

// What _FORTIFY_SOURCE makes of calls whose buffer has a known size.
int __vsnprintf_chk(char* buffer, size_t size, int, size_t real, const char* text, va_list arguments) {
  if (size > real) overflow();
  return ::vsnprintf(buffer, size, text, arguments);
}

int __snprintf_chk(char* buffer, size_t size, int flags, size_t real, const char* text, ...) {
  va_list arguments;
  va_start(arguments, text);
  int written = __vsnprintf_chk(buffer, size, flags, real, text, arguments);
  va_end(arguments);
  return written;
}

void* __memcpy_chk(void* to, const void* from, size_t size, size_t real) {
  if (size > real) overflow();
  return ::memcpy(to, from, size);
}

int __openat_2(int directory, const char* path, int flags) {
  if ((flags & (O_CREAT | O_TMPFILE)) == O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) overflow();  // no mode was given
  return ::openat(directory, path, flags);
}

}  // extern "C"
