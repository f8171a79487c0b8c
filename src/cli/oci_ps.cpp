// hull oci ps: the host's ps(1), whose options follow the id, of the container's processes alone; or their ids as JSON.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "cli/oci.h"

namespace hull::cli {
namespace {

struct Args { std::string format = "table"; };
constexpr Option kPsOptions[] = {{'f', "format", Takes::Required, "format", "table or json", store<&Args::format>}};
const Syntax kOciPsSyntax{.name = "ps", .synopsis = "[OPTIONS] ID [PS OPTIONS]", .summary = "Show the processes of a container",
                          .options = kPsOptions, .operands = Operands::EndOptions, .min_operands = 1,
                          .epilogue = "Options after ID are those of ps(1), -ef if there are none; its output must have the column PID."};

std::string first_words(std::string_view said) {
  for (std::string_view line : split_lines(said))
    if (!trim(line).empty()) return escape_controls(trim(line));
  return "it failed without a word";
}

// What ps says; its own words are the error.
Result<std::string> run_ps(const std::vector<std::string_view>& words) {
  std::vector<std::string> texts = {"ps"};
  for (size_t i = 1; i < words.size(); ++i) texts.emplace_back(words[i]);
  if (texts.size() == 1) texts.emplace_back("-ef");
  std::vector<char*> arguments;
  for (std::string& text : texts) arguments.push_back(text.data());
  arguments.push_back(nullptr);
  Pipe pipe = TRY(make_pipe());
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  for (int fd : {1, 2}) ::posix_spawn_file_actions_adddup2(&actions, pipe.write.get(), fd);
  pid_t child = 0;
  int error = ::posix_spawnp(&child, "ps", &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return fail(ErrorKind::NotFound, format("ps: {}; install procps, or give --format json", errno_text(error)));
  pipe.write.reset();
  auto said = read_all(pipe.read, 64 << 20, "ps");
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  if (!said) return said;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return fail(ErrorKind::Invalid, "ps: " + first_words(*said));
  return said;
}

Result<> show_table(const std::vector<std::string_view>& words, const std::vector<pid_t>& pids) {
  std::string text = TRY(run_ps(words));
  std::vector<std::string_view> lines = split_lines(text);
  std::vector<std::string_view> titles = lines.empty() ? std::vector<std::string_view>() : split_words(lines[0]);
  auto column = static_cast<size_t>(std::find(titles.begin(), titles.end(), "PID") - titles.begin());
  if (column == titles.size()) return fail(ErrorKind::Invalid, "ps: its output has no column PID; choose options that give one");
  std::string out = format("{}\n", lines[0]);
  for (size_t i = 1; i < lines.size(); ++i) {
    std::vector<std::string_view> fields = split_words(lines[i]);
    auto pid = column < fields.size() ? parse_uint(fields[column], 1, INT32_MAX) : std::nullopt;
    if (pid && std::find(pids.begin(), pids.end(), static_cast<pid_t>(*pid)) != pids.end()) out += format("{}\n", lines[i]);
  }
  print(out);
  return {};
}

Result<> show(const OciGlobals& globals, const Args& args, const std::vector<std::string_view>& words) {
  auto pids = TRY(runtime::processes(globals.root, std::string(words[0])));
  if (args.format == "table") return show_table(words, pids);
  if (args.format != "json") return fail(ErrorKind::Invalid, format("--format: unknown \"{}\"; give table or json", escape_controls(args.format)));
  json::array out;
  for (pid_t pid : pids) out.emplace_back(pid);
  print(json::to_text(out) + "\n");
  return {};
}

}  // namespace

int oci_ps(const OciCall& call) {
  return oci_act<Args>(call, kOciPsSyntax, [&](const Args& args, const Words& words) { return show(call.globals, args, words); });
}

}  // namespace hull::cli
