// hull oci start, state, kill, delete, list, pause and resume.
#include <algorithm>
#include <functional>
#include <memory>

#include "base/pattern.h"
#include "base/text.h"
#include "cli/oci.h"
#include "engine/terminal.h"

namespace hull::cli {
namespace {

struct Args {
  std::string format = "table";
  bool force = false, all = false, quiet = false, regex = false;
};
constexpr Option kForce{'f', "force", Takes::Bool, nullptr, "End it if it runs; a missing one is no error", store<&Args::force>};
constexpr Option kAll{'a', "all", Takes::Bool, nullptr, "To every process of the container", store<&Args::all>};
constexpr Option kRegex{'r', "regex", Takes::Bool, nullptr, "ID is a regular expression: every container that it fits", store<&Args::regex>};
constexpr Option kFormat{'f', "format", Takes::Required, "format", "table or json", store<&Args::format>};
constexpr Option kQuiet{'q', "quiet", Takes::Bool, nullptr, "Ids only", store<&Args::quiet>};
constexpr Option kDeleteOptions[] = {kForce, kRegex}, kKillOptions[] = {kAll, kRegex}, kListOptions[] = {kFormat, kQuiet};

constexpr Syntax of_one(const char* name, const char* summary) {
  return {.name = name, .synopsis = "ID", .summary = summary, .min_operands = 1, .max_operands = 1};
}
const Syntax kOciStartSyntax = of_one("start", "Run the program of a container that was created"),
             kOciStateSyntax = of_one("state", "Show the state of a container, as JSON"),
             kOciPauseSyntax = of_one("pause", "Freeze every process of a container"),
             kOciResumeSyntax = of_one("resume", "Let a paused container go on");
const Syntax kOciKillSyntax{.name = "kill", .synopsis = "[OPTIONS] ID [SIGNAL]", .summary = "Send a signal, by default TERM, to a container",
                            .options = kKillOptions, .min_operands = 1, .max_operands = 2};
const Syntax kOciDeleteSyntax{.name = "delete", .synopsis = "[OPTIONS] ID", .summary = "Remove a container that has ended, and all that it held",
                              .options = kDeleteOptions, .min_operands = 1, .max_operands = 1};
const Syntax kOciListSyntax{.name = "list", .synopsis = "[OPTIONS]", .summary = "List the containers below --root", .options = kListOptions,
                            .max_operands = 0};

// On the first operand.
template <typename Act>
int act(const OciCall& call, const Syntax& syntax, Act action) {
  return oci_act<Args>(call, syntax, [&](const Args& args, const Words& words) { return action(args, words, words.empty() ? std::string() : std::string(words[0])); });
}

// The container called `name`, or with --regex all whose ids it fits (POSIX extended, as crun takes it).
Result<std::vector<std::string>> ids_of(const std::string& root, const std::string& name, bool is_regex) {
  if (!is_regex) return std::vector<std::string>{name};
  Result<Pattern> pattern = Pattern::compile(name);
  if (!pattern) return fail(std::move(pattern).error().with_context("--regex"));
  std::vector<std::string> ids;
  for (const auto& one : TRY(runtime::list(root)))
    if (pattern->matches(one.state.id)) ids.push_back(one.state.id);
  return ids;
}

// Each of them, whatever becomes of the others: the errors, with --regex by id.
Result<> for_each(const OciCall& call, const std::string& name, bool is_regex, const std::function<Result<>(const std::string& id)>& act) {
  std::vector<std::string> ids = TRY(ids_of(call.globals.root, name, is_regex));
  if (!is_regex) return act(ids[0]);
  std::vector<std::string> failed;
  for (const std::string& id : ids)
    if (auto done = act(id); !done) failed.push_back(format("{}: {}", id, done.error().text()));
  return failed.empty() ? Result<>() : fail(ErrorKind::Conflict, join(failed, "; "));
}

// Signal 0 asks whether it lives; kill(2).
Result<int> parse_oci_signal(std::string_view text) { return text == "0" ? Result<int>(0) : engine::parse_signal(text); }

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
  return act(call, kOciStartSyntax, [&](const Args&, const Words&, const std::string& id) -> Result<> {
    return TRY(runtime::start(call.globals.root, id, oci_notify_socket())).wait();
  });
}

int oci_state(const OciCall& call) {
  return act(call, kOciStateSyntax, [&](const Args&, const Words&, const std::string& id) -> Result<> {
    auto standing = TRY(runtime::stand(call.globals.root, id));
    print(json::to_pretty_text(runtime::state_json(standing, false), 2) + "\n");
    return {};
  });
}

int oci_kill(const OciCall& call) {
  return act(call, kOciKillSyntax, [&](const Args& args, const Words& words, const std::string& id) -> Result<> {
    int number = TRY(parse_oci_signal(words.size() > 1 ? words[1] : "TERM"));
    return for_each(call, id, args.regex, [&](const std::string& one) { return runtime::kill(call.globals.root, one, number, args.all); });
  });
}

int oci_delete(const OciCall& call) {
  return act(call, kOciDeleteSyntax, [&](const Args& args, const Words&, const std::string& id) -> Result<> {
    auto warn = [&](const std::string& text) { oci_warn(call.globals, text); };
    return for_each(call, id, args.regex, [&](const std::string& one) { return runtime::remove(call.globals.root, one, args.force, warn); });
  });
}

int oci_list(const OciCall& call) {
  return act(call, kOciListSyntax, [&](const Args& args, const Words&, const std::string&) -> Result<> {
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

int oci_pause(const OciCall& call) {
  return act(call, kOciPauseSyntax, [&](const Args&, const Words&, const std::string& id) { return runtime::pause(call.globals.root, id, true); });
}

int oci_resume(const OciCall& call) {
  return act(call, kOciResumeSyntax, [&](const Args&, const Words&, const std::string& id) { return runtime::pause(call.globals.root, id, false); });
}

}  // namespace hull::cli
