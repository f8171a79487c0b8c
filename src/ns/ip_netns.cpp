#include "ns/ip_netns.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/fd.h"
#include "base/text.h"

namespace hull::ns {
namespace {

constexpr const char* kDirectory = "/run/netns";

std::string link_target(const std::string& path) {
  char target[4096];
  ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  return size > 0 ? std::string(target, static_cast<size_t>(size)) : "";
}

std::string entry_of(std::string_view name) { return format("{}/{}", kDirectory, name); }

}  // namespace

void publish_net(std::string_view name, const std::string& pin) {
  std::string entry = entry_of(name);
  if (std::string there = link_target(entry); !there.empty() && !path_exists(there)) ::unlink(entry.c_str());  // it leads nowhere
  bool linked = ::symlink(pin.c_str(), entry.c_str()) == 0;
  if (linked || errno != ENOENT || ::mkdir(kDirectory, 0755) != 0) return;
  linked = ::symlink(pin.c_str(), entry.c_str()) == 0;
  if (!linked) ::rmdir(kDirectory);
}

bool is_taken_by_another(std::string_view name, const std::string& pin) {
  std::string entry = entry_of(name);
  return path_exists(entry) && link_target(entry) != pin;
}

void withdraw_net(std::string_view name, const std::string& pin) {
  if (std::string entry = entry_of(name); link_target(entry) == pin) ::unlink(entry.c_str());
  ::rmdir(kDirectory);  // when it was made for us and is empty again
}

void sweep_published(const std::string& store) {
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(kDirectory), ::closedir);
  while (dirent* entry = stream ? ::readdir(stream.get()) : nullptr) {
    std::string path = entry_of(entry->d_name), target = link_target(path);
    if (target.starts_with(store + "/") && !path_exists(target)) ::unlink(path.c_str());
  }
  if (stream) ::rmdir(kDirectory);
}

}  // namespace hull::ns
