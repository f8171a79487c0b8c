#include "cli/container_rows.h"

#include <ctime>

#include "base/text.h"
#include "cli/humanize.h"
#include "engine/ports.h"

namespace hull::cli {
namespace {

constexpr Column kColumns[] = {
    {"ID", "CONTAINER ID"}, {"Image", "IMAGE"},           {"Command", "COMMAND"},  {"CreatedAt", "CREATED AT"},
    {"RunningFor", "CREATED"}, {"Status", "STATUS"},      {"Ports", "PORTS"},      {"Names", "NAMES"},
    {"State", "STATE"},     {"Size", "SIZE"},             {"Labels", "LABELS"},    {"LocalVolumes", "LOCAL VOLUMES"},
    {"Mounts", "MOUNTS"},   {"Networks", "NETWORKS"}, {"Sharing", "SHARING"},
};

std::string labels_text(const std::map<std::string, std::string>& labels) {
  std::vector<std::string> pairs;
  for (const auto& [key, value] : labels) pairs.push_back(key + "=" + value);
  return join(pairs, ",");
}

std::string mounts_text(const engine::ContainerConfig& config, bool full) {
  constexpr size_t kShown = 15;
  std::vector<std::string> sources;
  for (const engine::MountSpec& mount : config.mounts)
    if (mount.kind == engine::MountKind::Bind) sources.push_back(full ? mount.source : truncate_text(mount.source, kShown));
  return join(sources, ",");
}

std::string network_text(const engine::ContainerConfig& config) {
  const engine::NamespaceSpec& net = config.ns(kernel::NsKind::Net);
  if (!net.text.empty()) return net.text;
  return net.mode == engine::NsMode::Host ? "host" : "none";
}

// "net:db,web ipc:db"
std::string sharing_text(const engine::Container& container) {
  std::vector<std::string> kinds;
  kernel::NsKind last{};
  for (const auto& [kind, name] : container.sharers) {
    if (kinds.empty() || kind != last) kinds.push_back(format("{}:{}", kernel::ns_info(kind).name, name));
    else kinds.back() += "," + name;
    last = kind;
  }
  return join(kinds, " ");
}

}  // namespace

const std::span<const Column> kContainerColumns = kColumns;

int64_t unix_seconds(std::string_view rfc3339) {
  std::tm parts{};
  std::string text(rfc3339.substr(0, 19));
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  return end != nullptr && *end == '\0' && parts.tm_year > 0 ? ::timegm(&parts) : 0;
}

std::string created_at_text(int64_t seconds) {
  std::tm parts{};
  std::time_t time = seconds;
  ::gmtime_r(&time, &parts);
  char text[64];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S +0000 UTC", &parts));
}

std::string status_text(const engine::State& state, int64_t now) {
  using engine::Status;
  std::string up = "Up " + human_duration(now - unix_seconds(state.started_at));
  std::string ago = human_duration(now - unix_seconds(state.finished_at)) + " ago";
  switch (state.status) {
    case Status::Created: return "Created";
    case Status::Running: return up;
    case Status::Paused: return up + " (Paused)";
    case Status::Restarting: return format("Restarting ({}) {}", state.exit_code, ago);
    case Status::Removing: return "Removal In Progress";
    case Status::Dead: return "Dead";
    case Status::Exited: break;
  }
  return format("Exited ({}) {}", state.exit_code, ago);
}

json::value container_row(const engine::Container& container, int64_t now, bool full) {
  constexpr size_t kCommandWidth = 20;
  const engine::Record& record = container.record;
  // docker shows the command quoted, and cuts what stands between the quotes' opening and the limit.
  std::string command = join(record.process.args, " ");
  int64_t created = unix_seconds(record.created);
  return json::object{
      {"ID", full ? record.id : short_id(record.id)},
      {"Image", record.config.image.empty() ? record.config.rootfs : record.config.image},
      {"Command", go_quote(full ? command : truncate_text(command, kCommandWidth))},
      {"CreatedAt", created_at_text(created)},
      {"RunningFor", human_duration(now - created) + " ago"},
      {"Status", status_text(container.state, now)},
      {"Ports", net::ports_text(container.state.ports, engine::only_exposed(record, container.state))},
      {"Names", record.name},
      {"State", std::string(engine::status_name(container.state.status))},
      {"Size", "0B"},
      {"Labels", labels_text(record.process.labels)},
      {"LocalVolumes", "0"},
      {"Mounts", mounts_text(record.config, full)},
      {"Networks", network_text(record.config)},
      {"Sharing", sharing_text(container)},
  };
}

}  // namespace hull::cli
