#include "image/worker_client.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "image/report.h"

namespace hull::image {
namespace {

constexpr int kReportFd = 3;

// Only what a program that reads hostile bytes needs to be told.
std::vector<std::string> clean_environment() { return {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}; }

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> list;
  for (std::string& word : words) list.push_back(word.data());
  list.push_back(nullptr);
  return list;
}

struct SpawnActions {
  posix_spawn_file_actions_t actions;
  SpawnActions() { posix_spawn_file_actions_init(&actions); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions); }
};

Result<pid_t> spawn(const std::string& program, std::vector<std::string> arguments, const Fd& report) {
  std::vector<std::string> environment = clean_environment();
  // Above the report's place first: a dup2 of 3 onto 3 would leave close-on-exec set.
  Fd moved = TRY(report.duplicate());
  Fd high(::fcntl(moved.get(), F_DUPFD_CLOEXEC, 10));
  if (!high) return fail_errno("fcntl", "report pipe");
  SpawnActions file_actions;
  posix_spawn_file_actions_adddup2(&file_actions.actions, high.get(), kReportFd);
  pid_t pid = -1;
  int error = ::posix_spawn(&pid, program.c_str(), &file_actions.actions, nullptr, pointers(arguments).data(),
                            pointers(environment).data());
  if (error != 0) return fail(Error::from_errno(error, "execute", program));
  return pid;
}

Result<int> wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return fail_errno("waitpid", "hull-image");
  return status;
}

struct Outcome {
  std::vector<LoadedImage> images;
  std::optional<Error> error;
};

void take_line(std::string_view line, Outcome& outcome, const ProgressCallback& progress) {
  Result<Report> report = parse_report(line);
  if (!report) { outcome.error = std::move(report).error(); return; }
  if (auto* image = std::get_if<LoadedImage>(&*report)) outcome.images.push_back(std::move(*image));
  else if (auto* error = std::get_if<Error>(&*report)) outcome.error = std::move(*error);
  else if (progress) progress(std::get<WorkerProgress>(*report));
}

Result<> relay(const Fd& report, Outcome& outcome, const ProgressCallback& progress) {
  std::string pending;
  char buffer[8192];
  for (;;) {
    ssize_t got = ::read(report.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read", "hull-image's report");
    if (got == 0) return {};
    pending.append(buffer, static_cast<size_t>(got));
    for (size_t end; (end = pending.find('\n')) != std::string::npos; pending.erase(0, end + 1))
      take_line(std::string_view(pending).substr(0, end), outcome, progress);
  }
}

Result<std::vector<LoadedImage>> run_worker(std::vector<std::string> arguments, const ProgressCallback& progress) {
  std::string program = TRY(find_worker_program());
  arguments.insert(arguments.begin(), program);
  Pipe pipe = TRY(make_pipe());
  pid_t pid = TRY(spawn(program, std::move(arguments), pipe.write));
  pipe.write.reset();
  Outcome outcome;
  Result<> relayed = relay(pipe.read, outcome, progress);
  pipe.read.reset();
  int status = TRY(wait_for(pid));
  TRY(std::move(relayed));
  if (outcome.error) return fail(std::move(*outcome.error));
  if (WIFSIGNALED(status))
    return fail(ErrorKind::System, format("hull-image: ended by signal {}", WTERMSIG(status)));
  if (status != 0) return fail(ErrorKind::System, format("hull-image: ended with code {}", WEXITSTATUS(status)));
  return std::move(outcome.images);
}

}  // namespace

Result<std::vector<LoadedImage>> load_images(const LoadRequest& request, const ProgressCallback& progress) {
  std::vector<std::string> arguments{"load", "--root", request.root, "--input", request.input};
  for (const std::string& name : request.only) arguments.insert(arguments.end(), {"--only", name});
  if (request.keep_existing_names) arguments.push_back("--keep-existing-names");
  return run_worker(std::move(arguments), progress);
}

Result<LoadedImage> import_image(const ImportRequest& request, const ProgressCallback& progress) {
  std::vector<std::string> arguments{"import", "--root", request.root, "--input", request.input};
  if (!request.reference.empty()) arguments.insert(arguments.end(), {"--reference", request.reference});
  if (!request.message.empty()) arguments.insert(arguments.end(), {"--message", request.message});
  for (const std::string& change : request.changes) arguments.insert(arguments.end(), {"--change", change});
  std::vector<LoadedImage> images = TRY(run_worker(std::move(arguments), progress));
  if (images.size() != 1) return fail(ErrorKind::System, "hull-image: reported no image");
  return std::move(images[0]);
}

}  // namespace hull::image
