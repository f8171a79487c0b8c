#include "kernel/cgroup_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "base/undo.h"
#include "kernel/identity.h"

namespace hull::kernel {

bool CgroupTree::has(std::string_view controller) const {
  return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

Result<CgroupTree> CgroupTree::open(const CgroupHierarchy& hierarchy) {
  Fd root = TRY(open_file(hierarchy.mount_point, O_PATH | O_DIRECTORY));
  struct statfs fs;
  if (::fstatfs(root.get(), &fs) != 0) return fail_errno("fstatfs", hierarchy.mount_point);
  if (fs.f_type != (hierarchy.controllers.empty() ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC))
    return fail(ErrorKind::NotFound, hierarchy.mount_point + ": not a cgroup hierarchy of the expected version");
  return CgroupTree{hierarchy.mount_point, hierarchy.controllers, std::move(root)};
}

std::string relative_group(const std::string& path) { return path.substr(1); }

static std::string shown(const CgroupTree& tree, const std::string& group) { return tree.mount_point + "/" + group; }

bool group_exists(const CgroupTree& tree, const std::string& group) {
  return ::faccessat(tree.root.get(), group.c_str(), F_OK, 0) == 0;
}

static Result<> make_parents(const CgroupTree& tree, const std::string& group,
                             const std::function<Result<>(const std::string&)>& made) {
  for (size_t slash = group.find('/'); slash != std::string::npos; slash = group.find('/', slash + 1)) {
    std::string parent = group.substr(0, slash);
    if (::mkdirat(tree.root.get(), parent.c_str(), 0755) == 0) TRY(made(parent));
    else if (errno != EEXIST) return fail_errno("mkdir", shown(tree, parent));
  }
  return {};
}

Result<> make_group(const CgroupTree& tree, const std::string& group,
                    const std::function<Result<>(const std::string&)>& made) {
  // The parent is there but for the first container ever; it may also be removed by another command meanwhile.
  for (int attempt = 0; attempt < 10; ++attempt) {
    if (::mkdirat(tree.root.get(), group.c_str(), 0755) == 0) return made(group);
    if (errno != ENOENT) break;
    TRY(make_parents(tree, group, made));
  }
  return fail_errno("mkdir", shown(tree, group));
}

// Names of the groups directly under this one.
static std::vector<std::string> subgroups(const CgroupTree& tree, const std::string& group) {
  std::vector<std::string> names;
  int fd = ::openat(tree.root.get(), group.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* directory = fd >= 0 ? ::fdopendir(fd) : nullptr;
  if (directory == nullptr) {
    if (fd >= 0) ::close(fd);
    return names;
  }
  while (dirent* entry = ::readdir(directory)) {
    std::string_view name = entry->d_name;
    if (entry->d_type == DT_DIR && name != "." && name != "..") names.emplace_back(name);
  }
  ::closedir(directory);
  return names;
}

// Deepest first; 0, or the errno of the group itself.
static int try_remove(const CgroupTree& tree, const std::string& group) {
  if (::unlinkat(tree.root.get(), group.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return 0;
  if (errno != EBUSY && errno != ENOTEMPTY) return errno;
  std::vector<std::string> names = subgroups(tree, group);
  for (const std::string& name : names) try_remove(tree, group + "/" + name);
  if (names.empty()) return EBUSY;
  return ::unlinkat(tree.root.get(), group.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : errno;
}

Result<> remove_groups(const std::vector<const CgroupTree*>& trees, const std::string& group, int timeout_ms) {
  const int64_t deadline = monotonic_ms() + timeout_ms;
  std::vector<std::pair<const CgroupTree*, int>> left;
  for (const CgroupTree* tree : trees)
    if (int error = try_remove(*tree, group); error != 0) left.emplace_back(tree, error);
  for (int pause = 1; !left.empty(); pause = std::min(pause * 2, 50)) {
    bool busy = std::any_of(left.begin(), left.end(), [](const auto& item) { return item.second == EBUSY; });
    if (!busy || monotonic_ms() >= deadline) break;
    sleep_ms(pause);  // a process that was killed may not have left yet
    for (auto& [tree, error] : left) error = try_remove(*tree, group);
    std::erase_if(left, [](const auto& item) { return item.second == 0; });
  }
  if (left.empty()) return {};
  std::string text = "cannot remove cgroup";
  for (const auto& [tree, error] : left) text += format(" {} ({})", shown(*tree, group), errno_text(error));
  return fail(Error(kind_of_errno(left[0].second), text, left[0].second).with_remedy("end the processes in it and try again"));
}

Result<std::string> read_group_file(const CgroupTree& tree, const std::string& group, const std::string& file) {
  std::string name = group.empty() ? file : group + "/" + file;
  Fd fd = TRY(open_at(tree.root, name, O_RDONLY));
  return read_all(fd, 4 << 20, name);
}

Result<> write_group_file(const CgroupTree& tree, const std::string& group, const std::string& file, std::string_view value) {
  std::string name = group.empty() ? file : group + "/" + file;
  Fd fd = TRY(open_at(tree.root, name, O_WRONLY));
  if (::write(fd.get(), value.data(), value.size()) < 0) return fail_errno("write", tree.mount_point + "/" + name);
  return {};
}

// Whether a group of v2 is without the controller: its parents do not give it, or the host has it on v1.
static bool lacks_controller(const CgroupTree& tree, const std::string& group, std::string_view controller) {
  Result<std::string> given = read_group_file(tree, group, "cgroup.controllers");
  if (!given) return false;  // v1
  std::vector<std::string_view> names = split_words(trim(*given));
  return std::find(names.begin(), names.end(), controller) == names.end();
}

// What the user can do about a value that the kernel refused.
static std::string remedy_for(const CgroupTree& tree, const std::string& group, const CgroupWrite& write, int error) {
  if (error == ENOENT && lacks_controller(tree, group, write.controller))
    return format("the {} controller is not given to this group: enable it in cgroup.subtree_control of the groups above, or leave it out",
                  write.controller);
  if (error == ENOENT && write.file.find("memsw") != std::string::npos)
    return "this kernel does not account swap; leave out the swap limit, or boot with swapaccount=1";
  if (error == ENODEV && write.value.find(':') != std::string::npos) return "name a block device that is there, by its numbers; see /sys/block/*/dev";
  if (error == ENOENT || error == ENODEV || error == EOPNOTSUPP)
    return format("this kernel has no such setting for the {} controller; leave it out", write.controller);
  if (error == EBUSY && write.controller == "memory") return "more memory is in use already; give a higher limit";
  if (write.controller == "cpuset") return "name only CPUs and memory nodes that are online and in the parent group";
  if (error == EACCES || error == EPERM) return "run as root, or let the owner of the parent group delegate it";
  if (error == EINVAL && write.file == "memory.memsw.limit_in_bytes") return "it counts memory and swap, and is at least the memory limit";
  if (error == EINVAL && write.file == "memory.limit_in_bytes") return "it is at most the limit of memory and swap together; raise that, too";
  if (error == EINVAL || error == ERANGE) return "the kernel does not take this value; give another";
  return "leave out this limit";
}

Result<> apply_write(const CgroupTree& tree, const std::string& group, const CgroupWrite& write) {
  Result<> done = write_group_file(tree, group, write.file, write.value);
  if (!done && done.error().errno_value() == ENOENT && !write.other_file.empty())
    done = write_group_file(tree, group, write.other_file, write.other_value);
  if (done) return {};
  int error = done.error().errno_value();
  return fail(Error(kind_of_errno(error),
                    format("cannot set {} to {} in cgroup /{}: {}", write.file, escape_controls(write.value), group,
                           errno_text(error)), error)
                  .with_remedy(remedy_for(tree, group, write, error)));
}

Result<> apply_writes(const std::vector<CgroupWrite>& writes, const std::function<Result<>(const CgroupWrite&)>& apply) {
  std::vector<const CgroupWrite*> left, refused;
  for (const CgroupWrite& write : writes) left.push_back(&write);
  for (;; left = std::move(refused), refused.clear()) {
    Result<> first;
    for (const CgroupWrite* write : left) {
      Result<> done = apply(*write);
      if (!done && done.error().errno_value() != EINVAL) return done;
      if (done) continue;
      if (refused.empty()) first = std::move(done);
      refused.push_back(write);
    }
    if (refused.size() == left.size()) return refused.empty() ? Result<>() : std::move(first);
    if (refused.empty()) return {};
  }
}

static std::optional<CgroupWrite> present_value(const CgroupTree& tree, const std::string& group, const CgroupWrite& write) {
  std::string file = write.file;
  auto text = read_group_file(tree, group, file);
  if (!text && !write.other_file.empty()) text = read_group_file(tree, group, file = write.other_file);
  if (!text || split_lines(*text).size() > 1) return std::nullopt;
  return CgroupWrite{write.controller, file, *text, "", ""};
}

Result<> apply_or_restore(const std::vector<CgroupWrite>& writes, const std::string& group, const TreeOf& tree_of, const std::function<Result<>()>& apply) {
  std::vector<CgroupWrite> before;
  for (const CgroupWrite& write : writes) {
    const CgroupTree* tree = tree_of(write.controller);
    if (auto value = tree != nullptr ? present_value(*tree, group, write) : std::nullopt) before.push_back(std::move(*value));
  }
  Result<> done = apply();
  if (!done) (void)apply_writes(before, [&](const CgroupWrite& write) { return apply_write(*tree_of(write.controller), group, write); });
  return done;
}

static void collect_processes(const CgroupTree& tree, const std::string& group, std::vector<pid_t>& pids) {
  Result<std::string> text = read_group_file(tree, group, "cgroup.procs");
  if (!text) return;  // removed meanwhile, or a threaded group whose processes its parent lists
  for (std::string_view line : split_lines(*text))
    if (std::optional<uint64_t> pid = parse_uint(line, 0, INT32_MAX)) pids.push_back(static_cast<pid_t>(*pid));
  for (const std::string& name : subgroups(tree, group)) collect_processes(tree, group + "/" + name, pids);
}

Result<std::vector<pid_t>> group_processes(const CgroupTree& tree, const std::string& group) {
  std::vector<pid_t> pids;
  collect_processes(tree, group, pids);
  return pids;
}

Result<size_t> kill_processes(const std::function<Result<std::vector<pid_t>>()>& list, int wait_ms) {
  std::vector<std::pair<pid_t, Fd>> opened;
  for (pid_t pid : TRY(list()))
    if (auto fd = pid > 0 ? open_pidfd(pid) : Fd(); fd && *fd) opened.emplace_back(pid, std::move(*fd));
  std::vector<pid_t> still = TRY(list());
  std::erase_if(opened, [&](const auto& one) {
    return std::find(still.begin(), still.end(), one.first) == still.end() || !send_signal(one.second, SIGKILL);
  });
  const int64_t deadline = monotonic_ms() + wait_ms;
  for (const auto& [pid, fd] : opened)
    if (wait_ms > 0 && !wait_for_end(fd, std::max<int64_t>(0, deadline - monotonic_ms()))) break;
  return opened.size();
}

// v1 writes "no limit" as the highest page-aligned number.
static constexpr uint64_t kNoLimit = uint64_t{INT64_MAX} & ~uint64_t{0xffff};

std::optional<uint64_t> read_counter(const CgroupTree& tree, const std::string& group, const std::string& file) {
  Result<std::string> text = read_group_file(tree, group, file);
  if (!text) return std::nullopt;
  std::optional<uint64_t> value = parse_uint(trim(*text));
  return value && *value < kNoLimit ? value : std::nullopt;
}

std::map<std::string, uint64_t, std::less<>> read_pairs(const CgroupTree& tree, const std::string& group,
                                                        const std::string& file) {
  std::map<std::string, uint64_t, std::less<>> pairs;
  Result<std::string> text = read_group_file(tree, group, file);
  if (!text) return pairs;
  for (std::string_view line : split_lines(*text)) {
    std::vector<std::string_view> words = split_words(line);
    if (words.size() != 2) continue;
    if (std::optional<uint64_t> value = parse_uint(words[1])) pairs.emplace(words[0], *value);
  }
  return pairs;
}

std::optional<uint64_t> pair_value(const std::map<std::string, uint64_t, std::less<>>& pairs, std::string_view key) {
  auto found = pairs.find(key);
  return found == pairs.end() ? std::nullopt : std::optional<uint64_t>(found->second);
}

}  // namespace hull::kernel
