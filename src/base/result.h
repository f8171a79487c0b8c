// Result<T>: a value or an Error. TRY unwraps one or returns the error to the caller.
#pragma once

#include <tl/expected.hpp>

#include "base/error.h"

namespace hull {

template <typename T = void>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorKind kind, std::string text) {
  return tl::unexpected<Error>(Error(kind, std::move(text)));
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }
// Fails with the current errno; call it directly after the system call.
inline tl::unexpected<Error> fail_errno(std::string_view call, std::string_view object) {
  return tl::unexpected<Error>(Error::from_errno(call, object));
}

}  // namespace hull

// TRY(expr): the value of a Result, or return its error from the enclosing function.
#define TRY(...)                                                                        \
  ({                                                                                    \
    auto&& try_result_ = (__VA_ARGS__);                                                 \
    if (!try_result_) return tl::unexpected<::hull::Error>(std::move(try_result_).error()); \
    ::hull::detail::take(std::move(try_result_));                                       \
  })

// TRY_CONTEXT(expr, doing): as TRY, with what was being done put before the error's text.
#define TRY_CONTEXT(expr, doing)                                                                   \
  ({                                                                                               \
    auto&& try_result_ = (expr);                                                                   \
    if (!try_result_)                                                                              \
      return tl::unexpected<::hull::Error>(std::move(try_result_).error().with_context(doing));    \
    ::hull::detail::take(std::move(try_result_));                                                  \
  })

namespace hull::detail {
template <typename T>
T take(Result<T>&& result) { return std::move(*result); }
inline void take(Result<void>&&) {}
}  // namespace hull::detail
