// What create and exec share: the specification of a bundle, console sockets, pid files, seccomp. Private to runtime/.
#pragma once

#include <linux/filter.h>

#include "oci/spec.h"
#include "runtime/state.h"

namespace hull::runtime {

Result<oci::Spec> load_spec(const std::string& path);
Result<Fd> connect_console(const std::string& socket_path);
Result<> write_pid_file(const std::string& path, pid_t pid);

void allow_default_devices(oci::Resources& resources);

struct Filter { std::vector<sock_filter> program; uint32_t flags = 0; };
Result<Filter> seccomp_of(const oci::Spec& spec);

// In order, each in the bundle's directory with the container's state on its standard input; the first failure ends it.
Result<> run_hooks(const std::vector<oci::Hook>& hooks, const char* kind, const std::string& state, const std::string& bundle);

}  // namespace hull::runtime
