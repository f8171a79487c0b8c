#include "cli/image_filter.h"

#include <fnmatch.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "image/reference.h"

namespace hull::cli {
namespace {

using image::ImageSummary;

bool is_dangling(const ImageSummary& row) { return row.repository == "<none>"; }

bool has_label(const ImageSummary& row, std::string_view wanted) {
  size_t equals = wanted.find('=');
  auto found = row.labels.find(std::string(wanted.substr(0, equals)));
  return found != row.labels.end() && (equals == std::string_view::npos || found->second == wanted.substr(equals + 1));
}

// As Go's path.Match: a star stops at a slash. A pattern without a tag is matched with the repository alone.
bool matches_reference(const ImageSummary& row, const std::string& pattern) {
  if (is_dangling(row)) return false;
  std::string full = row.repository + ":" + row.tag;
  return ::fnmatch(pattern.c_str(), row.repository.c_str(), FNM_PATHNAME) == 0 || ::fnmatch(pattern.c_str(), full.c_str(), FNM_PATHNAME) == 0;
}

Result<const ImageSummary*> find_row(const std::vector<ImageSummary>& rows, const std::string& name) {
  Result<image::Reference> reference = image::parse_reference(name);
  std::string_view id = name;
  if (id.starts_with("sha256:")) id.remove_prefix(7);
  for (const ImageSummary& row : rows)
    if ((reference && row.repository == reference->familiar_name() && row.tag == reference->tag) || (id.size() >= 4 && row.id.hex().starts_with(id)))
      return &row;
  return fail(ErrorKind::NotFound, format("No such image: {}", reference ? reference->familiar() : name));
}

Result<bool> holds(const std::vector<ImageSummary>& all, const ImageSummary& row, const std::string& key, const std::string& value) {
  if (key == "dangling") {
    bool yes = value == "true" || value == "1", no = value == "false" || value == "0";
    if (!yes && !no) return fail(ErrorKind::Invalid, format("invalid filter 'dangling={}'", escape_controls(value)));
    return is_dangling(row) == yes;
  }
  if (key == "label") return has_label(row, value);
  if (key == "reference") return matches_reference(row, value);
  if (key == "before" || key == "since") {
    const ImageSummary* other = TRY(find_row(all, value));
    return key == "before" ? row.created < other->created : row.created > other->created;
  }
  return fail(ErrorKind::Invalid, format("invalid filter '{}'", escape_controls(key)));
}

}  // namespace

Result<std::vector<ImageSummary>> filter_images(std::vector<ImageSummary> rows, const std::vector<std::string>& filters) {
  std::map<std::string, std::vector<std::string>> by_key;
  for (const std::string& filter : filters) {
    size_t equals = filter.find('=');
    if (equals == std::string::npos) return fail(ErrorKind::Invalid, format("bad format of filter (expected name=value): {}", escape_controls(filter)));
    by_key[to_lower(filter.substr(0, equals))].push_back(filter.substr(equals + 1));
  }
  std::vector<ImageSummary> kept;
  for (const ImageSummary& row : rows) {
    bool all = true;
    for (const auto& [key, values] : by_key) {
      bool any = key == "label";  // docker: labels must all hold
      for (const std::string& value : values) {
        bool one = TRY(holds(rows, row, key, value));
        any = key == "label" ? any && one : any || one;
      }
      all = all && any;
    }
    if (all) kept.push_back(row);
  }
  return kept;
}

}  // namespace hull::cli
