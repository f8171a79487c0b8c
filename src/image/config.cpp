#include "image/config.h"

#include <algorithm>

#include "base/text.h"
#include "image/limits.h"

namespace hull::image {
namespace {

tl::unexpected<Error> invalid(std::string_view key, std::string_view why) {
  return fail(ErrorKind::Invalid, format("image configuration: {} {}", key, why));
}

Result<> read_string(const json::value& object, std::string_view key, std::string& out) {
  const json::value* member = json::find(object, key);
  if (member == nullptr || member->is_null()) return {};
  if (!member->is_string()) return invalid(key, "is no string");
  out = std::string(member->get_string());
  if (out.find('\0') != std::string::npos) return invalid(key, "contains a zero byte");
  return {};
}

Result<> read_list(const json::value& object, std::string_view key, std::vector<std::string>& out) {
  const json::value* member = json::find(object, key);
  if (member == nullptr || member->is_null()) return {};
  if (!member->is_array()) return invalid(key, "is no list");
  for (const json::value& element : member->get_array()) {
    if (!element.is_string()) return invalid(key, "holds something that is no string");
    out.emplace_back(element.get_string());
    if (out.back().find('\0') != std::string::npos) return invalid(key, "contains a zero byte");
  }
  return {};
}

// {"80/tcp": {}, …}: the keys, sorted.
Result<> read_set(const json::value& object, std::string_view key, std::vector<std::string>& out) {
  const json::value* member = json::find(object, key);
  if (member == nullptr || member->is_null()) return {};
  if (!member->is_object()) return invalid(key, "is no object");
  for (const auto& entry : member->get_object()) {
    out.emplace_back(entry.key());
    if (out.back().find('\0') != std::string::npos) return invalid(key, "contains a zero byte");
  }
  std::sort(out.begin(), out.end());
  return {};
}

Result<> read_labels(const json::value& object, std::map<std::string, std::string>& out) {
  const json::value* member = json::find(object, "Labels");
  if (member == nullptr || member->is_null()) return {};
  if (!member->is_object()) return invalid("Labels", "is no object");
  for (const auto& entry : member->get_object()) {
    if (!entry.value().is_string()) return invalid("Labels", "holds something that is no string");
    out.emplace(std::string(entry.key()), std::string(entry.value().get_string()));
  }
  return {};
}

Result<> read_health_check(const json::value& object, std::optional<HealthCheck>& out) {
  const json::value* member = json::find(object, "Healthcheck");
  if (member == nullptr || member->is_null()) return {};
  if (!member->is_object()) return invalid("Healthcheck", "is no object");
  HealthCheck check;
  TRY(read_list(*member, "Test", check.test));
  check.interval_ns = json::get_int(*member, "Interval");
  check.timeout_ns = json::get_int(*member, "Timeout");
  check.start_period_ns = json::get_int(*member, "StartPeriod");
  check.start_interval_ns = json::get_int(*member, "StartInterval");
  check.retries = json::get_int(*member, "Retries");
  if (check.interval_ns < 0 || check.timeout_ns < 0 || check.start_period_ns < 0 || check.retries < 0)
    return invalid("Healthcheck", "holds a negative number");
  out = std::move(check);
  return {};
}

json::array to_array(const std::vector<std::string>& list) {
  json::array array;
  for (const std::string& element : list) array.emplace_back(element);
  return array;
}

json::object to_set(const std::vector<std::string>& keys) {
  json::object object;
  for (const std::string& key : keys) object[key] = json::object();
  return object;
}

Result<> read_diff_ids(const json::value& document, std::vector<Digest>& out) {
  const json::value* rootfs = json::find(document, "rootfs");
  if (rootfs == nullptr || !rootfs->is_object()) return invalid("rootfs", "is missing");
  if (json::get_string(*rootfs, "type") != "layers") return invalid("rootfs.type", "is not \"layers\"");
  std::vector<std::string> texts;
  TRY(read_list(*rootfs, "diff_ids", texts));
  if (texts.size() > kMaxLayers) return invalid("rootfs.diff_ids", format("has more than {} layers", kMaxLayers));
  for (const std::string& text : texts) out.push_back(TRY(Digest::parse(text)));
  return {};
}

}  // namespace

Result<ImageConfig> parse_image_config(const json::value& object) {
  ImageConfig config;
  if (object.is_null()) return config;
  if (!object.is_object()) return invalid("config", "is no object");
  TRY(read_string(object, "User", config.user));
  TRY(read_string(object, "WorkingDir", config.working_dir));
  TRY(read_string(object, "StopSignal", config.stop_signal));
  TRY(read_list(object, "Env", config.env));
  TRY(read_list(object, "Entrypoint", config.entrypoint));
  TRY(read_list(object, "Cmd", config.cmd));
  TRY(read_list(object, "Shell", config.shell));
  TRY(read_set(object, "ExposedPorts", config.exposed_ports));
  TRY(read_set(object, "Volumes", config.volumes));
  TRY(read_labels(object, config.labels));
  TRY(read_health_check(object, config.health_check));
  return config;
}

Result<ImageDocument> parse_image_document(std::string_view text) {
  if (text.size() > kMaxDocumentBytes) return fail(ErrorKind::Invalid, "image configuration: larger than 4 MiB");
  ImageDocument document;
  document.raw = TRY(json::parse(text, "image configuration"));
  if (!document.raw.is_object()) return fail(ErrorKind::Invalid, "image configuration: not a JSON object");
  if (json::find(document.raw, "layers") != nullptr || json::find(document.raw, "manifests") != nullptr)
    return fail(ErrorKind::Invalid, "image configuration: is also a manifest");
  TRY(read_string(document.raw, "created", document.created));
  TRY(read_string(document.raw, "author", document.author));
  TRY(read_string(document.raw, "architecture", document.architecture));
  TRY(read_string(document.raw, "os", document.os));
  TRY(read_string(document.raw, "variant", document.variant));
  if (const json::value* config = json::find(document.raw, "config")) document.config = TRY(parse_image_config(*config));
  TRY(read_diff_ids(document.raw, document.diff_ids));
  return document;
}

json::value image_config_to_json(const ImageConfig& config) {
  json::object object;
  if (!config.user.empty()) object["User"] = config.user;
  if (!config.exposed_ports.empty()) object["ExposedPorts"] = to_set(config.exposed_ports);
  if (!config.env.empty()) object["Env"] = to_array(config.env);
  if (!config.entrypoint.empty()) object["Entrypoint"] = to_array(config.entrypoint);
  if (!config.cmd.empty()) object["Cmd"] = to_array(config.cmd);
  if (!config.shell.empty()) object["Shell"] = to_array(config.shell);
  if (!config.volumes.empty()) object["Volumes"] = to_set(config.volumes);
  if (!config.working_dir.empty()) object["WorkingDir"] = config.working_dir;
  if (!config.stop_signal.empty()) object["StopSignal"] = config.stop_signal;
  if (!config.labels.empty()) {
    json::object labels;
    for (const auto& [key, text] : config.labels) labels[key] = text;
    object["Labels"] = std::move(labels);
  }
  if (const auto& check = config.health_check)
    object["Healthcheck"] = json::object{{"Test", to_array(check->test)},
                                         {"Interval", check->interval_ns},
                                         {"Timeout", check->timeout_ns},
                                         {"StartPeriod", check->start_period_ns},
                                         {"StartInterval", check->start_interval_ns},
                                         {"Retries", check->retries}};
  return object;
}

}  // namespace hull::image
