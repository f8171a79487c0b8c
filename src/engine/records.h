// The records on disk: making, finding, locking, naming and dropping them. Knows files only; whether a container runs
// is state.cpp's business. No global lock and no scan on the way of a start: a record is its directory, a name is one
// link, and uniqueness is the file system's (mkdir and symlink refuse what exists).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "engine/layout.h"

namespace hull::engine {

// A record's lock: flock(2) on its directory, which belongs to the open file description and so dies with its owner.
// Held for short steps only, never while waiting for a container or a reader.
class RecordLock {
 public:
  // Waits up to 30 s. NotFound when the record went away meanwhile, Conflict ("… is busy") after that.
  static Result<RecordLock> take(const std::string& record_directory);
  static Result<std::optional<RecordLock>> try_take(const std::string& record_directory);

 private:
  friend class Records;
  explicit RecordLock(Fd directory) : directory_(std::move(directory)) {}
  Fd directory_;
};

struct Place {  // where one record is
  std::string id;
  bool ephemeral = false;  // --rm: under RUN
};

class Records {
 public:
  explicit Records(Layout layout) : layout_(std::move(layout)) {}

  // Makes the record's directory, locked, claims the name and writes config.json (not synced yet). Without a name one
  // is made up. Exists with docker's text when the name is taken. On failure nothing remains.
  // `starting`: the start follows under the same lock, so its intent is written first.
  Result<RecordLock> create(Record& record, bool starting) const;
  Result<> write_intent(std::string_view id) const;
  Result<> save(const Record& record) const;
  // Makes a durable record outlive a power cut; called before success is reported, after the container has started.
  Result<> sync(const Record& record) const;
  Result<Record> load(const Place& place) const;

  // Name, id or unique id prefix. NotFound "No such container: x", Conflict for an ambiguous prefix.
  Result<Place> find(std::string_view text) const;
  std::vector<Place> all() const;
  Result<> rename(Record& record, std::string_view new_name) const;
  bool has_its_name(const Record& record) const;
  // Makes a name that was lost again; Exists when another has it by now.
  Result<> restore_name(const Record& record) const { return claim_name(record.name, {record.id, record.config.rm}); }
  // Drops name and directory, the directory last: what a kill leaves is still a record and is removed next time.
  Result<> drop(const Place& place, std::string_view name) const;
  // Names whose record is gone.
  void drop_stale_names() const;

  const Layout& layout() const { return layout_; }
  std::string directory(const Place& place) const { return layout_.record_directory(place.id, place.ephemeral); }

 private:
  Result<> claim_name(std::string_view name, const Place& place) const;
  Result<> make_up_name(Record& record) const;
  void release_name(std::string_view name, const Place& place) const;
  std::optional<Place> by_name(std::string_view name) const;
  std::optional<Place> by_id(std::string_view id) const;
  Layout layout_;
};

}  // namespace hull::engine
