// Looks into a namespace from within: a child enters it, reads what it shows there, answers on a pipe and ends. The
// caller itself never changes namespaces. Called by content.cpp.
#pragma once

#include <functional>

#include "base/fd.h"
#include "base/json.h"
#include "kernel/namespaces.h"

namespace hull::ns {

// What the child hands its reader: /proc/self opened before it entered, for the mount namespace may have another /proc.
using Look = std::function<json::value(const Fd& proc_self)>;

// Runs `look` inside. Denied when the caller may not enter, not even through the user namespace that owns it.
Result<json::value> look_inside(const Fd& ns, kernel::NsKind kind, const Look& look);

}  // namespace hull::ns
