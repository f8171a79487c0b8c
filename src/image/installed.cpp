// Where image layouts and programs that were installed with hull stand.
#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <memory>

#include "base/text.h"
#include "image/store.h"
#include "image/worker_client.h"

namespace hull::image {
namespace {

std::string executable_directory() {
  char buffer[PATH_MAX];
  ssize_t size = ::readlink("/proc/self/exe", buffer, sizeof buffer);
  std::string path(buffer, size > 0 ? static_cast<size_t>(size) : 0);
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

void add_layouts(const std::string& directory, std::vector<std::string>& layouts) {
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(directory.c_str()), ::closedir);
  while (dirent* entry = stream ? ::readdir(stream.get()) : nullptr) {
    std::string layout = directory + "/" + entry->d_name;
    if (entry->d_name[0] != '.' && path_exists(layout + "/index.json")) layouts.push_back(std::move(layout));
  }
}

}  // namespace

std::vector<std::string> installed_layouts() {
  std::vector<std::string> layouts;
  if (const char* given = ::secure_getenv("HULL_IMAGES")) {
    for (const std::string& directory : split(given, ':')) add_layouts(directory, layouts);
  } else if (std::string here = executable_directory(); !here.empty()) {
    for (const char* place : {"/images", "/../share/hull/images"}) add_layouts(here + place, layouts);
  }
  std::sort(layouts.begin(), layouts.end());
  return layouts;
}

Result<std::string> find_worker_program() {
  if (const char* given = ::secure_getenv("HULL_IMAGE_PROGRAM")) return std::string(given);
  std::string here = executable_directory();
  for (const char* place : {"/hull-image", "/../libexec/hull/hull-image"})
    if (::access((here + place).c_str(), X_OK) == 0) return here + place;
  return fail(ErrorKind::NotFound, format("hull-image: not found beside {}/hull nor in ../libexec/hull; install hull again", here));
}

}  // namespace hull::image
