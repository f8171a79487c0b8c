// The three passes of build_topology(), in order: who is there (map.cpp), who stands next to whom and under which letter
// (map_order.cpp), why and how weak (map_reason.cpp). Only for these files.
#pragma once

#include "ns/map.h"

namespace hull::ns {

// Sorts the parties so that sharers stand together; fills cluster, how, MapSpace::parties and the groups.
void order_topology(Topology& topology);
// Fills home, reasons, and marks.
void explain_topology(Topology& topology, const MapInput& input, const Look& look);

inline MapCell& cell_of(Party& party, NsKind kind) { return party.cells[index_of(kind)]; }

}  // namespace hull::ns
