// What create and exec share: the specification of a bundle, sockets, pid files, seccomp, hooks. Private to runtime/.
#pragma once

#include <linux/filter.h>

#include <functional>

#include "oci/spec.h"
#include "runtime/runtime.h"

namespace hull::runtime {

Result<oci::Spec> load_config(const Home& home);
// Whether the text may have one of these keys. Reading a whole configuration takes longer than most of what is done with one key.
bool may_name(std::string_view config, std::initializer_list<std::string_view> keys);
// Takes out what the specification wants ignored with a warning: capabilities that nobody knows.
Result<> adapt_process(oci::Process& process, const Warn& warn);
// Unsupported, with the field's name, on a host without SELinux.
Result<> check_selinux(const std::string& label, const char* field);
Result<> check_console(const oci::Process& process, const std::string& console_socket, int console_fd);
Result<Fd> connect_socket(const std::string& path, const char* option);
Result<> send_pidfd(const std::string& path, const Fd& pidfd);  // "": to nobody
Result<> write_pid_file(const std::string& path, pid_t pid);
// The descriptors 3 and up that --preserve-fds names.
std::vector<int> preserved_descriptors(uint32_t count);
// A limit of 0 is how callers written in Go say "none given": runc passes it over, and so does hull.
void drop_zeros(oci::Resources& resources);
void allow_default_devices(oci::Resources& resources);

struct Filter { std::vector<sock_filter> program; uint32_t flags = 0; bool notifies = false; };
Result<Filter> seccomp_of(const oci::Spec& spec);

// The state with \1 in place of the pid, which only hull-init knows.
std::string state_text_for_hooks(const Standing& standing);
// runtime-spec, "The Container Process State", with \1 in place of the pids.
std::string listener_state(const oci::Spec& spec, const Standing& standing);

// In order, each in the bundle's directory with the container's state on its standard input; the first failure ends it.
Result<> run_hooks(const std::vector<oci::Hook>& hooks, const char* kind, const std::string& state, const std::string& bundle);
Result<> run_poststart(const std::vector<oci::Hook>& hooks, const State& state);
// poststop: runtime-spec, lifecycle: one that fails is a warning, and the remaining hooks run.
void run_all_hooks(const std::vector<oci::Hook>& hooks, const char* kind, const std::string& state, const std::string& bundle, const Warn& warn);

}  // namespace hull::runtime
