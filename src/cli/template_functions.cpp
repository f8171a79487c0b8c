// The functions of templates: Go's built-ins and docker's (json, split, join, title, lower, upper, pad, truncate).
#include <algorithm>
#include <cctype>
#include <cmath>
#include <optional>

#include "base/text.h"
#include "cli/template_tree.h"

namespace hull::cli {
namespace {

using Arguments = std::vector<json::value>;

Result<> want(const Arguments& arguments, size_t count) {
  if (arguments.size() != count) return fail(ErrorKind::Invalid, format("want {} arguments, got {}", count, arguments.size()));
  return {};
}

json::value text_value(std::string_view text) { return json::string(text.data(), text.size()); }

Result<std::string> text_of(const json::value& value) {
  if (!value.is_string()) return fail(ErrorKind::Invalid, format("wrong type for value; expected string; got {}", template_print(value)));
  return std::string(value.get_string());
}

std::optional<double> number_of(const json::value& value) {
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  if (value.is_uint64()) return static_cast<double>(value.get_uint64());
  if (value.is_double()) return value.get_double();
  return std::nullopt;
}

// -1, 0, 1, or nothing for values of different kinds.
std::optional<int> compare(const json::value& a, const json::value& b) {
  if (auto left = number_of(a), right = number_of(b); left && right) return *left < *right ? -1 : *left > *right;
  if (a.is_string() && b.is_string()) return a.get_string() < b.get_string() ? -1 : a.get_string() > b.get_string();
  return std::nullopt;
}

Result<json::value> equal(const Arguments& arguments) {
  if (arguments.size() < 2) return fail(ErrorKind::Invalid, "missing argument for comparison");
  for (size_t i = 1; i < arguments.size(); ++i) {
    auto order = compare(arguments[0], arguments[i]);
    if (order ? *order == 0 : arguments[0] == arguments[i]) return json::value(true);
    if (!order && !arguments[0].is_null() && !arguments[i].is_null() && arguments[0].kind() != arguments[i].kind())
      return fail(ErrorKind::Invalid, "incompatible types for comparison");
  }
  return json::value(false);
}

Result<json::value> not_equal(const Arguments& arguments) {
  TRY(want(arguments, 2));
  return json::value(!TRY(equal(arguments)).get_bool());
}

template <typename Test>
Result<json::value> ordered(const Arguments& arguments, Test test) {
  TRY(want(arguments, 2));
  auto order = compare(arguments[0], arguments[1]);
  if (!order) return fail(ErrorKind::Invalid, "incompatible types for comparison");
  return json::value(test(*order));
}
Result<json::value> less(const Arguments& a) { return ordered(a, [](int order) { return order < 0; }); }
Result<json::value> less_equal(const Arguments& a) { return ordered(a, [](int order) { return order <= 0; }); }
Result<json::value> greater(const Arguments& a) { return ordered(a, [](int order) { return order > 0; }); }
Result<json::value> greater_equal(const Arguments& a) { return ordered(a, [](int order) { return order >= 0; }); }

Result<json::value> logical_not(const Arguments& arguments) {
  TRY(want(arguments, 1));
  return json::value(!template_truth(arguments[0]));
}

Result<json::value> length(const Arguments& arguments) {
  TRY(want(arguments, 1));
  const json::value& value = arguments[0];
  if (value.is_string()) return json::value(static_cast<int64_t>(value.get_string().size()));
  if (value.is_array()) return json::value(static_cast<int64_t>(value.get_array().size()));
  if (value.is_object()) return json::value(static_cast<int64_t>(value.get_object().size()));
  return fail(ErrorKind::Invalid, format("len of {}", value.is_null() ? "nil pointer" : "type without length"));
}

// What Go gives for a key that a map has not: the zero value of what it holds. A map of texts (labels) says so by what is
// in it; an empty one and none at all are taken for such, for it is labels that scripts ask for.
json::value zero_of(const json::value& map) {
  if (map.is_null()) return json::string("");
  const json::object& members = map.get_object();
  bool texts = std::all_of(members.begin(), members.end(), [](const auto& member) { return member.value().is_string(); });
  return texts ? json::value(json::string("")) : json::value(nullptr);
}

Result<json::value> index_one(const json::value& in, const json::value& key) {
  if (in.is_object() || (in.is_null() && key.is_string())) {
    std::string name = TRY(text_of(key));
    const json::value* member = in.is_object() ? json::find(in, name) : nullptr;
    return member != nullptr ? *member : zero_of(in);
  }
  if (!key.is_int64()) return fail(ErrorKind::Invalid, "cannot index with a value that is no number");
  int64_t at = key.get_int64();
  int64_t size = in.is_array() ? static_cast<int64_t>(in.get_array().size()) : in.is_string() ? static_cast<int64_t>(in.get_string().size()) : -1;
  if (size < 0) return fail(ErrorKind::Invalid, "index of untyped nil");
  if (at < 0 || at >= size) return fail(ErrorKind::Invalid, format("index out of range: {}", at));
  if (in.is_array()) return in.get_array()[static_cast<size_t>(at)];
  return json::value(static_cast<int64_t>(static_cast<unsigned char>(in.get_string()[static_cast<size_t>(at)])));
}

Result<json::value> index(const Arguments& arguments) {
  if (arguments.empty()) return fail(ErrorKind::Invalid, "want at least 1 argument, got 0");
  json::value value = arguments[0];
  for (size_t i = 1; i < arguments.size(); ++i) value = TRY(index_one(value, arguments[i]));
  return value;
}

Result<json::value> slice(const Arguments& arguments) {
  if (arguments.empty() || arguments.size() > 3) return fail(ErrorKind::Invalid, "want 1 to 3 arguments");
  const json::value& in = arguments[0];
  if (!in.is_string() && !in.is_array()) return fail(ErrorKind::Invalid, "can't slice item of this type");
  auto size = static_cast<int64_t>(in.is_string() ? in.get_string().size() : in.get_array().size());
  int64_t from = arguments.size() > 1 && arguments[1].is_int64() ? arguments[1].get_int64() : 0;
  int64_t to = arguments.size() > 2 && arguments[2].is_int64() ? arguments[2].get_int64() : size;
  if (from < 0 || to > size || from > to) return fail(ErrorKind::Invalid, format("index out of range: {}", from < 0 ? from : to));
  if (in.is_string()) return text_value(std::string_view(in.get_string()).substr(static_cast<size_t>(from), static_cast<size_t>(to - from)));
  return json::value(json::array(in.get_array().begin() + from, in.get_array().begin() + to));
}

// Go's Sprint: a space between two operands of which neither is a string.
std::string sprint(const Arguments& arguments) {
  std::string text;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (i > 0 && !arguments[i].is_string() && !arguments[i - 1].is_string()) text.push_back(' ');
    text += template_print(arguments[i]);
  }
  return text;
}

Result<json::value> print(const Arguments& arguments) { return text_value(sprint(arguments)); }

Result<json::value> println(const Arguments& arguments) {
  std::vector<std::string> pieces;
  for (const json::value& argument : arguments) pieces.push_back(template_print(argument));
  return text_value(join(pieces, " ") + "\n");
}

std::string pad_to(std::string text, size_t width, bool left, char fill) {
  if (text.size() >= width) return text;
  std::string padding(width - text.size(), fill);
  return left ? text + padding : padding + text;
}

// One %-verb of printf: flags, width, precision and the letter, applied to one value.
struct Verb {
  bool left = false, zero = false, plus = false, sharp = false;
  size_t width = 0;
  std::optional<size_t> precision;
  char letter = 'v';
};

std::string format_integer(const Verb& verb, const json::value& value) {
  int64_t number = value.is_int64() ? value.get_int64() : static_cast<int64_t>(value.get_uint64());
  std::string text = verb.letter == 'x' ? format("{:x}", number) : verb.letter == 'X' ? format("{:X}", number)
                   : verb.letter == 'o' ? format("{:o}", number) : verb.letter == 'b' ? format("{:b}", number) : std::to_string(number);
  return verb.plus && number >= 0 ? "+" + text : text;
}

std::string go_quote(std::string_view text) {
  return json::to_text(text_value(text));
}

std::string format_verb(const Verb& verb, const json::value& value) {
  constexpr std::string_view kIntegerVerbs = "dxXob";
  if ((value.is_int64() || value.is_uint64()) && kIntegerVerbs.find(verb.letter) != std::string_view::npos) return format_integer(verb, value);
  if (verb.letter == 'f' || verb.letter == 'g' || verb.letter == 'e')
    if (auto number = number_of(value)) return verb.letter == 'f' ? format("{:.{}f}", *number, verb.precision.value_or(6)) : format("{}", *number);
  if (verb.letter == 'x' && value.is_string())
    return to_hex(reinterpret_cast<const unsigned char*>(value.get_string().data()), value.get_string().size());
  if (verb.letter == 'q') return go_quote(template_print(value));
  bool fits = verb.letter == 'v' || (verb.letter == 's' && !number_of(value) && !value.is_bool()) || (verb.letter == 't' && value.is_bool());
  if (!fits) return format("%!{}({})", verb.letter, template_print(value));
  std::string text = template_print(value);
  return verb.precision && verb.letter == 's' ? text.substr(0, *verb.precision) : text;
}

Verb parse_verb(std::string_view pattern, size_t& at) {
  Verb verb;
  for (;; ++at) {
    char c = at < pattern.size() ? pattern[at] : '\0';
    if (c == '-') verb.left = true;
    else if (c == '0') verb.zero = true;
    else if (c == '+') verb.plus = true;
    else if (c == '#') verb.sharp = true;
    else if (c != ' ') break;
  }
  constexpr size_t kMaxWidth = 10000;
  auto number = [&] {
    size_t value = 0;
    for (; at < pattern.size() && std::isdigit(static_cast<unsigned char>(pattern[at])) != 0; ++at)
      value = std::min(kMaxWidth, value * 10 + static_cast<size_t>(pattern[at] - '0'));
    return value;
  };
  verb.width = number();
  if (at < pattern.size() && pattern[at] == '.') {
    ++at;
    verb.precision = std::min<size_t>(number(), 100);
  }
  verb.letter = at < pattern.size() ? pattern[at] : '!';
  return verb;
}

Result<json::value> printf(const Arguments& arguments) {
  if (arguments.empty()) return fail(ErrorKind::Invalid, "want at least 1 argument, got 0");
  std::string pattern = TRY(text_of(arguments[0])), text;
  size_t next = 1;
  for (size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] != '%') {
      text.push_back(pattern[at]);
      continue;
    }
    ++at;
    Verb verb = parse_verb(pattern, at);
    if (verb.letter == '%') text.push_back('%');
    else if (next >= arguments.size()) text += format("%!{}(MISSING)", verb.letter);
    else {
      bool number = number_of(arguments[next]).has_value();
      text += pad_to(format_verb(verb, arguments[next++]), verb.width, verb.left, verb.zero && number && !verb.left ? '0' : ' ');
    }
  }
  return text_value(text);
}

Result<json::value> to_json(const Arguments& arguments) {
  TRY(want(arguments, 1));
  return text_value(json::to_text(arguments[0]));
}

Result<json::value> split_text(const Arguments& arguments) {
  TRY(want(arguments, 2));
  std::string text = TRY(text_of(arguments[0])), separator = TRY(text_of(arguments[1]));
  json::array pieces;
  while (!separator.empty()) {
    size_t at = text.find(separator);
    if (at == std::string::npos) break;
    pieces.push_back(text_value(text.substr(0, at)));
    text.erase(0, at + separator.size());
  }
  pieces.push_back(text_value(text));
  return json::value(std::move(pieces));
}

Result<json::value> join_texts(const Arguments& arguments) {
  TRY(want(arguments, 2));
  if (!arguments[0].is_array()) return fail(ErrorKind::Invalid, "wrong type for value; expected []string");
  std::vector<std::string> pieces;
  for (const json::value& element : arguments[0].get_array()) pieces.push_back(template_print(element));
  return text_value(join(pieces, TRY(text_of(arguments[1]))));
}

Result<json::value> title(const Arguments& arguments) {
  TRY(want(arguments, 1));
  std::string text = TRY(text_of(arguments[0]));
  bool start = true;
  for (char& c : text) {
    if (start) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    start = std::isspace(static_cast<unsigned char>(c)) != 0;
  }
  return text_value(text);
}

Result<json::value> lower(const Arguments& arguments) {
  TRY(want(arguments, 1));
  return text_value(to_lower(TRY(text_of(arguments[0]))));
}

Result<json::value> upper(const Arguments& arguments) {
  TRY(want(arguments, 1));
  return text_value(to_upper(TRY(text_of(arguments[0]))));
}

// pad "x" 1 2: spaces before and after, none around an empty text.
Result<json::value> pad(const Arguments& arguments) {
  TRY(want(arguments, 3));
  std::string text = TRY(text_of(arguments[0]));
  if (!arguments[1].is_int64() || !arguments[2].is_int64()) return fail(ErrorKind::Invalid, "expected integer");
  if (text.empty()) return text_value(text);
  auto spaces = [](int64_t count) { return std::string(static_cast<size_t>(std::clamp<int64_t>(count, 0, 10000)), ' '); };
  return text_value(spaces(arguments[1].get_int64()) + text + spaces(arguments[2].get_int64()));
}

Result<json::value> truncate(const Arguments& arguments) {
  TRY(want(arguments, 2));
  std::string text = TRY(text_of(arguments[0]));
  if (!arguments[1].is_int64()) return fail(ErrorKind::Invalid, "expected integer");
  return text_value(text.substr(0, static_cast<size_t>(std::max<int64_t>(0, arguments[1].get_int64()))));
}

struct Named {
  const char* name;
  TemplateFunction function;
};
constexpr Named kFunctions[] = {
    {"eq", equal}, {"ne", not_equal}, {"lt", less}, {"le", less_equal}, {"gt", greater}, {"ge", greater_equal},
    {"not", logical_not}, {"len", length}, {"index", index}, {"slice", slice}, {"print", print}, {"println", println},
    {"printf", printf}, {"json", to_json}, {"split", split_text}, {"join", join_texts}, {"title", title},
    {"lower", lower}, {"upper", upper}, {"pad", pad}, {"truncate", truncate},
};

}  // namespace

TemplateFunction find_template_function(std::string_view name) {
  for (const Named& named : kFunctions)
    if (name == named.name) return named.function;
  return nullptr;
}

bool template_truth(const json::value& value) {
  if (value.is_null()) return false;
  if (value.is_bool()) return value.get_bool();
  if (value.is_string()) return !value.get_string().empty();
  if (value.is_array()) return !value.get_array().empty();
  if (value.is_object()) return !value.get_object().empty();
  return *number_of(value) != 0;
}

std::string template_print(const json::value& value) {
  if (value.is_null()) return "<no value>";
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_bool()) return value.get_bool() ? "true" : "false";
  if (value.is_int64()) return std::to_string(value.get_int64());
  if (value.is_uint64()) return std::to_string(value.get_uint64());
  if (value.is_double()) return format("{}", value.get_double());
  std::vector<std::string> pieces;
  auto inner = [](const json::value& element) { return element.is_null() ? std::string("<nil>") : template_print(element); };
  if (value.is_array()) {
    for (const json::value& element : value.get_array()) pieces.push_back(inner(element));
    return "[" + join(pieces, " ") + "]";
  }
  for (const auto& member : value.get_object()) pieces.push_back(std::string(member.key()) + ":" + inner(member.value()));
  std::sort(pieces.begin(), pieces.end());
  return "map[" + join(pieces, " ") + "]";
}

}  // namespace hull::cli
