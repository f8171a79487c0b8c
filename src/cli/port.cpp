// hull port: where a container's ports are published.
#include <algorithm>

#include "base/text.h"
#include "cli/commands.h"
#include "engine/engine.h"

namespace hull::cli {

const Syntax kPortSyntax{.name = "port", .synopsis = "CONTAINER [PRIVATE_PORT[/PROTO]]",
                         .summary = "List port mappings or a specific mapping for the container", .min_operands = 1, .max_operands = 2,
                         .aliases = "hull container port, hull port"};

static Result<std::string> port_lines(std::string_view name, std::optional<std::string_view> asked) {
  engine::Engine engine = TRY(engine::Engine::open());
  engine::Container container = TRY(engine.inspect(name));
  std::vector<net::PublishedPort> ports = container.state.ports;
  std::optional<net::ContainerPort> inside;
  if (asked) inside = TRY(net::parse_container_port(*asked));
  std::stable_sort(ports.begin(), ports.end(), [](const auto& a, const auto& b) { return a.inside < b.inside; });
  std::string lines;
  for (const net::PublishedPort& port : ports) {
    if (inside && port.inside != *inside) continue;
    lines += inside ? port.host_text() + "\n" : format("{} -> {}\n", port.inside.text(), port.host_text());
  }
  if (inside && lines.empty()) return fail(ErrorKind::NotFound, format("no public port '{}' published for {}", inside->text(), escape_controls(name)));
  return lines;
}

int run_port(const Invocation& call) {
  std::vector<std::string_view> words;
  if (auto code = begin(call, kPortSyntax, nullptr, words)) return *code;
  auto lines = port_lines(words[0], words.size() > 1 ? std::optional(words[1]) : std::nullopt);
  if (!lines) return report("", lines.error());
  print(*lines);
  return 0;
}

}  // namespace hull::cli
