#include "cli/each.h"

namespace hull::cli {

int for_each_container(const std::vector<std::string_view>& names,
                       const std::function<Result<>(const engine::Engine&, std::string_view)>& act, bool print_names) {
  Result<engine::Engine> engine = engine::Engine::open();
  if (!engine) return report("", engine.error());
  int code = 0;
  for (std::string_view name : names) {
    Result<> done = act(*engine, name);
    if (!done) code = report("", done.error());
    else if (print_names) print(std::string(name) + "\n");
  }
  return code;
}

}  // namespace hull::cli
