#include "cli/run_options.h"

#include <sched.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/named.h"
#include "kernel/host_facts.h"

namespace hull::cli {
namespace {

using engine::RunArgs;

constexpr Option kOptions[] = {
    {0, "add-host", Takes::Required, "list", "Add a custom host-to-IP mapping (host:ip)", store<&RunArgs::add_host>},
    {0, "annotation", Takes::Required, "list", "Add an annotation to the container (passed through to the OCI runtime)", store<&RunArgs::annotation>},
    {'a', "attach", Takes::Required, "list", "Attach to STDIN, STDOUT or STDERR", store<&RunArgs::attach>},
    {0, "blkio-weight", Takes::Required, "uint16", "Block IO (relative weight), between 10 and 1000, or 0 to disable", store<&RunArgs::blkio_weight>},
    {0, "cap-add", Takes::Required, "list", "Add Linux capabilities", store<&RunArgs::cap_add>},
    {0, "cap-drop", Takes::Required, "list", "Drop Linux capabilities", store<&RunArgs::cap_drop>},
    {0, "cgroupns", Takes::Required, "string", "Cgroup namespace to use (private|host|container:NAME|ns:PATH)", store<&RunArgs::cgroupns>},
    {0, "cidfile", Takes::Required, "string", "Write the container ID to the file", store<&RunArgs::cidfile>},
    {0, "cpu-period", Takes::Required, "int", "Limit CPU CFS (Completely Fair Scheduler) period", store<&RunArgs::cpu_period>},
    {0, "cpu-quota", Takes::Required, "int", "Limit CPU CFS (Completely Fair Scheduler) quota", store<&RunArgs::cpu_quota>},
    {'c', "cpu-shares", Takes::Required, "int", "CPU shares (relative weight)", store<&RunArgs::cpu_shares>},
    {0, "cpus", Takes::Required, "decimal", "Number of CPUs", store<&RunArgs::cpus>},
    {0, "cpuset-cpus", Takes::Required, "string", "CPUs in which to allow execution (0-3, 0,1)", store<&RunArgs::cpuset_cpus>},
    {0, "cpuset-mems", Takes::Required, "string", "MEMs in which to allow execution (0-3, 0,1)", store<&RunArgs::cpuset_mems>},
    {'d', "detach", Takes::Bool, nullptr, "Run container in background and print container ID", store<&RunArgs::detach>},
    {0, "detach-keys", Takes::Required, "string", "Override the key sequence for detaching a container", store<&RunArgs::detach_keys>},
    {0, "device", Takes::Required, "list", "Add a host device to the container", store<&RunArgs::device>},
    {0, "dns", Takes::Required, "list", "Set custom DNS servers", store<&RunArgs::dns>},
    {0, "dns-option", Takes::Required, "list", "Set DNS options", store<&RunArgs::dns_option>},
    {0, "dns-search", Takes::Required, "list", "Set custom DNS search domains", store<&RunArgs::dns_search>},
    {0, "domainname", Takes::Required, "string", "Container NIS domain name", store<&RunArgs::domainname>},
    {0, "dry-run", Takes::Bool, nullptr, "Print the launch plan and start nothing", store<&RunArgs::dry_run>},
    {0, "entrypoint", Takes::Required, "string", "Overwrite the default ENTRYPOINT of the image", store<&RunArgs::entrypoint>},
    {'e', "env", Takes::Required, "list", "Set environment variables", store<&RunArgs::env>},
    {0, "env-file", Takes::Required, "list", "Read in a file of environment variables", store<&RunArgs::env_file>},
    {0, "expose", Takes::Required, "list", "Expose a port or a range of ports", store<&RunArgs::expose>},
    {0, "gidmap", Takes::Required, "list", "Map group ids of a private user namespace (CONTAINER:HOST:SIZE)", store<&RunArgs::gidmap>},
    {0, "group-add", Takes::Required, "list", "Add additional groups to join", store<&RunArgs::group_add>},
    {'h', "hostname", Takes::Required, "string", "Container host name", store<&RunArgs::hostname>},
    {0, "init", Takes::Bool, nullptr, "Run an init inside the container that forwards signals and reaps processes", store<&RunArgs::init>},
    {'i', "interactive", Takes::Bool, nullptr, "Keep STDIN open even if not attached", store<&RunArgs::interactive>},
    {0, "ipc", Takes::Required, "string", "IPC namespace to use (private|host|container:NAME|ns:PATH)", store<&RunArgs::ipc>},
    {'l', "label", Takes::Required, "list", "Set meta data on a container", store<&RunArgs::label>},
    {0, "label-file", Takes::Required, "list", "Read in a line delimited file of labels", store<&RunArgs::label_file>},
    {0, "log-driver", Takes::Required, "string", "Logging driver for the container (json-file|none)", store<&RunArgs::log_driver>},
    {0, "log-opt", Takes::Required, "list", "Log driver options (max-size, max-file)", store<&RunArgs::log_opt>},
    {'m', "memory", Takes::Required, "bytes", "Memory limit", store<&RunArgs::memory>},
    {0, "memory-reservation", Takes::Required, "bytes", "Memory soft limit", store<&RunArgs::memory_reservation>},
    {0, "memory-swap", Takes::Required, "bytes", "Swap limit equal to memory plus swap: '-1' to enable unlimited swap", store<&RunArgs::memory_swap>},
    {0, "memory-swappiness", Takes::Required, "int", "Tune container memory swappiness (0 to 100)", store<&RunArgs::memory_swappiness>},
    {0, "mount", Takes::Required, "mount", "Attach a filesystem mount to the container (type=bind or tmpfs)", store<&RunArgs::mount>},
    {0, "name", Takes::Required, "string", "Assign a name to the container", store<&RunArgs::name>},
    {0, "net", Takes::Required, "network", nullptr, store<&RunArgs::network>},
    {0, "network", Takes::Required, "network", "Network namespace to use (none|host|container:NAME|ns:PATH)", store<&RunArgs::network>},
    {0, "ns", Takes::Required, "list", "Namespaces of any kind: KIND=SPEC[,KIND=SPEC...], as net=container:db,uts=host,time=+1d", store<&RunArgs::ns>},
    {0, "oom-kill-disable", Takes::Bool, nullptr, "Disable OOM Killer", store<&RunArgs::oom_kill_disable>},
    {0, "oom-score-adj", Takes::Required, "int", "Tune host's OOM preferences (-1000 to 1000)", store<&RunArgs::oom_score_adj>},
    {0, "pid", Takes::Required, "string", "PID namespace to use (private|host|container:NAME|ns:PATH)", store<&RunArgs::pid>},
    {0, "pids-limit", Takes::Required, "int", "Tune container pids limit (set -1 for unlimited)", store<&RunArgs::pids_limit>},
    {0, "privileged", Takes::Bool, nullptr, "Give extended privileges to this container", store<&RunArgs::privileged>},
    {'p', "publish", Takes::Required, "list", "Publish a container's port(s) to the host ([HOSTIP:][HOSTPORT:]PORT[/tcp|udp])", store<&RunArgs::publish>},
    {'P', "publish-all", Takes::Bool, nullptr, "Publish all exposed ports to random ports", store<&RunArgs::publish_all>},
    {0, "read-only", Takes::Bool, nullptr, "Mount the container's root filesystem as read only", store<&RunArgs::read_only>},
    {0, "restart", Takes::Required, "string", nullptr, store<&RunArgs::restart>},
    {0, "rm", Takes::Bool, nullptr, "Automatically remove the container when it exits", store<&RunArgs::rm>},
    {0, "rootfs", Takes::Required, "dir", "Use this directory as the root instead of an image", store<&RunArgs::rootfs>},
    {0, "security-opt", Takes::Required, "list", "Security Options", store<&RunArgs::security_opt>},
    {0, "shm-size", Takes::Required, "bytes", "Size of /dev/shm", store<&RunArgs::shm_size>},
    {0, "sig-proxy", Takes::Bool, nullptr, "Proxy received signals to the process (default true)", store<&RunArgs::sig_proxy>},
    {0, "stop-signal", Takes::Required, "string", "Signal to stop the container", store<&RunArgs::stop_signal>},
    {0, "stop-timeout", Takes::Required, "int", "Timeout (in seconds) to stop a container", store<&RunArgs::stop_timeout>},
    {0, "strict-ns", Takes::Bool, nullptr, "A container:NAME must run, and no namespace is taken back from sharers", store<&RunArgs::strict_ns>},
    {0, "sysctl", Takes::Required, "map", "Sysctl options", store<&RunArgs::sysctl>},
    {0, "teach", Takes::Bool, nullptr, "Print shell lines that do the same and start nothing", store<&RunArgs::teach>},
    {0, "tmpfs", Takes::Required, "list", "Mount a tmpfs directory", store<&RunArgs::tmpfs>},
    {0, "trace", Takes::Bool, nullptr, "Print the microseconds of each step of the start", store<&RunArgs::trace>},
    {'t', "tty", Takes::Bool, nullptr, "Allocate a pseudo-TTY", store<&RunArgs::tty>},
    {0, "uidmap", Takes::Required, "list", "Map user ids of a private user namespace (CONTAINER:HOST:SIZE)", store<&RunArgs::uidmap>},
    {0, "ulimit", Takes::Required, "ulimit", "Ulimit options", store<&RunArgs::ulimit>},
    {'u', "user", Takes::Required, "string", "Username or UID (format: <name|uid>[:<group|gid>])", store<&RunArgs::user>},
    {0, "userns", Takes::Required, "string", "User namespace to use (host|private|container:NAME|ns:PATH)", store<&RunArgs::userns>},
    {0, "uts", Takes::Required, "string", "UTS namespace to use (private|host|container:NAME|ns:PATH)", store<&RunArgs::uts>},
    {'v', "volume", Takes::Required, "list", "Bind mount a volume", store<&RunArgs::volume>},
    {'w', "workdir", Takes::Required, "string", "Working directory inside the container", store<&RunArgs::workdir>},
};

Result<> read_into(std::map<std::string, std::string>& files, const std::string& path) {
  constexpr size_t kLimit = 1 << 20;
  auto text = read_file(path, kLimit);
  if (!text && text.error().kind() == ErrorKind::NotFound) return fail(ErrorKind::NotFound, format("open {}: no such file or directory", path));
  files[path] = TRY(std::move(text));
  return {};
}

// `--ns lab`: the kinds that the set has.
Result<> look_up_named(const std::string& entry, engine::RunInputs& inputs) {
  if (entry.find('=') != std::string::npos || !ns::check_pin_name(entry)) return {};
  engine::Engine engine = TRY(engine::Engine::open());
  ns::PinSet set = TRY(engine::NamedNamespaces(engine).load(entry));
  for (const ns::Pin& pin : set.pins) inputs.named[entry].push_back(pin.kind);
  return {};
}

}  // namespace

const std::span<const Option> kRunOptions = kOptions;

Result<engine::RunInputs> gather_run_inputs(const engine::RunArgs& args) {
  engine::RunInputs inputs;
  if (kernel::is_unprivileged()) inputs.ordinary_user = {::geteuid(), ::getegid()};
  for (const std::string& path : args.env_file) TRY(read_into(inputs.files, path));
  for (const std::string& path : args.label_file) TRY(read_into(inputs.files, path));
  for (const std::string& option : args.security_opt) {
    std::string path = option.starts_with("seccomp=") ? option.substr(8) : "";
    if (!path.empty() && path != "unconfined" && path != "builtin") TRY(read_into(inputs.files, path));
  }
  for (const std::string& list : args.ns)
    for (const std::string& entry : split(list, ',')) TRY(look_up_named(entry, inputs));
  for (char** entry = environ; *entry != nullptr; ++entry) inputs.environment.emplace_back(*entry);
  if (char* here = ::getcwd(nullptr, 0)) {
    inputs.working_directory = here;
    ::free(here);
  }
  if (!args.cpus.empty()) inputs.cpu_count = kernel::online_cpus();
  return inputs;
}

}  // namespace hull::cli
