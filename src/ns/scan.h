// Looks at the host: processes, threads, open descriptors, sockets, nsfs mounts, parents and owners, each only when
// asked for. A process that ends meanwhile, or that may not be read, is left out without an error, as lsns does.
#pragma once

#include "ns/snapshot.h"

namespace hull::ns {

struct ScanRequest {
  KindMask kinds = kAllKinds;
  bool facts = true;          // the processes' parents and users
  bool commands = false;      // their command lines
  bool labels = false;        // their names and whose they are
  bool every_process = true;  // these facts of all, not only of the first in each namespace
  bool threads = false;       // namespaces entered by a thread that is not its process's first
  bool descriptors = false;   // open namespace files
  bool sockets = false;       // net namespaces of sockets (asks each socket: only as root)
  bool mounts = false;        // nsfs mounts of our mount namespace, and of the others found where we may read them
  bool relations = false;     // id, parent, owner of every namespace, and those alive through them only
};

Result<Snapshot> scan(const ScanRequest& request);

// Opens a namespace that was found, by whatever holds it; NotFound when it is beyond reach.
Result<Fd> open_found(const Namespace& space);

// Inode, id, parent, owner and owner's uid of one namespace behind a descriptor; those it may not learn stay 0.
void read_relations(const Fd& fd, Namespace& space);

}  // namespace hull::ns
