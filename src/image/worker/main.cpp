// hull-image: run by hull for one job (image/worker_client.cpp), never by a person. Reports through descriptor 3; its
// exit code is 0 or 1. Single-threaded: it forks the confined readers.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <exception>

#include "base/text.h"
#include "image/report.h"
#include "image/worker/jobs.h"

namespace hull::image {
namespace {

constexpr int kReportFd = 3;

struct Arguments {
  std::string job;
  LoadRequest load;
  ImportRequest import;
};

// One option of either job: where its value goes.
struct OptionRow {
  std::string_view name;
  void (*apply)(Arguments&, std::string);
};
constexpr OptionRow kOptions[] = {
    {"--root", [](Arguments& to, std::string text) { to.load.root = to.import.root = std::move(text); }},
    {"--input", [](Arguments& to, std::string text) { to.load.input = to.import.input = std::move(text); }},
    {"--only", [](Arguments& to, std::string text) { to.load.only.push_back(std::move(text)); }},
    {"--reference", [](Arguments& to, std::string text) { to.import.reference = std::move(text); }},
    {"--message", [](Arguments& to, std::string text) { to.import.message = std::move(text); }},
    {"--change", [](Arguments& to, std::string text) { to.import.changes.push_back(std::move(text)); }},
};

Result<Arguments> parse_arguments(int argc, char** argv) {
  Arguments arguments;
  if (argc > 1) arguments.job = argv[1];
  for (int at = 2; at < argc; ++at) {
    std::string_view word = argv[at];
    if (word == "--keep-existing-names") { arguments.load.keep_existing_names = true; continue; }
    const OptionRow* row = nullptr;
    for (const OptionRow& one : kOptions)
      if (one.name == word) row = &one;
    if (row == nullptr || at + 1 == argc) return fail(ErrorKind::Invalid, format("hull-image: bad argument \"{}\"", word));
    row->apply(arguments, argv[++at]);
  }
  bool known = (arguments.job == "load" || arguments.job == "import") && !arguments.load.root.empty() && !arguments.load.input.empty();
  if (!known) return fail(ErrorKind::Invalid, "hull-image: run by hull itself; use `hull load` or `hull import`");
  return arguments;
}

void tell(const Report& report) { (void)write_all(Fd(::fcntl(kReportFd, F_DUPFD_CLOEXEC, 4)), report_to_line(report), "report"); }

Result<> run(int argc, char** argv) {
  Arguments arguments = TRY(parse_arguments(argc, argv));
  ProgressCallback progress = [](const WorkerProgress& step) { tell(Report(step)); };
  if (arguments.job == "import") {
    LoadedImage image = TRY(run_import(arguments.import, progress));
    tell(Report(image));
    return {};
  }
  std::vector<LoadedImage> images = TRY(run_load(arguments.load, progress));
  for (const LoadedImage& image : images) tell(Report(image));
  return {};
}

Error with_advice(Error error, const std::string& root) {
  if (error.errno_value() == ENOSPC || error.errno_value() == EDQUOT)
    return std::move(error).with_remedy(format("nothing was kept; free some space under {} and try again", root));
  return error;
}

int guarded_main(int argc, char** argv) {
  ::umask(077);
  ::signal(SIGPIPE, SIG_IGN);
  if (::fcntl(kReportFd, F_SETFD, FD_CLOEXEC) != 0) {
    constexpr std::string_view kAdvice = "hull-image: run by hull itself; use `hull load` or `hull import`\n";
    (void)!::write(2, kAdvice.data(), kAdvice.size());
    return 1;
  }
  Result<> done = fail(ErrorKind::System, "");
  try {
    done = run(argc, argv);
  } catch (const std::exception& error) {
    done = fail(ErrorKind::System, format("hull-image: {}", error.what()));
  }
  if (done) return 0;
  std::string root = "HULL_ROOT";
  for (int at = 1; at + 1 < argc; ++at)
    if (std::string_view(argv[at]) == "--root") root = argv[at + 1];
  tell(Report(with_advice(std::move(done).error(), root)));
  return 1;
}

}  // namespace
}  // namespace hull::image

int main(int argc, char** argv) { return hull::image::guarded_main(argc, argv); }
