#include "base/error.h"

#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace hull {

ErrorKind kind_of_errno(int errno_value) {
  switch (errno_value) {
    case ENOENT: case ESRCH: case ENOTDIR: case ESTALE: return ErrorKind::NotFound;
    case EEXIST: return ErrorKind::Exists;
    case EINVAL: case ENAMETOOLONG: case ERANGE: case E2BIG: return ErrorKind::Invalid;
    case EPERM: case EACCES: case EROFS: return ErrorKind::Denied;
    case ENOSYS: case EOPNOTSUPP: case ENODEV: return ErrorKind::Unsupported;
    case EBUSY: case ENOTEMPTY: return ErrorKind::Conflict;
    case ELOOP: case EXDEV: return ErrorKind::Unsafe;
    case EBADMSG: case EUCLEAN: return ErrorKind::Corrupt;
    default: return ErrorKind::System;
  }
}

std::string errno_text(int errno_value) {
  const char* text = strerrordesc_np(errno_value);
  return text != nullptr ? text : "error " + std::to_string(errno_value);
}

Error::Error(ErrorKind kind, const std::string& text, int errno_value)
    : kind_(kind), errno_(errno_value), text_(escape_controls(text)) {}

Error Error::from_errno(std::string_view call, std::string_view object) {
  return from_errno(errno, call, object);
}

Error Error::from_errno(int errno_value, std::string_view call, std::string_view object) {
  std::string text(call);
  if (!object.empty()) text.append(" ").append(object);
  text.append(": ").append(errno_text(errno_value));
  return Error(kind_of_errno(errno_value), text, errno_value);
}

Error&& Error::with_context(std::string_view doing) && {
  text_.insert(0, escape_controls(doing) + ": ");
  return std::move(*this);
}

Error&& Error::with_remedy(std::string_view remedy) && {
  text_.append("; ").append(escape_controls(remedy));
  return std::move(*this);
}

}  // namespace hull
