// malloc(3) and its family for the release build, in place of musl's, which maps and unmaps pages for each size: at a
// container's start they were a twentieth of it.
#include <cerrno>
#include <cstddef>

#include "base/heap.h"

// Enough for every command of a container's life. Its pages cost nothing until they are used.
alignas(16) static std::byte first[256 << 10];
constinit static hull::Heap heap(first, sizeof first);

extern "C" {

void* malloc(size_t size) { return heap.allocate(size); }
void* calloc(size_t count, size_t size) { return heap.allocate_zeroed(count, size); }
void* realloc(void* at, size_t size) { return heap.resize(at, size); }
void free(void* at) { heap.release(at); }
void* aligned_alloc(size_t alignment, size_t size) { return heap.allocate_aligned(alignment, size); }
void* memalign(size_t alignment, size_t size) { return heap.allocate_aligned(alignment, size); }
int posix_memalign(void** at, size_t alignment, size_t size) {
  *at = heap.allocate_aligned(alignment, size);
  return *at != nullptr ? 0 : errno;
}
size_t malloc_usable_size(void* at) { return heap.capacity(at); }

}  // extern "C"
