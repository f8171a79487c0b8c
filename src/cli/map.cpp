// hull map: who shares which namespace with whom, in the terminal, as a picture, a page, a graph or JSON.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "base/fd.h"
#include "cli/commands.h"
#include "cli/map_input.h"
#include "cli/smart_table.h"

namespace hull::cli {
namespace {

struct MapArgs {
  std::string format, output;
  bool watch = false, all = false;
  int64_t interval_s = 1;
};

constexpr Option kOptions[] = {
    {'a', "all", Takes::Bool, nullptr, "Also what only threads, open files and sockets keep alive", store<&MapArgs::all>},
    {0, "format", Takes::Required, "string", "'matrix', 'tree' (both by default), 'svg', 'html', 'dot', 'mermaid' or 'json'", store<&MapArgs::format>},
    {0, "interval", Takes::Required, "seconds", "How often --watch looks (default 1)", store<&MapArgs::interval_s>},
    {'o', "output", Takes::Required, "file", "Write to a file, whole or not at all", store<&MapArgs::output>},
    {'w', "watch", Takes::Bool, nullptr, "Show it again whenever it changes", store<&MapArgs::watch>},
};

std::string draw_both(const ns::Topology& topology, const ns::MapTerminal& terminal) {
  return ns::map_matrix(topology, terminal) + "\n" + ns::map_tree(topology, terminal);
}

struct MapFormat {
  const char* name;
  std::string (*text)(const ns::Topology&, const ns::MapTerminal&);  // one of the two
  std::string (*file)(const ns::Topology&);
};
constexpr MapFormat kFormats[] = {
    {"", draw_both, nullptr},          {"matrix", ns::map_matrix, nullptr},   {"tree", ns::map_tree, nullptr},
    {"svg", nullptr, ns::map_svg},     {"html", nullptr, ns::map_html},       {"dot", nullptr, ns::map_dot},
    {"mermaid", nullptr, ns::map_mermaid}, {"json", nullptr, ns::map_json},
};

Result<const MapFormat*> choose_format(const MapArgs& args) {
  for (const MapFormat& format : kFormats)
    if (args.format == format.name) return &format;
  return fail(ErrorKind::Invalid, format("unknown format '{}'; use matrix, tree, svg, html, dot, mermaid or json", escape_controls(args.format)));
}

bool on_terminal(const MapArgs& args) { return args.output.empty() && ::isatty(STDOUT_FILENO) == 1; }

ns::MapTerminal describe_terminal(const MapArgs& args) {
  SmartTerminal found = smart_terminal();
  const char* no_colour = ::getenv("NO_COLOR");
  bool colour = on_terminal(args) && (no_colour == nullptr || *no_colour == 0);
  return {on_terminal(args) ? found.width : 0, found.utf8, colour};
}

Result<std::string> draw(const MapArgs& args, const MapFormat& format) {
  ns::Topology topology = TRY(look_at_topology(args.all));
  return format.file != nullptr ? format.file(topology) : format.text(topology, describe_terminal(args));
}

// A file is replaced whole, so that nobody reads half of one; a link is followed, and a device or pipe is written to.
Result<> write_output(const std::string& path, std::string_view text) {
  constexpr mode_t kReadable = 0644;
  struct stat status;
  bool there = ::stat(path.c_str(), &status) == 0;
  if (!there && path_exists(path)) return write_all(TRY(open_file(path, O_WRONLY | O_CREAT, kReadable)), text, path);  // a link to nothing
  if (!there) return replace_file(path, text, Durability::Volatile, kReadable);
  if (!S_ISREG(status.st_mode)) return write_all(TRY(open_file(path, O_WRONLY)), text, path);
  std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), ::free);
  return replace_file(real ? real.get() : path, text, Durability::Volatile, status.st_mode & 0777);
}

Result<> show(const MapArgs& args, std::string_view text) {
  if (!args.output.empty()) return write_output(args.output, text);
  if (args.watch && on_terminal(args)) {
    // Over the old one, without a flash: home, each line with its rest cleared, then all below.
    std::string over = "\x1b[H";
    for (std::string_view line : split_lines(text)) over.append(line).append("\x1b[K\n");
    print(over + "\x1b[J");
  } else {
    print(text);
  }
  return {};
}

// Waits for the next look. False when our reader has gone: nothing is left to be done then.
bool wait_seconds(int64_t seconds) {
  pollfd reader{STDOUT_FILENO, 0, 0};
  return ::poll(&reader, 1, static_cast<int>(seconds * 1000)) <= 0 || (reader.revents & (POLLERR | POLLHUP | POLLNVAL)) == 0;
}

Result<> map(const MapArgs& args) {
  const MapFormat* chosen = TRY(choose_format(args));
  constexpr int64_t kLongest = 86400;
  if (args.interval_s < 1 || args.interval_s > kLongest)
    return fail(ErrorKind::Invalid, format("--interval {}: seconds from 1 to {} are accepted", args.interval_s, kLongest));
  std::string text = TRY(draw(args, *chosen));
  TRY(show(args, text));
  while (args.watch && wait_seconds(args.interval_s)) {
    std::string now = TRY(draw(args, *chosen));
    if (now == text) continue;
    text = std::move(now);
    TRY(show(args, text));
  }
  return {};
}

}  // namespace

const Syntax kMapSyntax{.name = "map", .synopsis = "[OPTIONS]", .summary = "Show who shares which namespace with whom",
                        .options = kOptions, .max_operands = 0,
                        .epilogue = "In the matrix a letter stands for a set of sharers: equal letters in one column are one namespace. "
                                    "'host' is inherited\nfrom the host, 'own' is shared with nobody, '!' marks what weakens isolation."};

int run_map(const Invocation& call) {
  MapArgs args;
  std::vector<std::string_view> operands;
  if (auto code = begin(call, kMapSyntax, &args, operands)) return *code;
  if (Result<> done = map(args); !done) {
    print_error("hull map: " + done.error().text());
    return kExitFailure;
  }
  return 0;
}

}  // namespace hull::cli
