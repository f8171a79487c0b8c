// The tree of a parsed template; private to template*.cpp.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace hull::cli {

// An operand or a parenthesised pipeline, with the fields that follow it.
struct TemplateTerm {
  enum class Kind { Dot, Field, Variable, Literal, Function, Pipeline } kind = Kind::Dot;
  std::string name;                                // of the variable or function
  std::vector<std::string> fields;                 // .A.B after it
  json::value literal;
  std::unique_ptr<struct TemplatePipeline> inner;  // Pipeline
  size_t position = 0;                             // as Go reports it
  std::string text;                                // as Go prints it in errors
};

struct TemplateCommand {
  std::vector<TemplateTerm> terms;  // a function and its arguments, or one operand
};

struct TemplatePipeline {
  std::vector<std::string> variables;  // of `$x :=`, `$i, $x :=`
  bool declares = false;               // := (else =)
  std::vector<TemplateCommand> commands;
};

struct TemplateNode {
  enum class Kind { List, Text, Action, If, Range, With, Break, Continue } kind = Kind::List;
  std::string text;
  TemplatePipeline pipeline;
  std::vector<TemplateNode> children, otherwise;  // otherwise: of else
};

// The built-in functions by name: null if there is none of that name.
using TemplateFunction = Result<json::value> (*)(const std::vector<json::value>& arguments);
TemplateFunction find_template_function(std::string_view name);

bool template_truth(const json::value& value);
// As Go's fmt %v prints it: [a b], map[k:v], <no value> for null.
std::string template_print(const json::value& value);

}  // namespace hull::cli
