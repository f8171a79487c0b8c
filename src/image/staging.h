// Work in progress under ROOT/staging: a directory that belongs to a living process by a lock it holds, and trash that
// is only waiting to be deleted. Whatever a dead process left there is removed by the next command.
#pragma once

#include <string>

#include "image/layout.h"

namespace hull::image {

class Staging {
 public:
  static Result<Staging> make(const StorePaths& paths, std::string_view purpose);
  Staging(Staging&& other) noexcept = default;
  Staging& operator=(Staging&&) = delete;
  ~Staging();  // deletes the directory
  const std::string& path() const { return path_; }

 private:
  Staging(std::string path, Fd lock) : path_(std::move(path)), lock_(std::move(lock)) {}
  std::string path_;
  Fd lock_;
};

// Renames `path` into staging; delete it with empty_trash() when no lock is held. Missing is success.
Result<> move_to_trash(const StorePaths& paths, const std::string& path);
// Deletes trash and what dead processes left; what cannot be deleted (something mounted there) stays for the next time.
Result<> empty_trash(const StorePaths& paths);

}  // namespace hull::image
