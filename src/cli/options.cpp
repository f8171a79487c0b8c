#include "cli/options.h"

#include <algorithm>

namespace hull::cli {
namespace {

struct Cursor {
  std::span<char* const> words;
  size_t next = 0;
  bool done() const { return next >= words.size(); }
  std::string_view take() { return words[next++]; }
};

class Parser {
 public:
  Parser(const Syntax& syntax, std::span<char* const> words, void* target)
      : syntax_(syntax), cursor_{words}, target_(target) {}

  Result<Parsed> run() {
    while (!cursor_.done() && !finished()) {
      std::string_view word = cursor_.take();
      if (word == "--") {
        take_rest();
      } else if (word.starts_with("--")) {
        TRY(long_option(word.substr(2)));
      } else if (word.size() > 1 && word[0] == '-') {
        TRY(cluster(word));
      } else {
        parsed_.operands.push_back(word);
        if (syntax_.operands == Operands::EndOptions) take_rest();
      }
    }
    return std::move(parsed_);
  }

 private:
  bool docker() const { return syntax_.dialect == Dialect::Docker; }
  bool finished() const { return parsed_.help || parsed_.version; }
  void take_rest() {
    while (!cursor_.done()) parsed_.operands.push_back(cursor_.take());
  }
  static tl::unexpected<Error> invalid(std::string text) { return fail(Error(ErrorKind::Invalid, std::move(text), kSyntaxErrno)); }

  Result<> long_option(std::string_view body) {
    size_t equals = body.find('=');
    std::string_view name = body.substr(0, equals);
    std::optional<std::string_view> value;
    if (equals != body.npos) value = body.substr(equals + 1);
    if (docker() && name.empty()) return invalid(format("bad flag syntax: --{}", body));
    const Option* option = TRY(find_long(name));
    if (option == nullptr) return builtin_or_unknown(name);
    return docker() ? docker_long(*option, value) : getopt_long(*option, value);
  }

  // Null: no such option. util-linux takes any unambiguous beginning of a name, as getopt_long does.
  Result<const Option*> find_long(std::string_view name) {
    std::vector<const Option*> candidates;
    for (const Option& option : syntax_.options) {
      if (option.long_name == nullptr) continue;
      std::string_view long_name = option.long_name;
      if (long_name == name) return &option;
      if (!docker() && long_name.starts_with(name)) candidates.push_back(&option);
    }
    if (candidates.empty()) return nullptr;
    auto same = [&](const Option* option) {
      return option->apply == candidates[0]->apply && option->takes == candidates[0]->takes;
    };
    bool builtin = std::string_view("help").starts_with(name) || std::string_view("version").starts_with(name);
    if (std::all_of(candidates.begin(), candidates.end(), same) && !(builtin && name.size() < 2)) return candidates[0];
    std::string text = format("option '--{}' is ambiguous; possibilities:", name);
    for (const Option* option : candidates) text += format(" '--{}'", option->long_name);
    return invalid(std::move(text));
  }

  Result<> builtin_or_unknown(std::string_view name) {
    bool abbreviated = !docker() && !name.empty();
    if (name == "help" || (abbreviated && std::string_view("help").starts_with(name))) parsed_.help = true;
    else if (abbreviated && std::string_view("version").starts_with(name)) parsed_.version = true;
    else return invalid(docker() ? format("unknown flag: --{}", name) : format("unrecognized option '--{}'", name));
    return {};
  }

  Result<> docker_long(const Option& option, std::optional<std::string_view> value) {
    if (!value && option.takes == Takes::Required) {
      if (cursor_.done()) return invalid(format("flag needs an argument: --{}", option.long_name));
      value = cursor_.take();
    }
    return apply(option, value);
  }

  Result<> getopt_long(const Option& option, std::optional<std::string_view> value) {
    bool takes_none = option.takes == Takes::Nothing || option.takes == Takes::Bool;
    if (value && takes_none) return invalid(format("option '--{}' doesn't allow an argument", option.long_name));
    if (!value && option.takes == Takes::Required) {
      if (cursor_.done()) return invalid(format("option '--{}' requires an argument", option.long_name));
      value = cursor_.take();
    }
    return apply(option, value);
  }

  // -it, -p80, -e=v: switches until one that takes a value, which gets the rest of the word or the next word.
  Result<> cluster(std::string_view word) {
    for (size_t at = 1; at < word.size() && !finished(); ++at) {
      const Option* option = find_short(word[at]);
      if (option == nullptr) {
        TRY(builtin_or_unknown_short(word[at], word.substr(at)));
        continue;
      }
      std::string_view rest = word.substr(at + 1);
      bool takes_none = option->takes == Takes::Nothing || option->takes == Takes::OptionalLong ||
                        (option->takes == Takes::Bool && !docker());
      bool switch_alone = takes_none || (option->takes == Takes::Bool && !rest.starts_with('='));
      if (switch_alone) {
        TRY(apply(*option, std::nullopt));
        continue;
      }
      return short_value(*option, rest, word.substr(at));
    }
    return {};
  }

  Result<> short_value(const Option& option, std::string_view rest, std::string_view shown) {
    std::optional<std::string_view> value;
    if (!rest.empty()) {
      value = docker() && rest[0] == '=' ? rest.substr(1) : rest;
    } else if (option.takes == Takes::Required) {
      if (cursor_.done())
        return invalid(docker() ? format("flag needs an argument: '{}' in -{}", option.short_name, shown)
                                : format("option requires an argument -- '{}'", option.short_name));
      value = cursor_.take();
    }
    return apply(option, value);
  }

  const Option* find_short(char name) {
    for (const Option& option : syntax_.options)
      if (option.short_name == name && name != 0) return &option;
    return nullptr;
  }

  Result<> builtin_or_unknown_short(char name, std::string_view shown) {
    if (name == 'h') parsed_.help = true;
    else if (name == 'V' && !docker()) parsed_.version = true;
    else return invalid(docker() ? format("unknown shorthand flag: '{}' in -{}", name, shown)
                                 : format("invalid option -- '{}'", name));
    return {};
  }

  Result<> apply(const Option& option, std::optional<std::string_view> value) {
    if (docker() && option.takes == Takes::Nothing && value) return invalid_value(option, *value, "takes no value");
    if (option.takes == Takes::Bool && value) {
      std::optional<bool> flag = parse_bool(*value);
      if (!flag) return invalid_value(option, *value, format("strconv.ParseBool: parsing \"{}\": invalid syntax", *value));
      value = *flag ? "true" : "false";
    }
    Result<> stored = option.apply(target_, option, value);
    if (stored || !docker()) return stored;
    return invalid_value(option, value.value_or(""), stored.error().text());
  }

  static tl::unexpected<Error> invalid_value(const Option& option, std::string_view value, std::string_view reason) {
    std::string name = option.long_name ? format("--{}", option.long_name) : format("-{}", option.short_name);
    if (option.long_name && option.short_name) name = format("-{}, {}", option.short_name, name);
    return invalid(format("invalid argument \"{}\" for \"{}\" flag: {}", value, name, reason));
  }

  const Syntax& syntax_;
  Cursor cursor_;
  void* target_;
  Parsed parsed_;
};

}  // namespace

Result<Parsed> parse_options(const Syntax& syntax, std::span<char* const> arguments, void* target) {
  return Parser(syntax, arguments, target).run();
}

std::optional<bool> parse_bool(std::string_view text) {
  for (std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"})
    if (text == yes) return true;
  for (std::string_view no : {"0", "f", "F", "FALSE", "false", "False"})
    if (text == no) return false;
  return std::nullopt;
}

Result<> ignore_option(void*, const Option&, std::optional<std::string_view>) { return {}; }

namespace detail {
Result<int64_t> to_int(std::string_view text) {
  std::optional<int64_t> number = hull::parse_int(text);
  if (!number) return fail(ErrorKind::Invalid, format("strconv.ParseInt: parsing \"{}\": invalid syntax", text));
  return *number;
}
Result<uint64_t> to_uint(std::string_view text) {
  std::optional<uint64_t> number = hull::parse_uint(text);
  if (!number) return fail(ErrorKind::Invalid, format("strconv.ParseUint: parsing \"{}\": invalid syntax", text));
  return *number;
}
}  // namespace detail

}  // namespace hull::cli
