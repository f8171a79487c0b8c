// ContainerConfig → oci::Spec with docker's defaults and hull's hardening (SECURITY §5). Pure: what the host knows comes
// in as OciFacts, gathered by facts.cpp, so that every default can be tested as text. Three parts: the process, the
// mounts, and the rest of `linux` (namespaces, limits, devices, protections).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "engine/record.h"
#include "engine/specs.h"
#include "kernel/capabilities.h"
#include "oci/spec.h"

namespace hull::engine {

struct OciFacts {
  ResolvedUser user;
  std::string rootfs;                                       // root.path; the overlay's attachment point for an image
  std::string hosts_path, hostname_path, resolv_conf_path;  // managed files on the host; empty: none
  std::array<std::string, kernel::kNsKinds> join_paths;     // to join; empty with Private or Container: a new one
  uint64_t ours = 0;                                        // CLONE_NEW* of those to join that we are in: it stays there
  std::vector<IdMap> uid_map, gid_map;                      // of a new user namespace; empty: the configuration's
  std::optional<TimeOffsets> time_offsets;                  // of a new time namespace; absent: the configuration's
  std::vector<oci::Device> devices;                         // of --device, and with --privileged all of the host's
  std::vector<std::string> device_access;                   // "rwm" of each
  std::vector<std::string> thermal_throttle;                // directories of the CPUs that have them
  kernel::CapMask capabilities = kernel::kAllCapabilities;  // this host's
  bool in_user_namespace = false;                           // we are: not every id is mapped
  uint64_t nofile_hard_limit = 524288;                      // ours: without CAP_SYS_RESOURCE nothing can exceed it
  uint16_t rows = 0, columns = 0;                           // of the caller's terminal
};

// Invalid names the flag that cannot be met.
Result<oci::Spec> to_oci(const Record& record, const OciFacts& facts);

Result<oci::Process> oci_process(const Record& record, const OciFacts& facts);
// The capability sets of a process: bounding is `mask`, and for uid 0 permitted and effective too; never inheritable
// or ambient (CVE-2022-24769).
oci::Capabilities capability_sets(kernel::CapMask mask, uint32_t uid);
Result<kernel::CapMask> container_capabilities(const ContainerConfig& config, kernel::CapMask available);
std::vector<oci::Mount> oci_mounts(const Record& record, const OciFacts& facts);
oci::Resources oci_resources(const Record& record, const OciFacts& facts);

}  // namespace hull::engine
