#include "base/json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/src.hpp>

#include <cmath>
#include <set>
#include <vector>

#include "base/text.h"

namespace hull::json {
namespace {

constexpr size_t kMaxDepth = 64;

// Builds the value and counts the members. Boost.JSON keeps the last of two members with one key, silently; two readers that
// differ in that are how a check is bypassed. So fewer members in the value than in the text is an error.
struct Builder {
  constexpr static size_t max_object_size = boost::json::object::max_size();
  constexpr static size_t max_array_size = boost::json::array::max_size();
  constexpr static size_t max_key_size = boost::json::string::max_size();
  constexpr static size_t max_string_size = boost::json::string::max_size();

  boost::json::value_stack stack;
  size_t members = 0;

  using error = boost::json::error_code;
  using text = boost::json::string_view;
  bool on_document_begin(error&) { return true; }
  bool on_document_end(error&) { return true; }
  bool on_object_begin(error&) { return true; }
  bool on_object_end(size_t count, error&) { stack.push_object(count); return true; }
  bool on_array_begin(error&) { return true; }
  bool on_array_end(size_t count, error&) { stack.push_array(count); return true; }
  bool on_key_part(text part, size_t, error&) { stack.push_chars(part); return true; }
  bool on_key(text part, size_t, error&) { stack.push_key(part); ++members; return true; }
  bool on_string_part(text part, size_t, error&) { stack.push_chars(part); return true; }
  bool on_string(text part, size_t, error&) { stack.push_string(part); return true; }
  bool on_number_part(text, error&) { return true; }
  bool on_int64(int64_t number, text, error&) { stack.push_int64(number); return true; }
  bool on_uint64(uint64_t number, text, error&) { stack.push_uint64(number); return true; }
  bool on_double(double number, text, error& code) {
    stack.push_double(number);
    if (std::isfinite(number)) return true;  // 6E8899 is infinity to Boost, and it prints what it would not parse
    code = boost::json::error::exponent_overflow;
    return false;
  }
  bool on_bool(bool truth, error&) { stack.push_bool(truth); return true; }
  bool on_null(error&) { stack.push_null(); return true; }
  bool on_comment_part(text, error&) { return true; }
  bool on_comment(text, error&) { return true; }
};

size_t count_members(const value& v) {
  size_t count = 0;
  if (v.is_object()) {
    count = v.get_object().size();
    for (const auto& member : v.get_object()) count += count_members(member.value());
  } else if (v.is_array()) {
    for (const auto& element : v.get_array()) count += count_members(element);
  }
  return count;
}

// Builds as well, and stops at a key that an object holds twice.
struct KeyWalk : Builder {
  std::vector<std::set<std::string>> open_objects;
  std::string key, duplicate;

  bool on_object_begin(error&) { open_objects.emplace_back(); return true; }
  bool on_object_end(size_t count, error& code) { open_objects.pop_back(); return Builder::on_object_end(count, code); }
  bool on_key_part(text part, size_t size, error& code) {
    key.append(part.data(), part.size());
    return Builder::on_key_part(part, size, code);
  }
  bool on_key(text part, size_t size, error& code) {
    key.append(part.data(), part.size());
    if (!open_objects.back().insert(key).second) { duplicate = key; code = boost::json::error::exception; }
    key.clear();
    return !code.failed() && Builder::on_key(part, size, code);
  }
};

std::string key_held_twice(std::string_view text, const boost::json::parse_options& options) {
  boost::json::basic_parser<KeyWalk> walk(options);
  boost::json::error_code code;
  walk.write_some(false, text.data(), text.size(), code);
  return walk.handler().duplicate;
}

void write_pretty(std::string& out, const value& v, int indent, int level) {
  auto newline = [&](int at) { out.push_back('\n'); out.append(static_cast<size_t>(indent * at), ' '); };
  if (v.is_object() && !v.get_object().empty()) {
    out.push_back('{');
    bool first = true;
    for (const auto& member : v.get_object()) {
      if (!first) out.push_back(',');
      first = false;
      newline(level + 1);
      out.append(boost::json::serialize(value(member.key()))).append(": ");
      write_pretty(out, member.value(), indent, level + 1);
    }
    newline(level);
    out.push_back('}');
  } else if (v.is_array() && !v.get_array().empty()) {
    out.push_back('[');
    bool first = true;
    for (const auto& element : v.get_array()) {
      if (!first) out.push_back(',');
      first = false;
      newline(level + 1);
      write_pretty(out, element, indent, level + 1);
    }
    newline(level);
    out.push_back(']');
  } else {
    out.append(boost::json::serialize(v));
  }
}

}  // namespace

Result<value> parse(std::string_view text, std::string_view name) {
  boost::json::parse_options options;
  options.max_depth = kMaxDepth;
  boost::json::basic_parser<Builder> parser(options);
  // Read, looked at and dropped: its parts come from one piece of memory and go with it.
  Builder& builder = parser.handler();
  builder.stack.reset(boost::json::make_shared_resource<boost::json::monotonic_resource>(2 * text.size() + 1024));
  boost::json::error_code code;
  size_t read = parser.write_some(false, text.data(), text.size(), code);
  if (!code && read < text.size()) code = boost::json::error::extra_data;
  if (code) return fail(ErrorKind::Invalid, format("{}: not valid JSON: {}", name, code.message()));
  value parsed = builder.stack.release();
  if (count_members(parsed) != builder.members)
    return fail(ErrorKind::Invalid, format("{}: the key \"{}\" stands twice in one object", name, key_held_twice(text, options)));
  return parsed;
}

std::string to_text(const value& v) { return boost::json::serialize(v); }

std::string to_pretty_text(const value& v, int indent) {
  std::string out;
  write_pretty(out, v, indent, 0);
  return out;
}

const value* find(const value& v, std::string_view key) {
  if (!v.is_object()) return nullptr;
  return v.get_object().if_contains(boost::json::string_view(key.data(), key.size()));
}

std::string_view get_string(const value& v, std::string_view key, std::string_view fallback) {
  const value* member = find(v, key);
  if (member == nullptr || !member->is_string()) return fallback;
  return {member->get_string().data(), member->get_string().size()};
}

bool get_bool(const value& v, std::string_view key, bool fallback) {
  const value* member = find(v, key);
  return member != nullptr && member->is_bool() ? member->get_bool() : fallback;
}

int64_t get_int(const value& v, std::string_view key, int64_t fallback) {
  const value* member = find(v, key);
  if (member == nullptr) return fallback;
  if (member->is_int64()) return member->get_int64();
  if (member->is_uint64() && member->get_uint64() <= INT64_MAX) return static_cast<int64_t>(member->get_uint64());
  return fallback;
}

}  // namespace hull::json
