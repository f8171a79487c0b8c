// Regular expressions that a user gives: POSIX extended, as the C library has them.
#pragma once

#include <regex.h>

#include <memory>
#include <string>

#include "base/result.h"

namespace hull {

class Pattern {
 public:
  // Invalid where it is none. Unsupported where another library would take it: a back reference, which is no part of POSIX's
  // extended expressions, and more than 255 repetitions (RE_DUP_MAX).
  static Result<Pattern> compile(const std::string& text);
  bool matches(const std::string& text) const { return ::regexec(compiled_.get(), text.c_str(), 0, nullptr, 0) == 0; }

 private:
  struct Free {
    void operator()(regex_t* compiled) const {
      ::regfree(compiled);
      delete compiled;
    }
  };
  std::unique_ptr<regex_t, Free> compiled_;
};

}  // namespace hull
