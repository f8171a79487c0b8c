// The conversation with systemd; see cgroup_systemd.h.
#include "kernel/cgroup_systemd.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/text.h"
#include "kernel/cgroup_tree.h"
#include "kernel/host_facts.h"
#include "kernel/identity.h"

namespace hull::kernel {
namespace {

constexpr const char* kService = "org.freedesktop.systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr const char* kRoot = "/org/freedesktop/systemd1";

// "5", "5s" or "500ms", as in systemd's own tools.
int64_t timeout_ms() {
  constexpr int64_t kDefault = 25000;
  const char* text = ::getenv("SYSTEMD_BUS_TIMEOUT");
  std::string_view value = text == nullptr ? "" : text;
  int64_t unit = value.ends_with("ms") ? 1 : 1000;
  if (value.ends_with("ms")) value.remove_suffix(2);
  else if (value.ends_with('s')) value.remove_suffix(1);
  auto number = parse_uint(value, 1, 1000000);
  return number ? static_cast<int64_t>(*number) * unit : kDefault;
}

std::vector<DbusAddress> addresses(bool user) {
  const char* given = ::getenv(user ? "DBUS_SESSION_BUS_ADDRESS" : "DBUS_SYSTEM_BUS_ADDRESS");
  std::vector<DbusAddress> all = parse_dbus_address(given == nullptr ? "" : given);
  const char* xdg = ::getenv("XDG_RUNTIME_DIR");
  std::string runtime = xdg != nullptr && *xdg == '/' ? xdg : format("/run/user/{}", ::geteuid());
  if (given != nullptr && *given != '\0' && !all.empty()) return all;
  all.push_back({(user ? runtime : "/run") + "/systemd/private", false});
  all.push_back({user ? runtime + "/bus" : "/run/dbus/system_bus_socket", true});
  return all;
}

// One conversation: everything in it ends by one deadline, and its errors say what to do without systemd.
class Systemd {
 public:
  static Result<Systemd> open() {
    bool user = systemd_is_the_users();
    int64_t deadline = monotonic_ms() + timeout_ms();
    std::vector<DbusAddress> all = addresses(user);
    Error first(ErrorKind::System, "");
    for (size_t i = 0; i < all.size(); ++i) {
      auto connection = DbusConnection::open(all[i], deadline);
      if (connection) return Systemd(std::move(*connection), deadline);
      if (i == 0) first = std::move(connection).error();
    }
    bool absent = first.errno_value() == ENOENT || first.errno_value() == ECONNREFUSED;
    const char* what = !absent ? "systemd does not answer" : user ? "no systemd runs for this user" : "systemd does not run here";
    return fail(Error(ErrorKind::Unsupported, format("--systemd-cgroup: {}: {}", what, first.text())).with_remedy("remove --systemd-cgroup, or start it"));
  }

  // The answer or systemd's error, as a message.
  Result<DbusMessage> ask(const char* member, std::string signature, DbusWriter body) {
    return ask(kRoot, kManager, member, std::move(signature), std::move(body));
  }
  Result<DbusMessage> ask(std::string path, std::string interface, const char* member, std::string signature, DbusWriter body) {
    DbusMessage message;
    message.path = std::move(path);
    message.interface = std::move(interface);
    message.member = member;
    message.destination = kService;
    message.signature = std::move(signature);
    message.body = std::move(body).take();
    return told(connection_.call(std::move(message), deadline_, "JobRemoved"));
  }
  Result<> listen();
  // "done", or how else the job ended.
  Result<std::string> wait_job(const std::string& job);

 private:
  Systemd(DbusConnection connection, int64_t deadline) : connection_(std::move(connection)), deadline_(deadline) {}
  static Result<DbusMessage> told(Result<DbusMessage> got) {
    if (got) return got;
    if (got.error().errno_value() == ETIMEDOUT) return fail(Error(ErrorKind::System, "systemd does not answer: " + got.error().text(), ETIMEDOUT).with_remedy("try again"));
    return fail(std::move(got).error().with_context("systemd"));
  }

  DbusConnection connection_;
  int64_t deadline_;
};

// A bus passes on what is asked for; systemd's own socket tells its jobs unasked.
Result<> Systemd::listen() {
  if (!connection_.is_bus()) return {};
  DbusWriter rule;
  rule.text(format("type='signal',sender='{}',interface='{}',member='JobRemoved'", kService, kManager));
  DbusMessage message;
  message.path = "/org/freedesktop/DBus";
  message.interface = message.destination = "org.freedesktop.DBus";
  message.member = "AddMatch";
  message.signature = "s";
  message.body = std::move(rule).take();
  DbusMessage answer = TRY(told(connection_.call(std::move(message), deadline_)));
  if (answer.type == DbusType::Error) return fail(ErrorKind::System, "systemd: AddMatch: " + dbus_error_text(answer));
  (void)TRY(ask("Subscribe", "", {}));
  return {};
}

Result<std::string> Systemd::wait_job(const std::string& job) {
  for (;;) {
    DbusMessage signal = TRY(told(connection_.signal("JobRemoved", deadline_)));
    if (signal.signature != "uoss") continue;
    DbusReader in(signal.body);
    (void)in.number<uint32_t>();
    bool ours = in.text() == job;
    (void)in.text();
    std::string result = in.text();
    if (ours && in.ok()) return result;
  }
}

Error refusal(const DbusMessage& answer, const char* doing, const std::string& unit) {
  std::string_view name = answer.error_name;
  ErrorKind kind = name.ends_with(".UnitExists") ? ErrorKind::Exists : name.ends_with(".NoSuchUnit") ? ErrorKind::NotFound
                 : name.ends_with(".AccessDenied") ? ErrorKind::Denied : ErrorKind::System;
  return Error(kind, format("systemd does not {} unit {}: {}", doing, unit, dbus_error_text(answer)));
}

// What not every version knows; the group's own files say the same.
bool is_recent(const DbusProperty& property) {
  return property.name == "CPUQuotaPeriodUSec" || property.name == "AllowedCPUs" || property.name == "AllowedMemoryNodes";
}
bool is_unknown_property(const DbusMessage& answer) {
  return answer.type == DbusType::Error && (answer.error_name.ends_with(".PropertyReadOnly") || answer.error_name.ends_with(".UnknownProperty"));
}

std::vector<DbusProperty> start_properties(const SystemdRequest& request) {
  std::vector<DbusProperty> all{{"Description", request.description}};
  if (request.unit.is_slice()) all.push_back({"Wants", std::vector<std::string>{request.unit.slice}});
  else all.insert(all.end(), {{"Slice", request.unit.slice}, {"Delegate", true}, {"PIDs", std::vector<uint32_t>{static_cast<uint32_t>(request.pid)}}});
  for (const char* accounting : {"MemoryAccounting", "CPUAccounting", "IOAccounting", "TasksAccounting"}) all.push_back({accounting, true});
  all.push_back({"DefaultDependencies", false});
  for (const auto* more : {&request.limits, &request.more})
    for (const DbusProperty& property : *more) {
      std::erase_if(all, [&](const DbusProperty& other) { return other.name == property.name; });
      all.push_back(property);
    }
  return all;
}

Result<DbusMessage> ask_start(Systemd& systemd, const std::string& unit, const std::vector<DbusProperty>& properties) {
  DbusWriter body;
  body.text(unit);
  body.text("replace");
  body.properties(properties);
  body.end_array(body.begin_array(8), 8);  // no auxiliary units
  return systemd.ask("StartTransientUnit", "ssa(sv)a(sa(sv))", std::move(body));
}

Result<> forget(Systemd& systemd, const std::string& unit) {
  DbusWriter body;
  body.text(unit);
  (void)TRY(systemd.ask("ResetFailedUnit", "s", std::move(body)));  // an error: there is none that failed
  return {};
}

Result<DbusMessage> start(Systemd& systemd, const SystemdRequest& request) {
  std::vector<DbusProperty> properties = start_properties(request);
  DbusMessage answer = TRY(ask_start(systemd, request.unit.name, properties));
  if (is_unknown_property(answer)) {
    std::erase_if(properties, is_recent);
    answer = TRY(ask_start(systemd, request.unit.name, properties));
  }
  if (answer.type == DbusType::Error && answer.error_name.ends_with(".UnitExists")) {  // one that failed and was left?
    TRY(forget(systemd, request.unit.name));
    answer = TRY(ask_start(systemd, request.unit.name, properties));
  }
  if (answer.type == DbusType::Error) return fail(refusal(answer, "start", request.unit.name));
  return answer;
}

Result<std::string> control_group(Systemd& systemd, const SystemdUnit& unit) {
  DbusWriter body;
  body.text(format("{}.{}", kService, unit.is_slice() ? "Slice" : "Scope"));
  body.text("ControlGroup");
  DbusMessage answer = TRY(systemd.ask(format("{}/unit/{}", kRoot, dbus_label(unit.name)), "org.freedesktop.DBus.Properties", "Get", "ss", std::move(body)));
  DbusReader in(answer.body);
  std::string path;
  if (answer.type == DbusType::Return && answer.signature == "v" && in.signature() == "s") path = in.text();
  // Ours only if it is named as we asked: what follows kills and removes what is in it.
  if (!in.ok() || !check_cgroup_path(path) || !path.ends_with("/" + unit.name))
    return fail(ErrorKind::System, format("systemd does not tell the cgroup of unit {}: \"{}\"", unit.name, escape_controls(path)));
  return path;
}

}  // namespace

// Root of a user namespace is either a container's, with a systemd of its own, or an ordinary user, who may not use the system's.
bool systemd_is_the_users() {
  return is_unprivileged() || (in_user_namespace() && ::access("/run/systemd/private", W_OK) != 0);
}

Result<> UnitHolder::hold() {
  pid_t parent = ::getpid(), pid = ::fork();
  if (pid < 0) return fail_errno("fork", "process for systemd");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (::getppid() == parent) ::pause();
    ::_exit(0);
  }
  pid_ = pid;
  return {};
}

void UnitHolder::release() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  reap(pid_);
  pid_ = 0;
}

Result<std::string> start_systemd_unit(const SystemdRequest& request) {
  Systemd systemd = TRY(Systemd::open());
  TRY(systemd.listen());
  DbusMessage answer = TRY(start(systemd, request));
  std::string job = DbusReader(answer.body).text();
  auto result = systemd.wait_job(job);
  if (result && *result == "done") return control_group(systemd, request.unit);
  if (result) (void)forget(systemd, request.unit.name);
  if (!result) return fail(std::move(result).error());
  return fail(ErrorKind::System, format("systemd does not start unit {}: its job ended as \"{}\"; journalctl -u {} tells why", request.unit.name,
                                        escape_controls(*result), request.unit.name));
}

Result<> change_systemd_unit(const std::string& name, const std::vector<DbusProperty>& limits) {
  if (limits.empty()) return {};
  Systemd systemd = TRY(Systemd::open());
  auto change = [&](const std::vector<DbusProperty>& properties) {
    DbusWriter body;
    body.text(name);
    body.number(uint32_t{1});  // until the next boot
    body.properties(properties);
    return systemd.ask("SetUnitProperties", "sba(sv)", std::move(body));
  };
  DbusMessage answer = TRY(change(limits));
  if (is_unknown_property(answer)) {
    std::vector<DbusProperty> fewer = limits;
    std::erase_if(fewer, is_recent);
    answer = TRY(change(fewer));
  }
  if (answer.type == DbusType::Error) return fail(refusal(answer, "change", name));
  // It answers, then writes into the group, then takes the next call: our own writes must come last.
  (void)TRY(systemd.ask(kRoot, "org.freedesktop.DBus.Peer", "Ping", "", {}));
  return {};
}

Result<> attach_to_systemd_unit(const std::string& name, pid_t pid) {
  Systemd systemd = TRY(Systemd::open());
  DbusWriter body;
  body.text(name);
  body.text("");
  size_t mark = body.begin_array(4);
  body.number(static_cast<uint32_t>(pid));
  body.end_array(mark, 4);
  DbusMessage answer = TRY(systemd.ask("AttachProcessesToUnit", "ssau", std::move(body)));
  if (answer.type == DbusType::Error) return fail(refusal(answer, "put the process into", name));
  return {};
}

Result<> stop_systemd_unit(const std::string& name) {
  Systemd systemd = TRY(Systemd::open());
  TRY(systemd.listen());
  DbusWriter body;
  body.text(name);
  body.text("replace");
  DbusMessage answer = TRY(systemd.ask("StopUnit", "ss", std::move(body)));
  if (answer.type == DbusType::Error && answer.error_name.ends_with(".NoSuchUnit")) return {};
  if (answer.type == DbusType::Error) return fail(refusal(answer, "stop", name));
  auto stopped = systemd.wait_job(DbusReader(answer.body).text());
  TRY(forget(systemd, name));
  if (!stopped) return fail(std::move(stopped).error());
  return {};
}

}  // namespace hull::kernel
