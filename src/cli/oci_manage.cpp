// hull oci start, state, kill, delete, list, ps, pause and resume.
#include <algorithm>

#include "base/text.h"
#include "cli/oci.h"
#include "engine/terminal.h"

namespace hull::cli {
namespace {

struct Args {
  std::string format = "table";
  bool force = false, all = false, quiet = false;
};
constexpr Option kForce{'f', "force", Takes::Bool, nullptr, "End it if it runs; a missing one is no error", store<&Args::force>};
constexpr Option kAll{'a', "all", Takes::Bool, nullptr, "To every process of the container", store<&Args::all>};
constexpr Option kFormat{'f', "format", Takes::Required, "format", "table or json", store<&Args::format>};
constexpr Option kQuiet{'q', "quiet", Takes::Bool, nullptr, "Ids only", store<&Args::quiet>};

constexpr Option kDeleteOptions[] = {kForce}, kKillOptions[] = {kAll}, kListOptions[] = {kFormat, kQuiet}, kPsOptions[] = {kFormat};

const Syntax kIdSyntax{.name = "state", .synopsis = "ID", .summary = "Act on one container", .min_operands = 1, .max_operands = 1};
Syntax with(const char* name, std::span<const Option> options, uint16_t least, uint16_t most) {
  return {.name = name, .synopsis = "[OPTIONS] [ID...]", .summary = "Act on a container", .options = options, .min_operands = least, .max_operands = most};
}

// Parses, then acts on the first operand.
template <typename Act>
int act(const OciCall& call, const Syntax& syntax, Act action) {
  Args args;
  std::vector<std::string_view> words;
  if (auto code = oci_begin(call, syntax, &args, words)) return *code;
  Result<> done = action(args, words, words.empty() ? std::string() : std::string(words[0]));
  return done ? 0 : oci_report(call.globals, done.error());
}

using Words = std::vector<std::string_view>;

// As Go's tabwriter lays it out for runc: columns as wide as their content, 12 at least.
std::string list_table(const std::vector<runtime::Standing>& all) {
  std::vector<std::vector<std::string>> rows = {{"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"}};
  for (const runtime::Standing& one : all)
    rows.push_back({one.state.id, std::to_string(one.pid()), one.status, one.state.bundle, one.state.created, runtime::owner_of(one)});
  std::vector<size_t> widths(rows[0].size(), 12);
  for (const auto& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size() + 1);
  std::string out;
  for (const auto& row : rows) {
    for (size_t i = 0; i + 1 < row.size(); ++i) out += format("{:<{}}", row[i], widths[i]);
    out += row.back() + "\n";
  }
  return out;
}

}  // namespace

int oci_start(const OciCall& call) {
  return act(call, kIdSyntax, [&](const Args&, const Words&, const std::string& id) { return runtime::start(call.globals.root, id); });
}

int oci_state(const OciCall& call) {
  return act(call, kIdSyntax, [&](const Args&, const Words&, const std::string& id) -> Result<> {
    auto standing = TRY(runtime::stand(call.globals.root, id));
    print(json::to_pretty_text(runtime::state_json(standing, false), 2) + "\n");
    return {};
  });
}

int oci_kill(const OciCall& call) {
  return act(call, with("kill", kKillOptions, 1, 2), [&](const Args& args, const Words& words, const std::string& id) -> Result<> {
    int number = TRY(engine::parse_signal(words.size() > 1 ? words[1] : "TERM"));
    return runtime::kill(call.globals.root, id, number, args.all);
  });
}

int oci_delete(const OciCall& call) {
  return act(call, with("delete", kDeleteOptions, 1, 1), [&](const Args& args, const Words&, const std::string& id) {
    return runtime::remove(call.globals.root, id, args.force, [&](const std::string& text) { oci_warn(call.globals, text); });
  });
}

int oci_list(const OciCall& call) {
  return act(call, with("list", kListOptions, 0, 0), [&](const Args& args, const Words&, const std::string&) -> Result<> {
    auto all = TRY(runtime::list(call.globals.root));
    if (args.quiet) {
      for (const auto& one : all) print(one.state.id + "\n");
    } else if (args.format == "json") {
      json::array out;
      for (const auto& one : all) out.emplace_back(runtime::state_json(one, true));
      print(json::to_text(out) + "\n");
    } else if (args.format == "table") {
      print(list_table(all));
    } else {
      return fail(ErrorKind::Invalid, format("--format: unknown \"{}\"; give table or json", escape_controls(args.format)));
    }
    return {};
  });
}

int oci_ps(const OciCall& call) {
  return act(call, with("ps", kPsOptions, 1, 1), [&](const Args& args, const Words&, const std::string& id) -> Result<> {
    auto pids = TRY(runtime::processes(call.globals.root, id));
    json::array out;
    for (pid_t pid : pids) out.emplace_back(pid);
    if (args.format == "json") print(json::to_text(out) + "\n");
    else if (args.format == "table") {
      print("PID\n");
      for (pid_t pid : pids) print(format("{}\n", pid));
    } else {
      return fail(ErrorKind::Invalid, format("--format: unknown \"{}\"; give table or json", escape_controls(args.format)));
    }
    return {};
  });
}

int oci_pause(const OciCall& call) {
  return act(call, kIdSyntax, [&](const Args&, const Words&, const std::string& id) { return runtime::pause(call.globals.root, id, true); });
}

int oci_resume(const OciCall& call) {
  return act(call, kIdSyntax, [&](const Args&, const Words&, const std::string& id) { return runtime::pause(call.globals.root, id, false); });
}

}  // namespace hull::cli
