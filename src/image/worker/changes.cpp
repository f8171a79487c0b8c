#include "image/worker/changes.h"

#include <algorithm>

#include "base/text.h"

namespace hull::image {
namespace {

tl::unexpected<Error> invalid(std::string_view change, std::string_view why) {
  return fail(ErrorKind::Invalid, format("change \"{}\": {}", escape_controls(change), why));
}

// Shell-like words: quotes group, a backslash takes the next character.
Result<std::vector<std::string>> quoted_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c == '\\' && quote != '\'' && at + 1 < text.size()) { word.push_back(text[++at]); in_word = true; }
    else if (quote != 0 && c == quote) quote = 0;
    else if (quote == 0 && (c == '"' || c == '\'')) { quote = c; in_word = true; }
    else if (quote == 0 && (c == ' ' || c == '\t')) { if (in_word) words.push_back(std::exchange(word, {})); in_word = false; }
    else { word.push_back(c); in_word = true; }
  }
  if (quote != 0) return invalid(text, "a quote is not closed");
  if (in_word) words.push_back(std::move(word));
  return words;
}

// ["a", "b"] as it is, anything else through /bin/sh -c.
Result<std::vector<std::string>> command(std::string_view text) {
  if (!text.starts_with('[')) return std::vector<std::string>{"/bin/sh", "-c", std::string(text)};
  json::value list = TRY(json::parse(text, "change"));
  std::vector<std::string> words;
  for (const json::value& element : list.get_array()) {
    if (!element.is_string()) return invalid(text, "not a list of strings");
    words.emplace_back(element.get_string());
  }
  return words;
}

// NAME=value …, or the old "NAME value".
Result<std::vector<std::pair<std::string, std::string>>> pairs(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> result;
  std::vector<std::string> words = TRY(quoted_words(text));
  if (words.empty()) return invalid(text, "requires at least one argument");
  if (words[0].find('=') == std::string::npos) {
    size_t space = text.find_first_of(" \t");
    if (space == std::string_view::npos) return invalid(text, "must have two arguments");
    result.emplace_back(text.substr(0, space), trim(text.substr(space)));
    return result;
  }
  for (const std::string& word : words) {
    size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) return invalid(text, "wants NAME=value");
    result.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  return result;
}

void set_env(std::vector<std::string>& env, const std::string& name, const std::string& value) {
  std::erase_if(env, [&](const std::string& one) { return one.starts_with(name + "="); });
  env.push_back(name + "=" + value);
}

Result<> apply_expose(ImageConfig& config, std::string_view text) {
  for (std::string_view word : split_words(text)) {
    size_t slash = word.find('/');
    std::string protocol = slash == std::string_view::npos ? "tcp" : to_lower(word.substr(slash + 1));
    bool known = protocol == "tcp" || protocol == "udp" || protocol == "sctp";
    if (!parse_uint(word.substr(0, slash), 1, 65535) || !known) return invalid(text, format("invalid port \"{}\"", word));
    config.exposed_ports.push_back(std::string(word.substr(0, slash)) + "/" + protocol);
  }
  return {};
}

Result<> apply_volume(ImageConfig& config, std::string_view text) {
  std::vector<std::string> list = TRY(text.starts_with('[') ? command(text) : quoted_words(text));
  config.volumes.insert(config.volumes.end(), list.begin(), list.end());
  return {};
}

Result<> apply_one(ImageConfig& config, std::string_view change) {
  std::string_view text = trim(change);
  size_t space = text.find_first_of(" \t");
  std::string instruction = to_upper(text.substr(0, space));
  std::string_view rest = space == std::string_view::npos ? "" : trim(text.substr(space));
  if (rest.empty()) return invalid(change, format("{} requires an argument", instruction));
  if (instruction == "CMD") config.cmd = TRY(command(rest));
  else if (instruction == "ENTRYPOINT") config.entrypoint = TRY(command(rest));
  else if (instruction == "USER") config.user = rest;
  else if (instruction == "WORKDIR") config.working_dir = rest.starts_with('/') ? std::string(rest) : config.working_dir + "/" + std::string(rest);
  else if (instruction == "STOPSIGNAL") config.stop_signal = rest;
  else if (instruction == "EXPOSE") return apply_expose(config, rest);
  else if (instruction == "VOLUME") return apply_volume(config, rest);
  else if (instruction == "ENV" || instruction == "LABEL") {
    std::vector<std::pair<std::string, std::string>> list = TRY(pairs(rest));
    for (const auto& [name, value] : list) {
      if (instruction == "ENV") set_env(config.env, name, value);
      else config.labels[name] = value;
    }
  } else {
    return invalid(change, format("{} is not a valid change command", instruction));
  }
  return {};
}

}  // namespace

Result<ImageConfig> apply_changes(const std::vector<std::string>& changes) {
  ImageConfig config;
  for (const std::string& change : changes) TRY(apply_one(config, change));
  for (std::vector<std::string>* list : {&config.exposed_ports, &config.volumes}) {
    std::sort(list->begin(), list->end());
    list->erase(std::unique(list->begin(), list->end()), list->end());
  }
  return config;
}

}  // namespace hull::image
