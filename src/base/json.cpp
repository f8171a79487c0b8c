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

// Walks the text once before the value parser does and finds a key that an object holds twice. Boost.JSON keeps
// the last one silently; two readers that differ in that are how a check is bypassed.
struct DuplicateKeyHandler {
  constexpr static size_t max_object_size = static_cast<size_t>(-1);
  constexpr static size_t max_array_size = static_cast<size_t>(-1);
  constexpr static size_t max_key_size = static_cast<size_t>(-1);
  constexpr static size_t max_string_size = static_cast<size_t>(-1);

  std::vector<std::set<std::string, std::less<>>> open_objects;
  std::string key, duplicate;

  using error = boost::json::error_code;
  bool on_document_begin(error&) { return true; }
  bool on_document_end(error&) { return true; }
  bool on_object_begin(error&) { open_objects.emplace_back(); return true; }
  bool on_object_end(size_t, error&) { open_objects.pop_back(); return true; }
  bool on_array_begin(error&) { return true; }
  bool on_array_end(size_t, error&) { return true; }
  bool on_key_part(boost::json::string_view part, size_t, error&) { key.append(part.data(), part.size()); return true; }
  bool on_key(boost::json::string_view part, size_t, error& code) {
    key.append(part.data(), part.size());
    bool fresh = open_objects.back().insert(key).second;
    if (!fresh) { duplicate = key; code = boost::json::error::exception; }
    key.clear();
    return fresh;
  }
  bool on_string_part(boost::json::string_view, size_t, error&) { return true; }
  bool on_string(boost::json::string_view, size_t, error&) { return true; }
  bool on_number_part(boost::json::string_view, error&) { return true; }
  bool on_int64(int64_t, boost::json::string_view, error&) { return true; }
  bool on_uint64(uint64_t, boost::json::string_view, error&) { return true; }
  bool on_double(double number, boost::json::string_view, error& code) {
    if (std::isfinite(number)) return true;  // 6E8899 is infinity to Boost, and it prints what it would not parse
    code = boost::json::error::exponent_overflow;
    return false;
  }
  bool on_bool(bool, error&) { return true; }
  bool on_null(error&) { return true; }
  bool on_comment_part(boost::json::string_view, error&) { return true; }
  bool on_comment(boost::json::string_view, error&) { return true; }
};

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
  boost::json::basic_parser<DuplicateKeyHandler> checker(options);
  boost::json::error_code code;
  checker.write_some(false, text.data(), text.size(), code);
  if (!checker.handler().duplicate.empty())
    return fail(ErrorKind::Invalid, format("{}: the key \"{}\" stands twice in one object", name, checker.handler().duplicate));
  if (!code) {
    // Read, looked at and dropped: its parts come from one piece of memory and go with it.
    auto memory = boost::json::make_shared_resource<boost::json::monotonic_resource>(2 * text.size() + 1024);
    value parsed = boost::json::parse(boost::json::string_view(text.data(), text.size()), code, std::move(memory), options);
    if (!code) return parsed;
  }
  return fail(ErrorKind::Invalid, format("{}: not valid JSON: {}", name, code.message()));
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
