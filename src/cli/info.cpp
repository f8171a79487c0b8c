// hull info: this host and this store.
#include <sys/utsname.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/template.h"
#include "engine/engine.h"
#include "image/store.h"
#include "kernel/cgroup.h"
#include "kernel/host_facts.h"

namespace hull::cli {
namespace {

struct InfoArgs { std::string format; };
constexpr Option kOptions[] = {
    {'f', "format", Takes::Required, "string", "Format output: 'json' or a Go template", store<&InfoArgs::format>},
};

Result<json::value> gather() {
  engine::Engine engine = TRY(engine::Engine::open());
  engine::ListOptions all;
  all.all = true;
  std::vector<engine::Container> containers = TRY(engine.list(all));
  int64_t running = 0, paused = 0;
  for (const engine::Container& container : containers) {
    running += container.state.status == engine::Status::Running;
    paused += container.state.status == engine::Status::Paused;
  }
  image::ImageStore store = TRY(image::ImageStore::open(engine.root()));
  auto images = TRY(store.list());
  auto groups = kernel::Cgroups::open();
  utsname host{};
  ::uname(&host);
  auto total = static_cast<int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
  return json::object{{"Containers", static_cast<int64_t>(containers.size())},
                      {"ContainersRunning", running},
                      {"ContainersPaused", paused},
                      {"ContainersStopped", static_cast<int64_t>(containers.size()) - running - paused},
                      {"Images", static_cast<int64_t>(images.size())},
                      {"Driver", "overlay2"},
                      {"LoggingDriver", "json-file"},
                      {"CgroupDriver", "cgroupfs"},
                      {"CgroupVersion", groups && (*groups)->mode() == kernel::CgroupMode::V2 ? "2" : "1"},
                      {"CgroupMode", groups ? std::string(kernel::cgroup_mode_name((*groups)->mode())) : "none"},
                      {"KernelVersion", host.release},
                      {"Architecture", host.machine},
                      {"OSType", "linux"},
                      {"NCPU", static_cast<int64_t>(kernel::online_cpus())},
                      {"MemTotal", total},
                      {"Name", host.nodename},
                      {"HullRootDir", engine.root()},
                      {"HullRunDir", engine.run_directory()},
                      {"ServerVersion", HULL_VERSION}};
}

// docker's lines, for those who grep.
constexpr std::string_view kText =
    "Server:\n Containers: {{.Containers}}\n  Running: {{.ContainersRunning}}\n  Paused: {{.ContainersPaused}}\n"
    "  Stopped: {{.ContainersStopped}}\n Images: {{.Images}}\n Server Version: {{.ServerVersion}}\n Storage Driver: {{.Driver}}\n"
    " Logging Driver: {{.LoggingDriver}}\n Cgroup Driver: {{.CgroupDriver}}\n Cgroup Version: {{.CgroupVersion}}\n"
    " Cgroup Mode: {{.CgroupMode}}\n Kernel Version: {{.KernelVersion}}\n OSType: {{.OSType}}\n Architecture: {{.Architecture}}\n"
    " CPUs: {{.NCPU}}\n Total Memory: {{.MemTotal}}\n Name: {{.Name}}\n Hull Root Dir: {{.HullRootDir}}\n"
    " Hull Run Dir: {{.HullRunDir}}";

Result<std::string> info_text(const InfoArgs& args) {
  json::value info = TRY(gather());
  if (args.format == "json") return json::to_text(info) + "\n";
  Template pattern = TRY(Template::parse(args.format.empty() ? std::string(kText) : expand_escapes(args.format)));
  return TRY(pattern.render(info, MissingKey::Error)) + "\n";
}

}  // namespace

const Syntax kInfoSyntax{.name = "info", .synopsis = "[OPTIONS]", .summary = "Display system-wide information", .options = kOptions, .max_operands = 0};

int run_info(const Invocation& call) {
  InfoArgs args;
  std::vector<std::string_view> operands;
  if (auto code = begin(call, kInfoSyntax, &args, operands)) return *code;
  Result<std::string> text = info_text(args);
  if (!text) return report("", text.error());
  print(*text);
  return 0;
}

}  // namespace hull::cli
