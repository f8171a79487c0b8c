#include "engine/record.h"

#include "base/text.h"

namespace hull::engine {
namespace {

json::array strings_to_json(const std::vector<std::string>& strings) {
  json::array out;
  for (const std::string& text : strings) out.emplace_back(text);
  return out;
}

std::vector<std::string> strings_from_json(const json::value* v) {
  std::vector<std::string> out;
  if (v != nullptr && v->is_array())
    for (const json::value& item : v->as_array())
      if (item.is_string()) out.emplace_back(std::string_view(item.as_string()));
  return out;
}

json::object process_to_json(const ProcessChoice& process) {
  json::object labels;
  for (const auto& [key, value] : process.labels) labels[key] = value;
  json::object o;
  o["Args"] = strings_to_json(process.args);
  o["Env"] = strings_to_json(process.env);
  o["User"] = process.user;
  o["WorkingDir"] = process.workdir;
  o["StopSignal"] = process.stop_signal;
  o["Labels"] = std::move(labels);
  if (!process.exposed_ports.empty()) {
    json::array ports;
    for (const net::ContainerPort& port : process.exposed_ports) ports.emplace_back(port.text());
    o["ExposedPorts"] = std::move(ports);
  }
  return o;
}

ProcessChoice process_from_json(const json::value& v) {
  ProcessChoice process;
  process.args = strings_from_json(json::find(v, "Args"));
  process.env = strings_from_json(json::find(v, "Env"));
  process.user = json::get_string(v, "User");
  process.workdir = json::get_string(v, "WorkingDir");
  process.stop_signal = json::get_string(v, "StopSignal");
  process.exposed_ports = net::container_ports_from(strings_from_json(json::find(v, "ExposedPorts")));
  if (const json::value* labels = json::find(v, "Labels"); labels != nullptr && labels->is_object())
    for (const auto& [key, value] : labels->as_object())
      if (value.is_string()) process.labels[std::string(std::string_view(key))] = std::string_view(value.as_string());
  return process;
}

}  // namespace

std::string_view status_name(Status status) {
  constexpr std::string_view kNames[] = {"created", "running", "paused", "restarting", "removing", "exited", "dead"};
  return kNames[static_cast<size_t>(status)];
}

json::value to_json(const Record& record) {
  json::object o;
  o["Version"] = 1;
  o["ID"] = record.id;
  o["Name"] = record.name;
  o["Created"] = record.created;
  o["ImageID"] = record.image_id;
  o["Hostname"] = record.hostname;
  o["Config"] = to_json(record.config);
  o["Process"] = process_to_json(record.process);
  return o;
}

Result<Record> record_from_json(const json::value& v) {
  const json::value *config = json::find(v, "Config"), *process = json::find(v, "Process");
  if (json::get_int(v, "Version") != 1 || config == nullptr || process == nullptr)
    return fail(ErrorKind::Corrupt, "container record: not one that this hull wrote");
  Record record;
  record.id = json::get_string(v, "ID");
  record.name = json::get_string(v, "Name");
  record.created = json::get_string(v, "Created");
  record.image_id = json::get_string(v, "ImageID");
  record.hostname = json::get_string(v, "Hostname");
  record.config = TRY_CONTEXT(config_from_json(*config), "container record");
  record.process = process_from_json(*process);
  if (record.process.args.empty()) return fail(ErrorKind::Corrupt, "container record: no command");
  return record;
}

}  // namespace hull::engine
