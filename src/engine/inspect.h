// A container as docker's API shows it (`docker inspect`): the keys that scripts read with -f.
#pragma once

#include "base/json.h"
#include "engine/record.h"

namespace hull::engine {

json::value inspect_json(const Container& container);

}  // namespace hull::engine
