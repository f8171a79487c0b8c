#include "image/worker/reader_process.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <new>

#include "base/text.h"
#include "image/report.h"
#include "image/worker/confine.h"

namespace hull::image {
namespace {

constexpr size_t kMaxAnswer = 128 << 20;

Result<std::string> run_work(const ReaderPlan& plan, int pipe) {
  try {
    std::vector<int> keep = plan.keep;
    keep.push_back(pipe);
    TRY(confine(Confinement{plan.directory, plan.readable, std::move(keep)}));
    return plan.work();
  } catch (const std::bad_alloc&) {
    return fail(ErrorKind::Unsafe, "archive: reading it would need more memory than allowed");
  } catch (const std::exception& error) {
    return fail(ErrorKind::Corrupt, format("archive: {}", error.what()));
  }
}

[[noreturn]] void child_main(const ReaderPlan& plan, Fd pipe) {
  ::umask(0);
  Result<std::string> text = run_work(plan, pipe.get());
  std::string answer = text ? "=" + *text : "!" + report_to_line(Report(text.error()));
  bool told = write_all(pipe, answer, "pipe").has_value();
  ::_exit(told ? 0 : 1);
}

Error death_of(int status) {
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
    return Error(ErrorKind::Unsafe, "archive: its reader was stopped by the filter around it");
  if (WIFSIGNALED(status)) return Error(ErrorKind::System, format("archive: its reader was ended by signal {}", WTERMSIG(status)));
  return Error(ErrorKind::System, "archive: its reader ended without an answer");
}

}  // namespace

Result<ReaderProcess> ReaderProcess::start(const ReaderPlan& plan) {
  Pipe pipe = TRY(make_pipe());
  pid_t pid = ::fork();
  if (pid < 0) return fail_errno("fork", "archive reader");
  if (pid == 0) child_main(plan, std::move(pipe.write));
  return ReaderProcess(pid, std::move(pipe.read));
}

ReaderProcess::~ReaderProcess() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);  // our own child, not yet reaped: the number cannot be another's
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {}
}

Result<bool> ReaderProcess::pump() {
  char buffer[65536];
  ssize_t got;
  do got = ::read(pipe_.get(), buffer, sizeof buffer);
  while (got < 0 && errno == EINTR);
  if (got < 0) return fail_errno("read", "archive reader's answer");
  text_.append(buffer, static_cast<size_t>(got));
  if (text_.size() > kMaxAnswer) return fail(ErrorKind::Unsafe, "archive: its reader says too much");
  return got == 0;
}

Result<std::string> ReaderProcess::finish() {
  while (!TRY(pump())) {}
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0)
    if (errno != EINTR) return fail_errno("waitpid", "archive reader");
  pid_ = -1;
  if (status != 0 || text_.empty()) return fail(death_of(status));
  if (text_[0] == '=') return text_.substr(1);
  Report report = TRY(parse_report(std::string_view(text_).substr(1)));
  if (auto* error = std::get_if<Error>(&report)) return fail(std::move(*error));
  return fail(ErrorKind::Corrupt, "archive: its reader gave no sense");
}

}  // namespace hull::image
