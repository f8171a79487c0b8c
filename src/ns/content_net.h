// What a net namespace has, as seen from inside it: links, addresses, routes, listeners. Called by content.cpp in the
// child that look_inside made.
#pragma once

#include "base/fd.h"
#include "base/json.h"

namespace hull::ns {

json::value look_at_network(const Fd& proc_self);

}  // namespace hull::ns
