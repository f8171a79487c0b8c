// linux.resources, and the resources of update: what no kernel would take, told by field. The rest the kernel says.
#include <algorithm>
#include <set>

#include "base/text.h"
#include "oci/validate.h"

namespace hull::oci {
namespace {

tl::unexpected<Error> invalid(std::string text) { return fail(ErrorKind::Invalid, "linux.resources." + std::move(text)); }

Result<> check_rules(const Resources& r) {
  for (size_t i = 0; i < r.devices.size(); ++i) {
    const DeviceRule& rule = r.devices[i];
    if (!rule.type.empty() && rule.type != "a" && rule.type != "b" && rule.type != "c")
      return invalid(format("devices[{}].type: unknown \"{}\"", i, escape_controls(rule.type)));
    if (rule.access.find_first_not_of("rwm") != std::string::npos)
      return invalid(format("devices[{}].access: \"{}\" is not of rwm", i, escape_controls(rule.access)));
    if (rule.major.value_or(0) < 0 || rule.minor.value_or(0) < 0) return invalid(format("devices[{}]: major and minor are not below 0", i));
  }
  return {};
}

Result<> check_memory(const Memory& m) {
  if (m.swappiness.value_or(0) > 100) return invalid("memory.swappiness: above 100");
  if (m.limit.value_or(0) < -1) return invalid("memory.limit: below -1");
  if (m.swap.value_or(0) < -1) return invalid("memory.swap: below -1");
  if (m.reservation.value_or(0) < -1) return invalid("memory.reservation: below -1");
  return {};
}

Result<> check_cpu(const Cpu& c) {
  if (c.idle && *c.idle != 0 && *c.idle != 1) return invalid("cpu.idle: neither 0 nor 1");
  for (const std::string* list : {&c.cpus, &c.mems})
    if (list->find_first_not_of("0123456789,-") != std::string::npos)
      return invalid(format("cpu.{}: \"{}\" is no list", list == &c.cpus ? "cpus" : "mems", escape_controls(*list)));
  return {};
}

Result<> check_block_io(const BlockIo& b) {
  for (auto weight : {b.weight, b.leaf_weight})
    if (weight.value_or(0) != 0 && (*weight < 10 || *weight > 1000)) return invalid("blockIO.weight: not from 10 to 1000");
  for (const WeightDevice& device : b.weight_device)
    if (!device.weight && !device.leaf_weight) return invalid(format("blockIO.weightDevice: {}:{} has no weight", device.major, device.minor));
  return {};
}

Result<> check_hugepages(const Resources& r) {
  std::set<std::string> seen;
  for (size_t i = 0; i < r.hugepage_limits.size(); ++i) {
    const std::string& size = r.hugepage_limits[i].page_size;
    size_t digits = std::min(size.find_first_not_of("0123456789"), size.size());
    std::string unit = size.substr(digits);
    if (digits == 0 || size[0] == '0' || (unit != "KB" && unit != "MB" && unit != "GB"))
      return invalid(format("hugepageLimits[{}].pageSize: \"{}\" is no size as 2MB", i, escape_controls(size)));
    if (!seen.insert(size).second) return invalid(format("hugepageLimits[{}].pageSize: \"{}\" stands twice", i, size));
  }
  return {};
}

}  // namespace

Result<> validate(const Resources& r) {
  TRY(check_rules(r));
  TRY(check_memory(r.memory));
  TRY(check_cpu(r.cpu));
  TRY(check_block_io(r.block_io));
  TRY(check_hugepages(r));
  for (const auto& [device, limits] : r.rdma)
    if (!limits.first && !limits.second) return invalid(format("rdma[\"{}\"]: no limit given", escape_controls(device)));
  for (const auto& [file, value] : r.unified)
    if (file.find('/') != std::string::npos || file.find('.') == std::string::npos || file.starts_with('.'))
      return invalid(format("unified[\"{}\"]: is no file of a cgroup", escape_controls(file)));
  return {};
}

}  // namespace hull::oci
