#include "engine/share_index.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/text.h"

namespace hull::engine {
std::string ShareIndex::directory(std::string_view name) const { return format("{}/={}", store_, name); }

std::string ShareIndex::path(const std::string& name, const std::string& id, kernel::NsKind kind) const {
  return format("{}/{}.{}", directory(name), id, kernel::ns_info(kind).name);
}

bool ShareIndex::has(const std::string& name, const std::string& id, kernel::NsKind kind) const { return path_exists(path(name, id, kind)); }

bool ShareIndex::exists(std::string_view name) const { return path_exists(directory(name)); }

Result<Fd> ShareIndex::lock(const std::string& name) const {
  std::string path = directory(name);
  for (;;) {
    TRY(make_directories(path, 0700));
    auto lock = open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!lock && lock.error().kind() == ErrorKind::NotFound) continue;  // its last entry went, and it too
    if (!lock) return lock;
    while (::flock(lock->get(), LOCK_EX) != 0)
      if (errno != EINTR) return fail_errno("flock", path);
    struct stat held, there;
    if (::fstat(lock->get(), &held) == 0 && ::stat(path.c_str(), &there) == 0 && held.st_ino == there.st_ino) return lock;
  }
}

Result<> ShareIndex::say(const std::string& name, const std::string& id, kernel::NsKind kind, std::string_view word) const {
  std::string file = path(name, id, kind);
  Fd entry = TRY(open_file(file, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  return write_all(entry, word, file);
}

std::vector<ShareIndex::Entry> ShareIndex::entries(const std::string& name, kernel::NsKind kind) const {
  std::vector<Entry> found;
  std::string suffix = format(".{}", kernel::ns_info(kind).name);
  for (const std::string& file : list_directory(directory(name))) {
    if (!file.ends_with(suffix)) continue;
    std::string word = read_file(directory(name) + "/" + file, 64).value_or("");
    found.push_back({file.substr(0, file.size() - suffix.size()), std::move(word)});
  }
  return found;
}

void ShareIndex::drop(const std::string& id) const {
  drop_stale([&](const std::string& other) { return other != id; });
}

void ShareIndex::drop_stale(const std::function<bool(const std::string&)>& exists) const {
  for (const std::string& entry : list_directory(store_)) {
    if (entry[0] != '=') continue;
    std::string index = store_ + "/" + entry;
    for (const std::string& file : list_directory(index))
      if (!exists(file.substr(0, file.rfind('.')))) ::unlink((index + "/" + file).c_str());
    ::rmdir(index.c_str());  // when it is empty, while locked too: who waits for it looks again
  }
}

Result<> ShareIndex::rename(const std::string& from, const std::string& to) const {
  if (!exists(from)) return {};
  if (::rename(directory(from).c_str(), directory(to).c_str()) != 0) return fail_errno("rename", directory(from));
  return {};
}

}  // namespace hull::engine
