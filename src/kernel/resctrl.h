// Cache and memory bandwidth by the resctrl file system (Intel RDT, AMD QoS): a class of service is a directory with the
// files schemata and tasks; Documentation/filesystems/resctrl.rst. The rules are the runtime-spec's, linux.intelRdt.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "oci/spec.h"

namespace hull::kernel {

// Where it is mounted, from the text of a mountinfo file. Pure.
std::optional<std::string> resctrl_mount_point(std::string_view mountinfo);

struct RdtClass {
  std::string directory;  // "": none
  std::string monitor;    // a monitoring group of the container's own, or ""
  bool made = false;      // by us: it goes with the container
};

// Makes a directory; the kernel fills it.
using MakeDirectory = std::function<Result<>(const std::string& path)>;
Result<> make_one_directory(const std::string& path);

// The class that `rdt` names below `top`, or one of the container's own. A class that was there keeps its schemata: Conflict when
// others are asked for, NotFound when it is not there and none are. On failure nothing that was made remains.
Result<RdtClass> claim_rdt(const std::string& top, const oci::IntelRdt& rdt, const std::string& id, const MakeDirectory& make = make_one_directory);
Result<> enter_rdt(const RdtClass& rdt, pid_t pid);
// Other schemata for a class, as lines "L3:0=f".
Result<> change_rdt(const RdtClass& rdt, const std::vector<std::string>& schemata);
// What was made. A missing one is success.
Result<> release_rdt(const RdtClass& rdt);

}  // namespace hull::kernel
