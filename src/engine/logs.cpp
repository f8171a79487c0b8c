// logs: reads the json-file log that hull-shim writes, rotated files first, and follows it while the container runs.
// A line that is no record (a crash, a full disk) is skipped.
#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/json.h"
#include "base/text.h"
#include "engine/client.h"
#include "engine/engine.h"
#include "engine/log_time.h"
#include "engine/state.h"

namespace hull::engine {
namespace {

constexpr size_t kChunk = 64 << 10;
constexpr int kMaxRotated = 1000, kLookAgainMs = 500;

struct Window {
  std::optional<timespec> since, until;
};

// Log files, oldest first; the last is the one being written. Rotation cannot pull an open file from under us.
Result<std::vector<Fd>> open_log(const std::string& path) {
  std::vector<Fd> files;
  auto current = open_file(path, O_RDONLY | O_NOFOLLOW);
  if (!current && current.error().kind() == ErrorKind::NotFound) return files;  // nothing written yet
  if (!current) return fail(std::move(current).error());
  files.push_back(std::move(*current));
  for (int i = 1; i < kMaxRotated; ++i) {
    auto older = open_file(format("{}.{}", path, i), O_RDONLY | O_NOFOLLOW);
    if (!older) break;
    files.insert(files.begin(), std::move(*older));
  }
  return files;
}

// Where the last `lines` lines of a file begin; `lines` is left with how many more are to be found in older files.
off_t tail_offset(const Fd& file, uint64_t& lines) {
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return 0;
  std::string chunk(kChunk, '\0');
  for (off_t end = status.st_size; end > 0;) {
    off_t begin = end > static_cast<off_t>(kChunk) ? end - static_cast<off_t>(kChunk) : 0;
    ssize_t got = ::pread(file.get(), chunk.data(), static_cast<size_t>(end - begin), begin);
    for (ssize_t i = got - 1; i >= 0; --i) {
      if (chunk[static_cast<size_t>(i)] != '\n' || begin + i + 1 == status.st_size) continue;
      if (--lines == 0) return begin + i + 1;
    }
    end = begin;
  }
  if (status.st_size > 0) --lines;  // the first line of the file
  return 0;
}

void seek_tail(std::vector<Fd>& files, uint64_t lines) {
  if (lines == 0) {
    for (Fd& file : files) ::lseek(file.get(), 0, SEEK_END);
    return;
  }
  for (size_t i = files.size(); i-- > 0;) {
    if (lines == 0) {
      files.erase(files.begin(), files.begin() + static_cast<ptrdiff_t>(i) + 1);
      return;
    }
    off_t offset = tail_offset(files[i], lines);
    ::lseek(files[i].get(), offset, SEEK_SET);
    if (offset > 0) lines = 0;
  }
}

size_t bytes_left(const Fd& file) {
  struct stat status;
  off_t at = ::lseek(file.get(), 0, SEEK_CUR);
  return ::fstat(file.get(), &status) == 0 && status.st_size > at ? static_cast<size_t>(status.st_size - at) : 0;
}

// Prints records as they come; keeps what is not a whole line yet.
class LogPrinter {
 public:
  LogPrinter(const LogsOptions& options, Window window) : options_(options), window_(window) {}

  // Prints what there is, at most `limit` bytes. False once a record after --until was seen.
  Result<bool> drain(const Fd& file, size_t limit = SIZE_MAX) {
    char chunk[kChunk];
    for (;;) {
      ssize_t got = ::read(file.get(), chunk, std::min(limit, sizeof chunk));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail_errno("read", "log");
      if (got == 0) return !past_end_;
      limit -= static_cast<size_t>(got);
      pending_.append(chunk, static_cast<size_t>(got));
      TRY(print_lines());
      if (past_end_) return false;
    }
  }
  void forget_partial() { pending_.clear(); }

 private:
  Result<> print_lines() {
    size_t begin = 0;
    std::string texts[2];
    for (size_t end; (end = pending_.find('\n', begin)) != std::string::npos; begin = end + 1)
      add_record(std::string_view(pending_).substr(begin, end - begin), texts);
    pending_.erase(0, begin);
    TRY(flush(texts));
    return {};
  }

  void add_record(std::string_view line, std::string (&texts)[2]) {
    auto record = json::parse(line, "log");
    if (!record) return;
    auto time = parse_rfc3339(json::get_string(*record, "time"));
    if (!time || (window_.since && before(*time, *window_.since))) return;
    if (window_.until && before(*window_.until, *time)) past_end_ = true;
    if (past_end_) return;
    int stream = json::get_string(*record, "stream") == "stderr" ? 1 : 0;
    if (!texts[1 - stream].empty()) (void)flush(texts);  // the order between the streams stays as it was
    if (options_.timestamps) texts[stream] += stamp(json::get_string(*record, "time")) + " ";
    texts[stream] += json::get_string(*record, "log");
  }

  // docker prints nine digits always.
  static std::string stamp(std::string_view time) {
    std::string text(time.substr(0, time.find_last_of('Z')));
    size_t dot = text.find('.');
    if (dot == std::string::npos) dot = text.size(), text += '.';
    text.append(dot + 10 - std::min(dot + 10, text.size()), '0');
    return text + "Z";
  }

  Result<> flush(std::string (&texts)[2]) {
    TRY(write_output(options_.out, texts[0].data(), texts[0].size()));
    TRY(write_output(options_.err, texts[1].data(), texts[1].size()));
    texts[0].clear(), texts[1].clear();
    return {};
  }

  const LogsOptions& options_;
  Window window_;
  std::string pending_;
  bool past_end_ = false;
};

Result<Window> window_of(const LogsOptions& options) {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  Window window;
  if (!options.since.empty()) window.since = TRY(parse_log_time(options.since, now));
  if (!options.until.empty()) window.until = TRY(parse_log_time(options.until, now));
  return window;
}

// Opens the log anew when the shim has rotated it.
void reopen_if_rotated(const std::string& path, std::vector<Fd>& files, LogPrinter& printer) {
  struct stat held, there;
  if (::stat(path.c_str(), &there) != 0) return;
  bool same = !files.empty() && ::fstat(files.back().get(), &held) == 0 && held.st_ino == there.st_ino;
  if (same && ::lseek(files.back().get(), 0, SEEK_CUR) <= there.st_size) return;
  auto current = open_file(path, O_RDONLY | O_NOFOLLOW);
  if (!current) return;
  files.clear();
  files.push_back(std::move(*current));
  printer.forget_partial();
}

// Until the container has ended and its log has been read to the end; the shim writes the log before the exit record.
Result<> follow(const Layout& layout, const Place& place, const std::string& path, std::vector<Fd>& files, LogPrinter& printer) {
  Fd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  std::string directory = path.substr(0, path.rfind('/'));
  ::inotify_add_watch(watch.get(), directory.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF);
  for (;;) {
    bool running = stand(layout, place).state.running();
    for (Fd& file : files)
      if (!TRY(printer.drain(file))) return {};
    if (!running) return {};
    reopen_if_rotated(path, files, printer);
    pollfd slots[2] = {{watch.get(), POLLIN, 0}, {-1, POLLIN, 0}};
    ::poll(slots, 1, kLookAgainMs);
    char events[4096];
    while (::read(watch.get(), events, sizeof events) > 0) {}
  }
}

}  // namespace

Result<> Engine::logs(std::string_view container, const LogsOptions& options) const {
  Layout layout{root_, run_};
  Records records(layout);
  Place place = TRY(records.find(container));
  Record record = TRY(records.load(place));
  if (record.config.log_driver == "none")
    return fail(ErrorKind::Unsupported, "configured logging driver does not support reading");
  LogPrinter printer(options, TRY(window_of(options)));
  std::string path = records.directory(place) + "/" + log_name(record.id);
  std::vector<Fd> files = TRY(open_log(path));
  if (options.tail) seek_tail(files, *options.tail);
  if (options.follow) return follow(layout, place, path, files, printer);
  // What was there when we came: a busy container may write faster than we read.
  for (const Fd& file : files)
    if (!TRY(printer.drain(file, bytes_left(file)))) break;
  return {};
}

}  // namespace hull::engine
