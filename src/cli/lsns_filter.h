// lsns --filter: expressions over columns as scols-filter(5) writes them: `TYPE == "net" and NPROCS > 1`, with
// == != < <= > >= (also eq ne lt le gt ge), =~ !~ (POSIX extended regular expressions), and or not, parentheses.
#pragma once

#include <memory>
#include <string_view>

#include "cli/lsns.h"

namespace hull::cli {

struct FilterNode;

class LsnsFilter {
 public:
  // Empty text matches everything. Invalid: `failed to parse "…": reason`.
  static Result<LsnsFilter> parse(std::string_view text);
  bool matches(LsnsContext& context, const ns::Namespace& space) const;

  LsnsFilter(LsnsFilter&&) noexcept;
  LsnsFilter& operator=(LsnsFilter&&) noexcept;
  ~LsnsFilter();

 private:
  explicit LsnsFilter(std::unique_ptr<FilterNode> root);
  std::unique_ptr<FilterNode> root_;
};

// The columns that a filter names, so that the scan looks at what they need.
std::vector<const LsnsColumn*> columns_of_filter(std::string_view text);

}  // namespace hull::cli
