// Rendering of templates: walks the tree over a JSON value with variables, bounded in steps and output.
#include <algorithm>

#include "base/text.h"
#include "cli/template.h"
#include "cli/template_tree.h"

namespace hull::cli {
namespace {

constexpr size_t kMaxSteps = 1'000'000, kMaxOutput = 16 << 20;

enum class Flow { Next, Break, Continue };

class Renderer {
 public:
  Renderer(const json::value& data, MissingKey missing, const LabelOf& label) : missing_(missing), label_(label) { variables_.emplace_back("$", data); }

  Result<std::string> run(const TemplateNode& root, const json::value& data) {
    TRY(render_all(root.children, data));
    return std::move(output_);
  }

 private:
  Result<Flow> render_all(const std::vector<TemplateNode>& nodes, const json::value& dot) {
    for (const TemplateNode& node : nodes) {
      Flow flow = TRY(render(node, dot));
      if (flow != Flow::Next) return flow;
    }
    return Flow::Next;
  }

  Result<Flow> render(const TemplateNode& node, const json::value& dot) {
    using Kind = TemplateNode::Kind;
    TRY(count_step());
    switch (node.kind) {
      case Kind::Text: TRY(write(node.text)); return Flow::Next;
      case Kind::Break: return Flow::Break;
      case Kind::Continue: return Flow::Continue;
      case Kind::Range: return render_range(node, dot);
      case Kind::If: case Kind::With: return render_condition(node, dot);
      default: break;
    }
    json::value value = TRY(evaluate(node.pipeline, dot));
    if (node.pipeline.variables.empty()) TRY(write(template_print(value)));
    return Flow::Next;
  }

  Result<Flow> render_condition(const TemplateNode& node, const json::value& dot) {
    size_t scope = variables_.size();
    json::value value = TRY(evaluate(node.pipeline, dot));
    bool holds = template_truth(value);
    const json::value& inner = node.kind == TemplateNode::Kind::With && holds ? value : dot;
    Flow flow = TRY(render_all(holds ? node.children : node.otherwise, inner));
    variables_.erase(variables_.begin() + static_cast<long>(scope), variables_.end());
    return flow;
  }

  Result<Flow> render_range(const TemplateNode& node, const json::value& dot) {
    size_t scope = variables_.size();
    TemplatePipeline const& pipeline = node.pipeline;
    json::value over = TRY(evaluate_commands(pipeline, dot));
    std::vector<std::pair<json::value, json::value>> items = TRY(items_of(over));
    if (items.empty()) return render_all(node.otherwise, dot);
    for (auto& [key, item] : items) {
      if (pipeline.variables.size() == 2) variables_.emplace_back(pipeline.variables[0], key);
      if (!pipeline.variables.empty()) variables_.emplace_back(pipeline.variables.back(), item);
      Flow flow = TRY(render_all(node.children, item));
      variables_.erase(variables_.begin() + static_cast<long>(scope), variables_.end());
      if (flow == Flow::Break) break;
    }
    return Flow::Next;
  }

  // What range goes through: (index, element) of an array, (key, value) of a map in the order of its keys, 0…n-1.
  Result<std::vector<std::pair<json::value, json::value>>> items_of(const json::value& over) {
    std::vector<std::pair<json::value, json::value>> items;
    if (over.is_array()) {
      for (const json::value& element : over.get_array()) items.emplace_back(static_cast<int64_t>(items.size()), element);
    } else if (over.is_object()) {
      for (const auto& member : over.get_object()) items.emplace_back(json::string(member.key()), member.value());
      std::sort(items.begin(), items.end(), [](const auto& a, const auto& b) { return a.first.get_string() < b.first.get_string(); });
    } else if (over.is_int64()) {
      for (int64_t i = 0; i < over.get_int64(); ++i) {
        TRY(count_step());
        items.emplace_back(i, i);
      }
    } else if (!over.is_null()) {
      return fail(ErrorKind::Invalid, format("template: range can't iterate over {}", template_print(over)));
    }
    return items;
  }

  Result<json::value> evaluate(const TemplatePipeline& pipeline, const json::value& dot) {
    json::value value = TRY(evaluate_commands(pipeline, dot));
    for (const std::string& name : pipeline.variables) {
      if (pipeline.declares) {
        variables_.emplace_back(name, value);
        continue;
      }
      json::value* variable = find_variable(name);
      if (variable == nullptr) return fail(ErrorKind::Invalid, format("template: undefined variable \"{}\"", name));
      *variable = value;
    }
    return value;
  }

  Result<json::value> evaluate_commands(const TemplatePipeline& pipeline, const json::value& dot) {
    json::value value;
    bool first = true;
    for (const TemplateCommand& command : pipeline.commands) {
      value = TRY(call(command, dot, first ? nullptr : &value));
      first = false;
    }
    return value;
  }

  // A function with its arguments (and the value piped into it last), or a single operand.
  Result<json::value> call(const TemplateCommand& command, const json::value& dot, const json::value* piped) {
    TRY(count_step());
    const TemplateTerm& head = command.terms[0];
    if (head.kind != TemplateTerm::Kind::Function) {
      if (label_ && head.text == ".Label" && command.terms.size() == 2) return label(command.terms[1], dot);
      if (command.terms.size() > 1 || piped != nullptr) return error_at(head, format("can't give argument to non-function {}", head.text));
      return operand(head, dot);
    }
    if (head.name == "and" || head.name == "or") return short_circuit(command, dot, piped);
    std::vector<json::value> arguments;
    for (size_t i = 1; i < command.terms.size(); ++i) arguments.push_back(TRY(operand(command.terms[i], dot)));
    if (piped != nullptr) arguments.push_back(*piped);
    Result<json::value> result = find_template_function(head.name)(arguments);
    if (!result) return error_at(head, format("error calling {}: {}", head.name, result.error().text()));
    return result;
  }

  Result<json::value> label(const TemplateTerm& argument, const json::value& dot) {
    json::value name = TRY(operand(argument, dot));
    if (!name.is_string()) return error_at(argument, "wrong type for value; expected string");
    return json::value(json::string(label_(std::string_view(name.get_string()))));
  }

  Result<json::value> short_circuit(const TemplateCommand& command, const json::value& dot, const json::value* piped) {
    bool wanted = command.terms[0].name == "or";
    json::value value;
    for (size_t i = 1; i < command.terms.size(); ++i) {
      value = TRY(operand(command.terms[i], dot));
      if (template_truth(value) == wanted) return value;
    }
    if (piped != nullptr) value = *piped;
    else if (command.terms.size() == 1) return error_at(command.terms[0], format("wrong number of args for {}: want at least 1 got 0", command.terms[0].name));
    return value;
  }

  Result<json::value> operand(const TemplateTerm& term, const json::value& dot) {
    TRY(count_step());
    json::value value;
    switch (term.kind) {
      case TemplateTerm::Kind::Dot: case TemplateTerm::Kind::Field: return follow(term, dot);
      case TemplateTerm::Kind::Literal: return term.literal;
      case TemplateTerm::Kind::Pipeline: value = TRY(evaluate_commands(*term.inner, dot)); return follow(term, value);
      case TemplateTerm::Kind::Function: return call_bare(term);
      case TemplateTerm::Kind::Variable: break;
    }
    const json::value* variable = find_variable(term.name);
    if (variable == nullptr) return fail(ErrorKind::Invalid, format("template: :1: undefined variable \"{}\"", term.name));
    return follow(term, *variable);
  }

  Result<json::value> call_bare(const TemplateTerm& term) {
    TemplateFunction function = find_template_function(term.name);
    if (function == nullptr) return error_at(term, format("wrong number of args for {}: want at least 1 got 0", term.name));
    Result<json::value> result = function({});
    if (!result) return error_at(term, format("error calling {}: {}", term.name, result.error().text()));
    return result;
  }

  Result<json::value> follow(const TemplateTerm& term, const json::value& from) {
    const json::value* value = &from;
    std::string_view parent;
    for (const std::string& field : term.fields) {
      // docker's labels are a map, not a structure: one that is not there is no mistake in the template.
      bool strict = missing_ == MissingKey::Error && parent != "Labels";
      parent = field;
      if (value->is_null()) {
        if (strict) return error_at(term, format("nil pointer evaluating interface {{}}.{}", field));
        return json::value(nullptr);
      }
      if (!value->is_object()) return error_at(term, format("can't evaluate field {} in type {}", field, type_name(*value)));
      const json::value* member = json::find(*value, field);
      if (member == nullptr) {
        if (strict) return error_at(term, format("map has no entry for key \"{}\"", field));
        return json::value(nullptr);
      }
      value = member;
    }
    return *value;
  }

  static const char* type_name(const json::value& value) {
    if (value.is_string()) return "string";
    if (value.is_bool()) return "bool";
    if (value.is_array()) return "[]interface {}";
    return value.is_double() ? "float64" : "int";
  }

  json::value* find_variable(const std::string& name) {
    for (auto variable = variables_.rbegin(); variable != variables_.rend(); ++variable)
      if (variable->first == name) return &variable->second;
    return nullptr;
  }

  tl::unexpected<Error> error_at(const TemplateTerm& term, const std::string& what) const {
    return fail(ErrorKind::Invalid, format("template: :1:{}: executing \"\" at <{}>: {}", term.position, term.text, what));
  }

  Result<> count_step() {
    if (++steps_ > kMaxSteps) return fail(ErrorKind::Invalid, "template: takes more than a million steps; make it simpler");
    return {};
  }

  Result<> write(std::string_view text) {
    if (output_.size() + text.size() > kMaxOutput) return fail(ErrorKind::Invalid, "template: gives more than 16 MiB; make it simpler");
    output_.append(text);
    return {};
  }

  MissingKey missing_;
  const LabelOf& label_;
  std::vector<std::pair<std::string, json::value>> variables_;
  std::string output_;
  size_t steps_ = 0;
};

}  // namespace

Result<std::string> Template::render(const json::value& data, MissingKey missing, const LabelOf& label) const {
  return Renderer(data, missing, label).run(*root_, data);
}

}  // namespace hull::cli
