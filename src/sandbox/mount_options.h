// Mount options as the runtime-spec and mount(8) write them, split into what each kernel call takes. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hull::sandbox {

struct MountOptions {
  uint64_t set = 0, clear = 0;                      // MOUNT_ATTR_* of this mount
  uint64_t recursive_set = 0, recursive_clear = 0;  // of this and all below it (rro, rnosuid, …)
  uint64_t propagation = 0;                         // one MS_* propagation type, 0: leave
  bool propagation_recursive = false;
  bool recursive_bind = false;
  bool copy_up = false;                             // tmpcopyup
  bool remount = false;                             // of what is mounted there already
  bool map_ids = false, map_ids_recursive = false;  // idmap, ridmap
  std::vector<std::string> data;                    // what the file system itself reads
};

// Errors: Invalid for options that contradict each other; unknown ones are the file system's (data).
Result<MountOptions> parse_mount_options(const std::vector<std::string>& options);
// All that it knows, sorted; the rest is the file system's.
std::vector<std::string> mount_option_names();
// "rprivate", "rslave", …: the MS_* flags (with MS_REC), or nothing.
std::optional<uint64_t> propagation_flags(std::string_view name);

}  // namespace hull::sandbox
