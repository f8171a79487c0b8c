// The subset of Go's text/template that docker's --format uses, over JSON values. Parsing gives a tree; rendering
// walks it with bounds on steps, depth and output, so that a hostile template cannot hang or fill memory. There are no
// functions that reach files, programs or the environment (SECURITY H4).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"

namespace hull::cli {

struct TemplateNode;

// What a key that a map does not hold gives.
enum class MissingKey { NoValue, Error };

// What docker's method `{{.Label "name"}}` of a row gives.
using LabelOf = std::function<std::string(std::string_view name)>;

class Template {
 public:
  // Errors (Invalid) read as Go's: `template: :1: unclosed action`.
  static Result<Template> parse(std::string_view text);

  Template(Template&&) noexcept;
  Template& operator=(Template&&) noexcept;
  ~Template();

  // Errors (Invalid): `template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"`.
  Result<std::string> render(const json::value& data, MissingKey missing = MissingKey::NoValue, const LabelOf& label = {}) const;

 private:
  explicit Template(std::unique_ptr<TemplateNode> root);
  std::unique_ptr<TemplateNode> root_;
};

// Turns the two-character escapes \t and \n of a --format argument into what they stand for.
std::string expand_escapes(std::string_view format);

}  // namespace hull::cli
