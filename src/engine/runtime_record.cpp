#include "engine/runtime_record.h"

#include "base/fd.h"
#include "shim/protocol.h"

namespace hull::engine {
namespace {

std::optional<json::value> read_json(const std::string& path) {
  auto text = read_file(path, 1 << 20);
  if (!text) return std::nullopt;
  auto value = json::parse(*text, path);
  if (!value || !value->is_object()) return std::nullopt;
  return std::move(*value);
}

ProcessIdentity process_of(const json::value& v, std::string_view pid_key, std::string_view identity_key) {
  return {static_cast<pid_t>(json::get_int(v, pid_key)), std::string(json::get_string(v, identity_key))};
}

json::array ports_to_json(const std::vector<net::PublishedPort>& ports) {
  json::array out;
  for (const net::PublishedPort& port : ports)
    out.push_back(json::object{{"HostIp", port.host_ip}, {"HostPort", port.host_port}, {"Port", port.inside.text()}});
  return out;
}

std::vector<net::PublishedPort> ports_from_json(const json::value* list) {
  std::vector<net::PublishedPort> ports;
  if (list == nullptr || !list->is_array()) return ports;
  for (const json::value& v : list->get_array())
    if (auto inside = net::parse_container_port(json::get_string(v, "Port")))
      ports.push_back({std::string(json::get_string(v, "HostIp")), static_cast<uint16_t>(json::get_int(v, "HostPort")), *inside});
  return ports;
}

}  // namespace

Result<> write_run_record(const Layout& layout, std::string_view id, const RunRecord& record) {
  json::object o;
  o["Pid"] = record.process.pid;
  o["Identity"] = record.process.identity;
  o["ShimPid"] = record.shim.pid;
  o["ShimIdentity"] = record.shim.identity;
  o["BootId"] = record.boot_id;
  o["StartedAt"] = record.started_at;
  o["OomKillsBefore"] = record.oom_kills_before;
  if (record.forwarder.pid > 0) {
    o["PortPid"] = record.forwarder.pid;
    o["PortIdentity"] = record.forwarder.identity;
    o["Ports"] = ports_to_json(record.ports);
  }
  return replace_file(layout.runtime_directory(id) + "/run.json", json::to_text(o), Durability::Volatile);
}

std::optional<RunRecord> read_run_record(const Layout& layout, std::string_view id) {
  auto v = read_json(layout.runtime_directory(id) + "/run.json");
  if (!v) return std::nullopt;
  return RunRecord{process_of(*v, "Pid", "Identity"), process_of(*v, "ShimPid", "ShimIdentity"),
                   std::string(json::get_string(*v, "BootId")), std::string(json::get_string(*v, "StartedAt")),
                   static_cast<uint64_t>(json::get_int(*v, "OomKillsBefore")), process_of(*v, "PortPid", "PortIdentity"),
                   ports_from_json(json::find(*v, "Ports"))};
}

std::optional<ExitRecord> read_exit_record(const Layout& layout, std::string_view id) {
  auto v = read_json(layout.runtime_directory(id) + "/" + shim::kExitName);
  if (!v) return std::nullopt;
  return ExitRecord{static_cast<int>(json::get_int(*v, "ExitCode")), static_cast<int>(json::get_int(*v, "Signal")),
                    std::string(json::get_string(*v, "FinishedAt"))};
}

Result<> write_stored_state(const std::string& record_directory, const StoredState& state) {
  json::object o;
  o["ExitCode"] = state.exit_code;
  o["OOMKilled"] = state.oom_killed;
  o["Started"] = state.started;
  o["ManuallyStopped"] = state.manually_stopped;
  o["Error"] = state.error;
  o["StartedAt"] = state.started_at;
  o["FinishedAt"] = state.finished_at;
  return replace_file(record_directory + "/state.json", json::to_text(o), Durability::Volatile);
}

std::optional<StoredState> read_stored_state(const std::string& record_directory) {
  auto v = read_json(record_directory + "/state.json");
  if (!v) return std::nullopt;
  StoredState state;
  state.exit_code = static_cast<int>(json::get_int(*v, "ExitCode"));
  state.oom_killed = json::get_bool(*v, "OOMKilled");
  state.started = json::get_bool(*v, "Started");
  state.manually_stopped = json::get_bool(*v, "ManuallyStopped");
  state.error = json::get_string(*v, "Error");
  state.started_at = json::get_string(*v, "StartedAt");
  state.finished_at = json::get_string(*v, "FinishedAt");
  return state;
}

}  // namespace hull::engine
