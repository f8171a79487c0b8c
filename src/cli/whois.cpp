// hull whois X: to whom a number, address, path or name belongs. hull owns NAME: what belongs to it.
#include <algorithm>

#include "cli/commands.h"
#include "cli/facts.h"
#include "cli/table.h"

namespace hull::cli {
namespace {

struct WhoisArgs { std::string format; };
constexpr Option kOptions[] = {
    {0, "format", Takes::Required, "string", "Format output: 'table', 'table TEMPLATE', 'json' or a Go template", store<&WhoisArgs::format>},
};
constexpr Column kColumns[] = {{"Kind", "KIND"}, {"Value", "VALUE"}, {"Owner", "OWNER"}, {"PID", "PID"}, {"Detail", "DETAIL"}};

Result<std::string> rows_text(std::vector<Fact> facts, const std::string& format) {
  std::stable_sort(facts.begin(), facts.end(), [](const Fact& a, const Fact& b) { return a.kind < b.kind; });
  std::vector<json::value> rows;
  for (const Fact& fact : facts)
    rows.push_back(json::object{{"Kind", fact_name(fact.kind)}, {"Value", fact.value}, {"Owner", fact.owner},
                                {"PID", fact.pid != 0 ? std::to_string(fact.pid) : "-"}, {"Detail", fact.detail}});
  return format_list(rows, kColumns, {format, false, "Owner", "table {{.Kind}}\t{{.Value}}\t{{.Owner}}\t{{.PID}}\t{{.Detail}}"});
}

Result<std::string> whois(std::string_view text, const std::string& format) {
  Question question = TRY(parse_question(text));
  FactFinder finder = TRY(FactFinder::open());
  std::vector<Fact> found;
  for (Fact& fact : finder.collect(question.kinds))
    if (answers(question, fact)) found.push_back(std::move(fact));
  if (found.empty()) {
    std::vector<std::string> tried;
    for (unsigned i = 0; i < static_cast<unsigned>(FactKind::Count); ++i)
      if ((question.kinds >> i & 1) != 0) tried.emplace_back(fact_name(static_cast<FactKind>(i)));
    return fail(ErrorKind::NotFound, hull::format("{}: nobody's; looked for it as {}", escape_controls(text), join(tried, ", ")));
  }
  return rows_text(std::move(found), format);
}

// A container's name or id, "ns NAME", "unit X", or an owner as whois prints it.
Result<std::string> owns(std::string_view text, const std::string& format) {
  engine::Engine engine = TRY(engine::Engine::open());
  std::string owner(text);
  if (auto container = engine.inspect(text)) owner = "container " + container->record.name;
  FactFinder finder = TRY(FactFinder::open());
  std::vector<Fact> found;
  for (Fact& fact : finder.collect(kAllFacts))
    if (fact.owner == owner || fact.owner == "ns " + owner || fact.owner == "unit " + owner) found.push_back(std::move(fact));
  if (found.empty()) return fail(ErrorKind::NotFound, hull::format("{}: no container, name or unit of that name has anything; see hull ps -a and hull ns ls", escape_controls(text)));
  return rows_text(std::move(found), format);
}

int run(const Invocation& call, const Syntax& syntax, Result<std::string> (*answer)(std::string_view, const std::string&)) {
  WhoisArgs args;
  std::vector<std::string_view> questions;
  if (auto code = begin(call, syntax, &args, questions)) return *code;
  int code = 0;
  for (std::string_view question : questions) {
    Result<std::string> text = answer(question, args.format);
    if (text) {
      print(*text);
      continue;
    }
    print_error(format("{}: {}", call.program, text.error().text()));
    code = kExitFailure;
  }
  return code;
}

}  // namespace

const Syntax kWhoisSyntax{.name = "whois", .synopsis = "[OPTIONS] X [X...]", .summary = "Say which container, unit or process something belongs to",
                          .options = kOptions, .min_operands = 1,
                          .epilogue = "X is a PID, thread, namespace inode or id, cgroup path or id, interface, MAC, IP, port (:80, 80/tcp), socket\n"
                                      "inode, unix socket, mount id, overlay directory, hostname, container, name, or CONTAINER:PID for a number inside.\n"
                                      "A number may be many things: KIND:X asks for one, as in pid:42, inode:…, ns-id:…, cgroup-id:…, port:80, mount-id:…"};
const Syntax kOwnsSyntax{.name = "owns", .synopsis = "[OPTIONS] NAME [NAME...]", .summary = "List what belongs to a container, unit or named namespace",
                         .options = kOptions, .min_operands = 1};

int run_whois(const Invocation& call) { return run(call, kWhoisSyntax, whois); }
int run_owns(const Invocation& call) { return run(call, kOwnsSyntax, owns); }

}  // namespace hull::cli
