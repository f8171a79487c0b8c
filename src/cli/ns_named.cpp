// hull ns create, pin, unpin, rename, rm, prune: namespaces as things with names.
#include <unistd.h>

#include "cli/commands.h"
#include "cli/ns_target.h"
#include "engine/named.h"
#include "engine/specs.h"

namespace hull::cli {
namespace {

using engine::NamedNamespaces;
using kernel::NsKind;

constexpr const char* kKindNames = "mnt, uts, ipc, net, pid, user, cgroup or time";

int fail_with(const Invocation& call, const Error& error) {
  print_error(format("{}: {}", call.program, error.text()));
  return kExitFailure;
}

template <typename Act>
int with_names(const Invocation& call, Act act) {
  Result<engine::Engine> engine = engine::Engine::open();
  if (!engine) return fail_with(call, engine.error());
  Result<> done = act(NamedNamespaces(*engine));
  return done ? 0 : fail_with(call, done.error());
}

// ---- create

struct CreateArgs {
  std::vector<std::string> labels, maps;
  std::string time;
};
constexpr Option kCreateOptions[] = {
    {0, "label", Takes::Required, "list", "Set meta data on the name (KEY=VALUE)", store<&CreateArgs::labels>},
    {0, "map", Takes::Required, "list", "Map ids of the user namespace (INSIDE:OUTSIDE:SIZE)", store<&CreateArgs::maps>},
    {0, "time", Takes::Required, "offset", "How far ahead the clocks of the time namespace are (+1d, -2h30m)", store<&CreateArgs::time>},
};

Result<uint64_t> parse_kinds(std::string_view list) {
  uint64_t kinds = 0;
  for (const std::string& name : split(list, ',')) {
    auto kind = kernel::ns_kind_from_name(name);
    if (!kind) return fail(ErrorKind::Invalid, format("unknown namespace kind '{}'; use {}", escape_controls(name), kKindNames));
    uint64_t flag = kernel::ns_info(*kind).clone_flag;
    if ((kinds & flag) != 0) return fail(ErrorKind::Invalid, format("the kind '{}' is given twice; a set keeps one of each", name));
    kinds |= flag;
  }
  return kinds;
}

Result<engine::NamedRequest> request_of(const CreateArgs& args, std::string_view kinds, std::string_view name) {
  engine::NamedRequest request;
  request.name = std::string(name);
  request.kinds = TRY(parse_kinds(kinds));
  for (const std::string& label : args.labels) {
    size_t equals = label.find('=');
    if (equals == 0 || label.empty()) return fail(ErrorKind::Invalid, format("invalid label: '{}' has no key", escape_controls(label)));
    request.labels[label.substr(0, equals)] = equals == std::string::npos ? "" : label.substr(equals + 1);
  }
  if (!args.time.empty()) {
    int64_t seconds = TRY(engine::parse_time_offset(args.time));
    request.time_offsets = engine::TimeOffsets{seconds, seconds};
  }
  for (const std::string& map : args.maps) request.id_map.push_back(TRY(engine::parse_id_map(map)));
  return request;
}

// ---- the kinds as switches

struct KindArgs {
  uint64_t kinds = 0;
  bool all = false, force = false;
};
template <NsKind Kind>
Result<> add_kind(void* target, const Option&, std::optional<std::string_view>) {
  static_cast<KindArgs*>(target)->kinds |= kernel::ns_info(Kind).clone_flag;
  return {};
}
constexpr Option kKindOptions[] = {
    {'a', "all", Takes::Bool, nullptr, "Every namespace that differs from ours", store<&KindArgs::all>},
    {'C', "cgroup", Takes::Nothing, nullptr, "The cgroup namespace", add_kind<NsKind::Cgroup>},
    {'i', "ipc", Takes::Nothing, nullptr, "The IPC namespace", add_kind<NsKind::Ipc>},
    {'m', "mount", Takes::Nothing, nullptr, "The mount namespace", add_kind<NsKind::Mnt>},
    {'n', "net", Takes::Nothing, nullptr, "The network namespace", add_kind<NsKind::Net>},
    {'p', "pid", Takes::Nothing, nullptr, "The PID namespace (it ends with its first process)", add_kind<NsKind::Pid>},
    {'T', "time", Takes::Nothing, nullptr, "The time namespace", add_kind<NsKind::Time>},
    {'U', "user", Takes::Nothing, nullptr, "The user namespace", add_kind<NsKind::User>},
    {'u', "uts", Takes::Nothing, nullptr, "The UTS namespace", add_kind<NsKind::Uts>},
};

Result<std::vector<ns::NamedFd>> open_kinds(const NsTarget& target, const KindArgs& args) {
  std::vector<ns::NamedFd> opened;
  for (const kernel::NsInfo& info : kernel::kNamespaces) {
    bool asked = (args.kinds & info.clone_flag) != 0;
    if (!asked && !(args.all && target.has(info.kind))) continue;
    if (!target.has(info.kind)) return fail(ErrorKind::NotFound, format("{} has no {} namespace that could be kept", target.label, info.name));
    Fd ns = TRY(target.open(info.kind));
    kernel::NsIdentity identity = TRY(kernel::identify_ns(ns));
    if (!asked && kernel::ns_inode(0, info.kind) == identity.inode) continue;
    opened.push_back({info.kind, std::move(ns)});
  }
  if (opened.empty()) return fail(ErrorKind::Invalid, args.all ? target.label + " is in our own namespaces: there is nothing to keep" : "say which namespaces: --net, --uts, … or --all");
  return opened;
}

Result<> pin(const NamedNamespaces& names, const KindArgs& args, std::string_view target_text, std::string_view name) {
  NsTarget target = TRY(find_ns_target(target_text));
  auto opened = TRY(open_kinds(target, args));
  TRY(names.pin(name, target.label, std::move(opened)));
  return {};
}

Result<> unpin(const NamedNamespaces& names, const KindArgs& args, std::string_view name) {
  if (args.kinds == 0) return names.remove(name, true);
  for (const kernel::NsInfo& info : kernel::kNamespaces)
    if ((args.kinds & info.clone_flag) != 0) TRY(names.unpin(name, info.kind));
  return {};
}

// ---- rm, prune

constexpr Option kRmOptions[] = {
    {'f', "force", Takes::Bool, nullptr, "Also when a container is made to use it; processes of its pid namespace are killed", store<&KindArgs::force>}};
constexpr Option kPruneOptions[] = {{'f', "force", Takes::Bool, nullptr, "Do not ask", store<&KindArgs::force>}};

bool confirmed() {
  print("This removes every name that no process and no container uses. Go on? [y/N] ");
  char answer = 0;
  return ::read(STDIN_FILENO, &answer, 1) == 1 && (answer == 'y' || answer == 'Y');
}

}  // namespace

const Syntax kNsCreateSyntax{.name = "create", .synopsis = "[OPTIONS] KIND[,KIND...] NAME",
                             .summary = "Make namespaces and keep them under a name", .options = kCreateOptions, .min_operands = 2, .max_operands = 2,
                             .epilogue = "KIND is mnt, uts, ipc, net, pid, user, cgroup or time. With user, the new user namespace owns the others.\n"
                                         "Use the name as in: hull run --ns NAME, --net=ns:NAME, hull nsenter --net=NAME, ip netns exec NAME."};
const Syntax kNsPinSyntax{.name = "pin", .synopsis = "TARGET --KIND... NAME", .summary = "Keep namespaces of a container or process under a name",
                          .options = kKindOptions, .min_operands = 2, .max_operands = 2,
                          .epilogue = "TARGET is a container, a PID, another name or the inode of a namespace."};
const Syntax kNsUnpinSyntax{.name = "unpin", .synopsis = "[--KIND...] NAME", .summary = "Let go of a name, or of some of its namespaces",
                            .options = std::span(kKindOptions).subspan(1), .min_operands = 1, .max_operands = 1};
const Syntax kNsRenameSyntax{.name = "rename", .synopsis = "NAME NEW_NAME", .summary = "Rename a named set of namespaces", .min_operands = 2, .max_operands = 2};
const Syntax kNsRmSyntax{.name = "rm", .synopsis = "[OPTIONS] NAME [NAME...]", .summary = "Remove named namespaces", .options = kRmOptions, .min_operands = 1};
const Syntax kNsPruneSyntax{.name = "prune", .synopsis = "[OPTIONS]", .summary = "Remove names that nothing uses", .options = kPruneOptions, .max_operands = 0};

static void note_what_ip_means(const NamedNamespaces& names, std::string_view name) {
  if (names.hidden_from_ip(name))
    print_note(format("/run/netns/{} was there before and is another namespace: `ip netns` means that one by the name", name));
}

int run_ns_create(const Invocation& call) {
  CreateArgs args;
  std::vector<std::string_view> words;
  if (auto code = begin(call, kNsCreateSyntax, &args, words)) return *code;
  return with_names(call, [&](const NamedNamespaces& names) -> Result<> {
    engine::NamedRequest request = TRY(request_of(args, words[0], words[1]));
    TRY(names.create(request));
    note_what_ip_means(names, request.name);
    print(request.name + "\n");
    return {};
  });
}

int run_ns_pin(const Invocation& call) {
  KindArgs args;
  std::vector<std::string_view> words;
  if (auto code = begin(call, kNsPinSyntax, &args, words)) return *code;
  return with_names(call, [&](const NamedNamespaces& names) {
    Result<> pinned = pin(names, args, words[0], words[1]);
    note_what_ip_means(names, words[1]);
    return pinned;
  });
}

int run_ns_unpin(const Invocation& call) {
  KindArgs args;
  std::vector<std::string_view> words;
  if (auto code = begin(call, kNsUnpinSyntax, &args, words)) return *code;
  return with_names(call, [&](const NamedNamespaces& names) { return unpin(names, args, words[0]); });
}

int run_ns_rename(const Invocation& call) {
  std::vector<std::string_view> words;
  if (auto code = begin(call, kNsRenameSyntax, nullptr, words)) return *code;
  return with_names(call, [&](const NamedNamespaces& names) {
    Result<> renamed = names.rename(words[0], words[1]);
    note_what_ip_means(names, words[1]);
    return renamed;
  });
}

int run_ns_rm(const Invocation& call) {
  KindArgs args;
  std::vector<std::string_view> words;
  if (auto code = begin(call, kNsRmSyntax, &args, words)) return *code;
  int code = 0;
  for (std::string_view word : words)
    code |= with_names(call, [&](const NamedNamespaces& names) -> Result<> {
      TRY(names.remove(word, args.force));
      print(std::string(word) + "\n");
      return {};
    });
  return code;
}

int run_ns_prune(const Invocation& call) {
  KindArgs args;
  std::vector<std::string_view> words;
  if (auto code = begin(call, kNsPruneSyntax, &args, words)) return *code;
  if (!args.force && !confirmed()) return 0;
  return with_names(call, [&](const NamedNamespaces& names) -> Result<> {
    names.sweep();
    for (const std::string& name : TRY(names.prune())) print(name + "\n");
    return {};
  });
}

}  // namespace hull::cli
