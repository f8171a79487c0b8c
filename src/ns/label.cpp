#include "ns/label.h"

#include "base/text.h"

namespace hull::ns {
namespace {

// The first 12 digits of a 64-digit id that begins at `text`, or "".
std::string short_hex(std::string_view text) {
  constexpr size_t kIdSize = 64, kShown = 12;
  if (text.size() < kIdSize || text.substr(0, kIdSize).find_first_not_of("0123456789abcdef") != std::string_view::npos) return "";
  return std::string(text.substr(0, kShown));
}

struct Layout {
  const char* before;  // what stands right before the id in the path
  const char* engine;
};

// As each engine names its groups with the cgroupfs and the systemd driver.
constexpr Layout kLayouts[] = {
    {"/docker/", "docker"},           {"docker-", "docker"},     {"/libpod-conmon-", ""}, {"libpod-", "podman"},
    {"cri-containerd-", "containerd"}, {"crio-conmon-", ""},      {"crio-", "crio"},       {"/kubepods/", "containerd"},
};

std::string label_of_path(std::string_view path) {
  for (const Layout& layout : kLayouts) {
    size_t at = path.rfind(layout.before);
    if (at == std::string_view::npos) continue;
    std::string id = short_hex(path.substr(at + std::string_view(layout.before).size()));
    if (!id.empty()) return *layout.engine == '\0' ? "" : std::string(layout.engine) + " " + id;
  }
  size_t slash = path.rfind('/');
  std::string_view last = slash == std::string_view::npos ? path : path.substr(slash + 1);
  if (last == "payload" || last == "supervisor") {  // of systemd-nspawn: machine.slice/systemd-nspawn@NAME.service/payload
    last = path.substr(0, slash);
    last = last.substr(last.rfind('/') + 1);
  }
  if (last.starts_with("systemd-nspawn@")) return "nspawn " + std::string(last.substr(15, last.rfind('.') - 15));
  if (last.starts_with("machine-") && last.ends_with(".scope")) return "nspawn " + std::string(last.substr(8, last.size() - 14));
  if (last.ends_with(".service") || last.ends_with(".scope")) return "unit " + std::string(last);
  // Pods of Kubernetes with the cgroupfs driver: /kubepods/…/podUID/ID.
  std::string id = short_hex(last);
  return !id.empty() && path.find("kubepods") != std::string_view::npos ? "containerd " + id : "";
}

}  // namespace

std::string cgroup_label(std::string_view cgroups) {
  for (std::string_view line : split_lines(cgroups)) {
    size_t colon = line.find(':');
    colon = colon == std::string_view::npos ? colon : line.find(':', colon + 1);
    if (colon == std::string_view::npos) continue;
    std::string label = label_of_path(line.substr(colon + 1));
    if (!label.empty()) return escape_controls(label);
  }
  return "";
}

}  // namespace hull::ns
