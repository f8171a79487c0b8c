#include "kernel/resctrl.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/fd.h"
#include "base/text.h"
#include "base/undo.h"

namespace hull::kernel {

std::optional<std::string> resctrl_mount_point(std::string_view mountinfo) {
  for (std::string_view line : split_lines(mountinfo)) {
    size_t separator = line.find(" - ");
    std::vector<std::string_view> before = split_words(line.substr(0, std::min(separator, line.size())));
    if (separator != std::string_view::npos && before.size() > 4 && line.substr(separator + 3).starts_with("resctrl ")) return unescape_octal(before[4]);
  }
  return std::nullopt;
}

Result<> make_one_directory(const std::string& path) { return ::mkdir(path.c_str(), 0755) == 0 ? Result<>() : fail_errno("mkdir", path); }

namespace {

// runtime-spec: the MB: lines are memBwSchema's, if there is one.
std::vector<std::string> wanted_schemata(const oci::IntelRdt& rdt) {
  std::vector<std::string> lines;
  for (std::string_view line : split_lines(rdt.l3_cache_schema))
    if (rdt.mem_bw_schema.empty() || !trim(line).starts_with("MB:")) lines.emplace_back(trim(line));
  if (!rdt.mem_bw_schema.empty()) lines.emplace_back(trim(rdt.mem_bw_schema));
  lines.insert(lines.end(), rdt.schemata.begin(), rdt.schemata.end());
  std::erase(lines, "");
  return lines;
}

using Domains = std::map<std::string, std::string>;  // of one resource: cache id to mask or share

// "L3:0=00ff;1=f": masks without leading zeros, as the kernel may pad them.
std::pair<std::string, Domains> parse_schema(std::string_view line) {
  size_t colon = line.find(':');
  std::pair<std::string, Domains> parsed{std::string(trim(line.substr(0, colon))), {}};
  if (colon == std::string_view::npos) return parsed;
  for (const std::string& domain : split(line.substr(colon + 1), ';')) {
    size_t equals = domain.find('=');
    if (equals == std::string::npos) continue;
    std::string value = to_lower(trim(std::string_view(domain).substr(equals + 1)));
    value.erase(0, std::min(value.find_first_not_of('0'), value.size()));
    parsed.second[std::string(trim(std::string_view(domain).substr(0, equals)))] = value;
  }
  return parsed;
}

Result<> check_schemata(const std::string& directory, const std::vector<std::string>& wanted) {
  std::map<std::string, Domains> present;
  std::string text = TRY(read_file(directory + "/schemata"));
  for (std::string_view line : split_lines(text)) present.insert(parse_schema(line));
  for (const std::string& line : wanted) {
    auto [resource, domains] = parse_schema(line);
    for (const auto& [domain, value] : domains)
      if (auto found = present.find(resource); found == present.end() || !found->second.contains(domain) || found->second.at(domain) != value)
        return fail(ErrorKind::Conflict, format("{} is there, and its schemata are not {}; leave them out, or choose another closID", directory, escape_controls(line)));
  }
  return {};
}

Result<> write_line(const std::string& path, const std::string& line) {
  Fd file = TRY(open_file(path, O_WRONLY));
  return write_all(file, line + "\n", path);
}

Result<> write_schemata(const std::string& directory, const std::vector<std::string>& lines) {
  for (const std::string& line : lines) TRY_CONTEXT(write_line(directory + "/schemata", line), "schema " + escape_controls(line));
  return {};
}

Result<> claim_class(RdtClass& rdt, const std::string& closid, const std::vector<std::string>& schemata, const MakeDirectory& make) {
  bool there = path_exists(rdt.directory);
  if (there && !closid.empty()) return check_schemata(rdt.directory, schemata);
  if (!closid.empty() && schemata.empty())
    return fail(ErrorKind::NotFound, format("closID: there is no class {}; make it first, or give its schemata", rdt.directory));
  if (there && !path_exists(rdt.directory + "/schemata")) return fail(ErrorKind::Conflict, format("{} is no class of service; give a closID", rdt.directory));
  if (!there) TRY(make(rdt.directory));  // else one that a start that was killed left
  rdt.made = true;
  return write_schemata(rdt.directory, schemata);
}

}  // namespace

Result<RdtClass> claim_rdt(const std::string& top, const oci::IntelRdt& rdt, const std::string& id, const MakeDirectory& make) {
  RdtClass claimed;
  claimed.directory = rdt.clos_id == "/" ? top : top + "/" + (rdt.clos_id.empty() ? id : rdt.clos_id);
  Undo undo;
  undo.add([&claimed] { (void)release_rdt(claimed); });
  TRY(claim_class(claimed, rdt.clos_id, wanted_schemata(rdt), make));
  if (rdt.enable_monitoring) {
    std::string monitor = claimed.directory + "/mon_groups/" + id;
    if (!path_exists(monitor)) TRY(make(monitor));
    claimed.monitor = monitor;
  }
  undo.commit();
  return claimed;
}

Result<> enter_rdt(const RdtClass& rdt, pid_t pid) {
  for (const std::string* directory : {&rdt.directory, &rdt.monitor})
    if (!directory->empty()) TRY(write_line(*directory + "/tasks", std::to_string(pid)));
  return {};
}

Result<> change_rdt(const RdtClass& rdt, const std::vector<std::string>& schemata) {
  if (rdt.directory.empty()) return fail(ErrorKind::Invalid, "the container has no class of service: its linux.intelRdt is not set");
  return write_schemata(rdt.directory, schemata);
}

Result<> release_rdt(const RdtClass& rdt) {
  for (const std::string& directory : {rdt.monitor, rdt.made ? rdt.directory : std::string()})
    if (!directory.empty() && ::rmdir(directory.c_str()) != 0 && errno != ENOENT) return fail_errno("rmdir", directory);
  return {};
}

}  // namespace hull::kernel
