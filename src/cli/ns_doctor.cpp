// hull ns doctor: what does not fit together, and --fix.
#include <algorithm>

#include "cli/commands.h"
#include "cli/table.h"
#include "engine/doctor.h"

namespace hull::cli {
namespace {

constexpr int kExitFindings = 1, kExitTrouble = 2;

struct DoctorArgs {
  std::string format;
  bool fix = false;
};
constexpr Option kOptions[] = {
    {0, "fix", Takes::Bool, nullptr, "Mend what can be mended without touching a container's process", store<&DoctorArgs::fix>},
    {0, "format", Takes::Required, "string", "Format output: 'table', 'table TEMPLATE', 'json' or a Go template", store<&DoctorArgs::format>},
};
constexpr Column kColumns[] = {{"Kind", "KIND"}, {"Subject", "SUBJECT"}, {"Finding", "FINDING"}, {"State", "STATE"}};

struct Answer {
  std::string text;
  int code = 0;
};

Result<Answer> examine(const DoctorArgs& args) {
  engine::Engine engine = TRY(engine::Engine::open());
  std::vector<engine::Finding> found = TRY(engine::examine(engine)), left = found;
  if (args.fix && !found.empty()) {
    if (auto repaired = engine::repair(engine); !repaired) print_note(repaired.error().text());
    left = TRY(engine::examine(engine));
  }
  auto remains = [&](const engine::Finding& one) {
    return std::any_of(left.begin(), left.end(), [&](const engine::Finding& other) { return other.kind == one.kind && other.subject == one.subject; });
  };
  std::vector<json::value> rows;
  for (const engine::Finding& finding : found) {
    const char* state = !remains(finding) ? "fixed" : finding.repairable ? (args.fix ? "not mended" : "--fix mends it") : "for you to decide";
    rows.push_back(json::object{{"Kind", finding.kind}, {"Subject", finding.subject}, {"Finding", finding.text}, {"State", state}});
  }
  Answer answer;
  answer.code = left.empty() ? 0 : kExitFindings;
  if (rows.empty() && args.format.empty()) answer.text = "nothing is wrong\n";
  else answer.text = TRY(format_list(rows, kColumns, {args.format, false, "Subject", "table {{.Kind}}\t{{.Subject}}\t{{.State}}\t{{.Finding}}"}));
  return answer;
}

}  // namespace

const Syntax kNsDoctorSyntax{.name = "doctor", .synopsis = "[OPTIONS]", .summary = "Look for what does not fit together, and mend it", .options = kOptions,
                             .max_operands = 0, .epilogue = "Ends with 0 when nothing is wrong (any more), 1 with findings, 2 on an error."};

int run_ns_doctor(const Invocation& call) {
  DoctorArgs args;
  std::vector<std::string_view> operands;
  if (auto code = begin(call, kNsDoctorSyntax, &args, operands)) return *code == 0 ? 0 : kExitTrouble;
  Result<Answer> answer = examine(args);
  if (!answer) {
    print_error("hull ns doctor: " + answer.error().text());
    return kExitTrouble;
  }
  print(answer->text);
  return answer->code;
}

}  // namespace hull::cli
