#include "engine/names.h"

#include <sys/random.h>

#include <array>

#include "base/text.h"

namespace hull::engine {
namespace {

constexpr std::array kAdjectives{
    "able",   "agile",   "amber",   "ardent",  "autumn",  "balmy",   "beaming", "blithe",  "bold",    "brave",   "breezy",
    "bright", "brisk",   "calm",    "candid",  "careful", "cheery",  "civil",   "clear",   "clever",  "coastal", "cosmic",
    "crisp",  "curious", "dapper",  "daring",  "deft",    "eager",   "earnest", "easy",    "fair",    "fearless", "fleet",
    "frank",  "fresh",   "frosty",  "gentle",  "glad",    "golden",  "graceful", "grand",  "hardy",   "hearty",  "honest",
    "humble", "jolly",   "keen",    "kind",    "lively",  "lucid",   "lucky",   "merry",   "mindful", "modest",  "neat",
    "nimble", "noble",   "patient", "placid",  "plucky",  "polite",  "prime",   "proud",   "quick",   "quiet",   "rapid",
    "ready",  "robust",  "rustic",  "serene",  "sharp",   "silent",  "silver",  "smart",   "solid",   "spry",    "stable",
    "steady", "stellar", "sturdy",  "subtle",  "sunny",   "swift",   "tidy",    "tranquil", "trusty", "upbeat",  "valiant",
    "vivid",  "warm",    "wise",    "witty",   "zesty",
};

// People of computing, seafaring, mathematics and engineering.
constexpr std::array kSurnames{
    "abel",     "agnesi",   "airy",      "allen",    "amundsen",  "ampere",   "babbage",  "backus",   "banach",    "bartik",
    "becquerel", "bell",    "bering",    "bessel",   "blackwell", "bohr",     "boole",    "brunel",   "cabot",     "cantor",
    "cauchy",   "cayley",   "celsius",   "chandra",  "church",    "clarke",   "codd",     "conway",   "cook",      "coulomb",
    "cray",     "curie",    "dijkstra",  "dirac",    "drake",     "earhart",  "eckert",   "edison",   "engelbart", "erdos",
    "euclid",   "euler",    "faraday",   "fermat",   "fermi",     "fourier",  "franklin", "galois",   "gauss",     "germain",
    "goldberg", "hamilton", "hamming",   "hertz",    "hilbert",   "hoare",    "hollerith", "hooke",   "hopper",    "hubble",
    "huygens",  "iverson",  "johnson",   "kelvin",   "kepler",    "kilby",    "knuth",    "lagrange", "lamarr",    "lamport",
    "laplace",  "leibniz",  "liskov",    "lovelace", "magellan",  "maxwell",  "mccarthy", "meitner",  "milner",    "nansen",
    "naur",     "newton",   "noether",   "ohm",      "pascal",    "perlman",  "planck",   "poincare", "postel",    "raman",
    "riemann",  "ritchie",  "rutherford", "sammet",  "shackleton", "shannon", "snell",    "stallman", "stevin",    "tarski",
    "tesla",    "thompson", "torricelli", "turing",  "vega",      "volta",    "watt",     "wiener",   "wilkes",    "wirth",
    "yalow",    "zuse",
};

constexpr bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace

bool is_valid_name(std::string_view name) {
  if (name.size() < 2 || name.size() > 255 || !is_alphanumeric(name[0])) return false;
  for (char c : name)
    if (!is_alphanumeric(c) && c != '_' && c != '.' && c != '-') return false;
  return true;
}

Result<> check_name(std::string_view name) {
  if (is_valid_name(name)) return {};
  return fail(ErrorKind::Invalid, format("Invalid container name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
                                         escape_controls(name)));
}

std::string generate_name(unsigned attempt) {
  unsigned random[3] = {};
  while (::getrandom(random, sizeof random, 0) != sizeof random) {
  }
  std::string name = format("{}_{}", kAdjectives[random[0] % kAdjectives.size()], kSurnames[random[1] % kSurnames.size()]);
  if (attempt > 0) name += static_cast<char>('0' + random[2] % 10);
  return name;
}

bool is_id_prefix(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

bool id_has_prefix(std::string_view id, std::string_view prefix) { return is_id_prefix(prefix) && id.starts_with(prefix); }

}  // namespace hull::engine
