// hull oci update: limits of a container that runs, as options or as the runtime-spec's resources.
#include <fcntl.h>

#include "base/text.h"
#include "cli/oci.h"
#include "oci/parse.h"
#include "oci/validate.h"

namespace hull::cli {
namespace {

struct Args {
  std::string resources;
  std::string memory, reservation, swap, kernel, kernel_tcp;
  std::string period, quota, burst, shares, rt_period, rt_runtime, cpus, mems, idle;
  std::string pids, blkio_weight, l3_cache, mem_bandwidth;
};
constexpr Option kOptions[] = {
    {'r', "resources", Takes::Required, "file", "The runtime-spec's resources as JSON; - reads standard input", store<&Args::resources>},
    {0, "memory", Takes::Required, "size", "Memory limit, as 64m; -1: none", store<&Args::memory>},
    {0, "memory-reservation", Takes::Required, "size", "Soft memory limit", store<&Args::reservation>},
    {0, "memory-swap", Takes::Required, "size", "Memory and swap together; -1: no limit", store<&Args::swap>},
    {0, "kernel-memory", Takes::Required, "size", "Accepted: no kernel has it any more", store<&Args::kernel>},
    {0, "kernel-memory-tcp", Takes::Required, "size", "Memory for TCP buffers", store<&Args::kernel_tcp>},
    {0, "cpu-period", Takes::Required, "us", "CFS period", store<&Args::period>},
    {0, "cpu-quota", Takes::Required, "us", "CFS quota; -1: none", store<&Args::quota>},
    {0, "cpu-burst", Takes::Required, "us", "CFS burst", store<&Args::burst>},
    {0, "cpu-share", Takes::Required, "shares", "CPU shares", store<&Args::shares>},
    {0, "cpu-rt-period", Takes::Required, "us", "Realtime period", store<&Args::rt_period>},
    {0, "cpu-rt-runtime", Takes::Required, "us", "Realtime runtime", store<&Args::rt_runtime>},
    {0, "cpuset-cpus", Takes::Required, "list", "CPUs to use", store<&Args::cpus>},
    {0, "cpuset-mems", Takes::Required, "list", "Memory nodes to use", store<&Args::mems>},
    {0, "cpu-idle", Takes::Required, "0|1", "SCHED_IDLE for the group", store<&Args::idle>},
    {0, "pids-limit", Takes::Required, "count", "Processes at most; -1: no limit", store<&Args::pids>},
    {0, "blkio-weight", Takes::Required, "weight", "10 to 1000", store<&Args::blkio_weight>},
    {0, "l3-cache-schema", Takes::Required, "schema", "Cache of its class of service, as L3:0=f;1=f", store<&Args::l3_cache>},
    {0, "mem-bw-schema", Takes::Required, "schema", "Memory bandwidth of its class, as MB:0=50", store<&Args::mem_bandwidth>},
};
const Syntax kOciUpdateSyntax{.name = "update", .synopsis = "[OPTIONS] ID", .summary = "Change limits of a container", .options = kOptions,
                              .min_operands = 1, .max_operands = 1};

// A number with an optional sign.
template <typename T>
Result<> set_number(std::optional<T>& out, const std::string& text, const char* option, uint64_t most = INT64_MAX) {
  if (text.empty()) return {};
  bool negative = text[0] == '-';
  auto value = parse_uint(std::string_view(text).substr(negative ? 1 : 0), 0, most);
  if (!value || (negative && (*value != 1 || std::is_unsigned_v<T>)))
    return fail(ErrorKind::Invalid, format("--{}: \"{}\" is no number that it takes", option, escape_controls(text)));
  out = negative ? static_cast<T>(-1) : static_cast<T>(*value);
  return {};
}

// "64m" as well as bytes; -1: no limit.
Result<> set_bytes(std::optional<int64_t>& out, const std::string& text, const char* option) {
  if (text.empty()) return {};
  auto bytes = text == "-1" ? std::optional<uint64_t>(UINT64_MAX) : parse_bytes(text);
  if (!bytes) return fail(ErrorKind::Invalid, format("--{}: \"{}\" is no size, as 64m or -1", option, escape_controls(text)));
  out = static_cast<int64_t>(*bytes);
  return {};
}

Result<> take_options(oci::Resources& r, const Args& a) {
  TRY(set_bytes(r.memory.limit, a.memory, "memory"));
  TRY(set_bytes(r.memory.reservation, a.reservation, "memory-reservation"));
  TRY(set_bytes(r.memory.swap, a.swap, "memory-swap"));
  TRY(set_bytes(r.memory.kernel_tcp, a.kernel_tcp, "kernel-memory-tcp"));
  TRY(set_number(r.cpu.period, a.period, "cpu-period"));
  TRY(set_number(r.cpu.quota, a.quota, "cpu-quota"));
  TRY(set_number(r.cpu.burst, a.burst, "cpu-burst"));
  TRY(set_number(r.cpu.shares, a.shares, "cpu-share"));
  TRY(set_number(r.cpu.realtime_period, a.rt_period, "cpu-rt-period"));
  TRY(set_number(r.cpu.realtime_runtime, a.rt_runtime, "cpu-rt-runtime"));
  TRY(set_number(r.cpu.idle, a.idle, "cpu-idle"));
  TRY(set_number(r.pids_limit, a.pids, "pids-limit"));
  TRY(set_number(r.block_io.weight, a.blkio_weight, "blkio-weight", 1000));
  r.cpu.cpus = a.cpus;
  r.cpu.mems = a.mems;
  return {};
}

Result<oci::Resources> wanted(const Args& args) {
  oci::Resources resources;
  if (args.resources.empty()) {
    TRY(take_options(resources, args));
  } else {
    Fd in = args.resources == "-" ? Fd(::fcntl(0, F_DUPFD_CLOEXEC, 3)) : TRY(open_file(args.resources, 0));
    std::string text = TRY(read_all(in, 1 << 20, "resources " + args.resources));
    resources = TRY(oci::parse_resources(text, "resources"));
  }
  TRY(oci::validate(resources));
  resources.devices.clear();  // as runc: rules are the start's alone
  return resources;
}

}  // namespace

int oci_update(const OciCall& call) {
  return oci_act<Args>(call, kOciUpdateSyntax, [&](const Args& args, const Words& words) -> Result<> {
    oci::Resources resources = TRY(wanted(args));
    std::vector<std::string> schemata;
    for (const std::string& line : {args.l3_cache, args.mem_bandwidth})
      if (!line.empty()) schemata.push_back(line);
    return runtime::update(call.globals.root, std::string(words[0]), resources, schemata);
  });
}

}  // namespace hull::cli
