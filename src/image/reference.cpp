#include "image/reference.h"

#include <algorithm>

#include "base/text.h"

namespace hull::image {
namespace {

constexpr size_t kMaxNameLength = 255;
constexpr size_t kMaxTagLength = 128;

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alnum(char c) { return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// Letters and digits, with '-' inside.
bool is_domain_label(std::string_view label) {
  return !label.empty() && is_alnum(label.front()) && is_alnum(label.back()) &&
         std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-'; });
}

bool is_domain(std::string_view domain) {
  if (domain.starts_with('[')) {
    size_t end = domain.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    std::string_view address = domain.substr(1, end - 1), rest = domain.substr(end + 1);
    if (!std::all_of(address.begin(), address.end(), [](char c) { return is_hex_digit(c) || c == ':'; })) return false;
    if (rest.empty()) return true;
    return rest.size() > 1 && rest[0] == ':' && std::all_of(rest.begin() + 1, rest.end(), is_digit);
  }
  size_t colon = domain.find(':');
  if (colon != std::string_view::npos) {
    std::string_view port = domain.substr(colon + 1);
    if (port.empty() || !std::all_of(port.begin(), port.end(), is_digit)) return false;
    domain = domain.substr(0, colon);
  }
  for (const std::string& label : split(domain, '.'))
    if (!is_domain_label(label)) return false;
  return true;
}

// [a-z0-9]+ pieces joined by one of "." "_" "__" or any run of "-".
bool is_path_component(std::string_view component) {
  if (component.empty() || !is_lower_or_digit(component.front()) || !is_lower_or_digit(component.back())) return false;
  for (size_t at = 0; at < component.size();) {
    if (is_lower_or_digit(component[at])) { ++at; continue; }
    size_t end = at;
    while (end < component.size() && !is_lower_or_digit(component[end])) ++end;
    std::string_view joint = component.substr(at, end - at);
    bool dashes = std::all_of(joint.begin(), joint.end(), [](char c) { return c == '-'; });
    if (!dashes && joint != "." && joint != "_" && joint != "__") return false;
    at = end;
  }
  return true;
}

bool is_path(std::string_view path) {
  for (const std::string& component : split(path, '/'))
    if (!is_path_component(component)) return false;
  return true;
}

bool is_tag(std::string_view tag) {
  if (tag.empty() || tag.size() > kMaxTagLength || !(is_alnum(tag[0]) || tag[0] == '_')) return false;
  return std::all_of(tag.begin(), tag.end(), [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

tl::unexpected<Error> invalid_format() { return fail(ErrorKind::Invalid, "invalid reference format"); }

// docker: the first part is a domain if it has a '.', a ':', an upper-case letter or is "localhost".
void split_domain(std::string_view text, Reference& reference) {
  size_t slash = text.find('/');
  std::string_view first = slash == std::string_view::npos ? std::string_view() : text.substr(0, slash);
  bool domain = !first.empty() && (first.find_first_of(".:") != std::string_view::npos || first == "localhost" ||
                                   to_lower(first) != first);
  reference.domain = domain ? std::string(first) : "docker.io";
  reference.path = std::string(domain ? text.substr(slash + 1) : text);
  if (reference.domain == "index.docker.io") reference.domain = "docker.io";
  if (reference.domain == "docker.io" && reference.path.find('/') == std::string::npos)
    reference.path = "library/" + reference.path;
}

}  // namespace

std::string Reference::familiar_name() const {
  if (domain != "docker.io") return name();
  std::string_view short_path = path;
  if (short_path.starts_with("library/") && short_path.find('/', 8) == std::string_view::npos) short_path.remove_prefix(8);
  return std::string(short_path);
}

std::string Reference::familiar() const {
  return familiar_name() + (tag.empty() ? "" : ":" + tag) + (digest ? "@" + digest->text() : "");
}

std::string Reference::text() const {
  return name() + (tag.empty() ? "" : ":" + tag) + (digest ? "@" + digest->text() : "");
}

Result<Reference> parse_reference(std::string_view text) {
  if (is_hex64(text))
    return fail(ErrorKind::Invalid, format("invalid repository name ({}), cannot specify 64-byte hexadecimal strings", text));
  Reference reference;
  std::string_view rest = text;
  if (size_t at = rest.find('@'); at != std::string_view::npos) {
    Result<Digest> digest = Digest::parse(rest.substr(at + 1));
    if (!digest && digest.error().kind() == ErrorKind::Unsupported) return fail(std::move(digest).error());
    if (!digest) return invalid_format();
    reference.digest = *digest;
    rest = rest.substr(0, at);
  }
  size_t colon = rest.rfind(':'), slash = rest.rfind('/');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    reference.tag = std::string(rest.substr(colon + 1));
    rest = rest.substr(0, colon);
    if (!is_tag(reference.tag)) return invalid_format();
  }
  split_domain(rest, reference);
  if (to_lower(reference.path) != reference.path)
    return fail(ErrorKind::Invalid, format("invalid reference format: repository name ({}) must be lowercase",
                                           escape_controls(reference.path.substr(0, kMaxNameLength))));
  if (!is_domain(reference.domain) || !is_path(reference.path)) return invalid_format();
  if (reference.path.size() > kMaxNameLength || reference.domain.size() > kMaxNameLength)
    return fail(ErrorKind::Invalid, format("repository name must not be more than {} characters", kMaxNameLength));
  if (reference.tag.empty() && !reference.digest) reference.tag = "latest";
  return reference;
}

}  // namespace hull::image
