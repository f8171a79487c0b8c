// hull version: what this build is. Client and server are one program here; scripts ask for either.
#include <sys/utsname.h>

#include "cli/commands.h"
#include "cli/template.h"

namespace hull::cli {
namespace {

struct VersionArgs { std::string format; };
constexpr Option kOptions[] = {
    {'f', "format", Takes::Required, "string", "Format output: 'json' or a Go template", store<&VersionArgs::format>},
};

// As image configurations name it.
std::string architecture(std::string_view machine) {
  if (machine == "x86_64") return "amd64";
  return std::string(machine == "aarch64" ? "arm64" : machine);
}

json::value gather() {
  utsname host{};
  ::uname(&host);
  std::string arch = architecture(host.machine);
  json::object client{{"Platform", json::object{{"Name", "hull"}}}, {"Version", HULL_VERSION}, {"Os", "linux"}, {"Arch", arch}};
  json::object server = client;
  server["KernelVersion"] = host.release;
  server["Components"] = json::array{json::object{{"Name", "Engine"}, {"Version", HULL_VERSION}}};
  return json::object{{"Client", client}, {"Server", server}};
}

constexpr std::string_view kText =
    "Client: {{.Client.Platform.Name}}\n Version:         {{.Client.Version}}\n OS/Arch:         {{.Client.Os}}/{{.Client.Arch}}\n\n"
    "Server: {{.Server.Platform.Name}} (no daemon: the same program)\n Engine:\n  Version:        {{.Server.Version}}\n"
    "  OS/Arch:        {{.Server.Os}}/{{.Server.Arch}}\n  Kernel Version: {{.Server.KernelVersion}}";

Result<std::string> version_text(const VersionArgs& args) {
  json::value version = gather();
  if (args.format == "json") return json::to_text(version) + "\n";
  Template pattern = TRY(Template::parse(args.format.empty() ? std::string(kText) : expand_escapes(args.format)));
  return TRY(pattern.render(version, MissingKey::Error)) + "\n";
}

}  // namespace

const Syntax kVersionSyntax{.name = "version", .synopsis = "[OPTIONS]", .summary = "Show the hull version information",
                            .options = kOptions, .max_operands = 0};

int run_version(const Invocation& call) {
  VersionArgs args;
  std::vector<std::string_view> operands;
  if (auto code = begin(call, kVersionSyntax, &args, operands)) return *code;
  Result<std::string> text = version_text(args);
  if (!text) return report("", text.error());
  print(*text);
  return 0;
}

}  // namespace hull::cli
