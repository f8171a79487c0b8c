// hull ps: the containers, newest first.
#include <ctime>

#include "cli/commands.h"
#include "cli/container_rows.h"
#include "cli/humanize.h"

namespace hull::cli {
namespace {

struct PsArgs {
  bool all = false, latest = false, no_trunc = false, quiet = false, size = false;
  std::optional<int64_t> last;
  std::string format;
  std::vector<std::string> filters;
};

constexpr Option kOptions[] = {
    {'a', "all", Takes::Bool, nullptr, "Show all containers (default shows just running)", store<&PsArgs::all>},
    {'f', "filter", Takes::Required, "filter", "Filter output based on conditions provided", store<&PsArgs::filters>},
    {0, "format", Takes::Required, "string", "Format output: 'table', 'table TEMPLATE', 'json' or a Go template", store<&PsArgs::format>},
    {'n', "last", Takes::Required, "int", "Show n last created containers (includes all states)", store<&PsArgs::last>},
    {'l', "latest", Takes::Bool, nullptr, "Show the latest created container (includes all states)", store<&PsArgs::latest>},
    {0, "no-trunc", Takes::Bool, nullptr, "Don't truncate output", store<&PsArgs::no_trunc>},
    {'q', "quiet", Takes::Bool, nullptr, "Only display container IDs", store<&PsArgs::quiet>},
    {'s', "size", Takes::Bool, nullptr, "Display total file sizes", store<&PsArgs::size>},
};

Result<engine::ListOptions> list_options(const PsArgs& args) {
  engine::ListOptions options;
  options.all = args.all;
  if (args.last && *args.last > 0) options.last = static_cast<size_t>(*args.last);
  if (args.latest) options.last = 1;
  for (const std::string& filter : args.filters) {
    size_t equals = filter.find('=');
    if (equals == std::string::npos)
      return fail(ErrorKind::Invalid, format("invalid argument \"{}\" for \"-f, --filter\" flag: invalid filter '{}'; write KEY=VALUE", filter, filter));
    options.filters.emplace_back(to_lower(trim(filter.substr(0, equals))), std::string(trim(filter.substr(equals + 1))));
  }
  return options;
}

Result<std::string> ps_text(const PsArgs& args) {
  engine::ListOptions options = TRY(list_options(args));
  engine::Engine engine = TRY(engine::Engine::open());
  std::vector<engine::Container> containers = TRY(engine.list(options));
  int64_t now = ::time(nullptr);
  std::vector<json::value> rows;
  for (const engine::Container& container : containers) {
    rows.push_back(container_row(container, now, args.no_trunc));
    if (!args.size) continue;
    engine::Engine::Sizes sizes = TRY(engine.sizes(container));
    rows.back().get_object()["Size"] = format("{} (virtual {})", human_size(static_cast<double>(sizes.written)), human_size(static_cast<double>(sizes.root)));
  }
  ListFormat list{args.format, args.quiet, "ID", "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"};
  if (args.size) list.default_table = "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}\t{{.Size}}";
  list.label = [&](size_t row, std::string_view name) {
    const auto& labels = containers[row].record.process.labels;
    auto label = labels.find(std::string(name));
    return label == labels.end() ? std::string() : label->second;
  };
  return format_list(rows, kContainerColumns, list);
}

}  // namespace

const Syntax kPsSyntax{.name = "ps", .synopsis = "[OPTIONS]", .summary = "List containers", .options = kOptions, .max_operands = 0,
                       .aliases = "hull container ls, hull container list, hull container ps, hull ps"};

int run_ps(const Invocation& call) {
  PsArgs args;
  std::vector<std::string_view> operands;
  if (auto code = begin(call, kPsSyntax, &args, operands)) return *code;
  Result<std::string> text = ps_text(args);
  if (!text) return report("", text.error());
  print(*text);
  return 0;
}

}  // namespace hull::cli
