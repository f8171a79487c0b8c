#include "engine/create.h"

#include <unistd.h>

#include "base/text.h"
#include "base/undo.h"
#include "engine/names.h"
#include "engine/ports.h"
#include "engine/state.h"
#include "kernel/host_facts.h"
#include "sandbox/print.h"

namespace hull::engine {
namespace {

// Of a container whose network or uts namespace is shared; "" while there is none.
std::string shared_hostname(const Layout& layout, const NamespaceSpec& ns) {
  if (ns.mode != NsMode::Container) return "";
  Records records(layout);
  auto place = records.find(ns.target);
  auto record = place ? records.load(*place) : fail(ErrorKind::NotFound, "");
  return record ? record->hostname : "";
}

// As docker: who shares a network has its owner's name.
std::string hostname_of(const Layout& layout, const ContainerConfig& config, std::string_view id) {
  if (!config.hostname.empty()) return config.hostname;
  for (kernel::NsKind kind : {kernel::NsKind::Uts, kernel::NsKind::Net})
    if (std::string name = shared_hostname(layout, config.ns(kind)); !name.empty()) return name;
  char name[256] = "";
  bool host = config.ns(kernel::NsKind::Uts).mode == NsMode::Host || config.ns(kernel::NsKind::Net).mode == NsMode::Host;
  if (host && ::gethostname(name, sizeof name - 1) == 0) return name;
  return std::string(short_id(id));
}

// All that an image may say about its container (SECURITY I1).
ImageDefaults defaults_of(const image::ImageConfig& config) {
  return {config.entrypoint, config.cmd, config.env, config.user, config.working_dir, config.stop_signal, config.labels,
          config.volumes, config.exposed_ports};
}

}  // namespace

Result<Draft> draft_container(const Layout& layout, const ContainerConfig& config) {
  Draft draft;
  Record& record = draft.record;
  record.config = config;
  record.name = config.name;
  record.id = random_id();
  record.hostname = hostname_of(layout, config, record.id);
  ImageDefaults defaults;
  if (config.rootfs.empty()) {
    image::ImageStore store = TRY(image::ImageStore::open(layout.root));
    draft.image = TRY(store.resolve_or_load(config.image));
    defaults = defaults_of(draft.image->config);
    record.image_id = draft.image->id.text();
  }
  record.process = TRY(choose_process(config, defaults, record.hostname));
  record.created = now_rfc3339();
  return draft;
}

Result<Created> store_container(const Layout& layout, Draft draft, bool starting) {
  Records records(layout);
  Record& record = draft.record;
  RecordLock lock = TRY(records.create(record, starting));
  if (draft.image) {
    image::ImageStore store = TRY(image::ImageStore::open(layout.root));
    auto snapshot = store.create_snapshot(record.id, *draft.image);
    if (!snapshot) {
      (void)discard(layout, {record.id, record.config.rm}, record);
      return fail(std::move(snapshot).error());
    }
  }
  return Created{std::move(record), std::move(lock)};
}

// hull-port is no part of the plan: it serves beside the container.
static std::string published_lines(const Record& record, bool teach) {
  std::string lines;
  for (const net::PortBinding& binding : bindings_of(record))
    lines += format("{}publish {} -> {}\n", teach ? "# Beside this, hull-port would: " : "      ", binding.host_text(), binding.inside.text());
  return lines;
}

Result<std::string> describe_start(const Layout& layout, const Draft& draft, bool teach) {
  const Record& record = draft.record;
  Root root;
  root.directory = record.config.rootfs;
  if (draft.image) {
    std::string snapshot = layout.root + "/snapshots/" + record.id;
    root.overlay = sandbox::OverlayRoot{draft.image->lower_dirs, "", "", record.config.rm};
    Prepared prepared = TRY(prepare_start(layout, record, root, {24, 80, false}));
    prepared.container.options.overlay->upper = snapshot + "/upper";
    prepared.container.options.overlay->work = snapshot + "/work";
    TRY(runtime::compile(prepared.container));
    return (teach ? sandbox::teach_script(prepared.container.plan) : sandbox::plan_text(prepared.container.plan)) + published_lines(record, teach);
  }
  Prepared prepared = TRY(prepare_start(layout, record, root, {24, 80, false}));
  TRY(runtime::compile(prepared.container));
  return (teach ? sandbox::teach_script(prepared.container.plan) : sandbox::plan_text(prepared.container.plan)) + published_lines(record, teach);
}

}  // namespace hull::engine
