#include "cli/options.h"

#include <gtest/gtest.h>

namespace hull::cli {
namespace {

struct Args {
  bool rm = false, tty = false, interactive = false, sig_proxy = true;
  std::string name;
  std::optional<std::string> net;
  std::vector<std::string> env;
  int64_t count = 0;
  std::optional<uint64_t> weight;
  int mounts = 0;
  std::string mount_file;
};

Result<> apply_mount(void* target, const Option&, std::optional<std::string_view> value) {
  auto* args = static_cast<Args*>(target);
  ++args->mounts;
  args->mount_file = std::string(value.value_or("(none)"));
  return {};
}

constexpr Option kOptions[] = {
    {0, "rm", Takes::Bool, nullptr, "Remove", store<&Args::rm>},
    {'t', "tty", Takes::Bool, nullptr, "Terminal", store<&Args::tty>},
    {'i', "interactive", Takes::Bool, nullptr, "Keep STDIN open", store<&Args::interactive>},
    {0, "sig-proxy", Takes::Bool, nullptr, "Proxy", store<&Args::sig_proxy>},
    {0, "name", Takes::Required, "string", "Name", store<&Args::name>},
    {0, "network", Takes::Required, "network", "Network", store<&Args::net>},
    {0, "net", Takes::Required, "network", nullptr, store<&Args::net>},
    {'e', "env", Takes::Required, "list", "Env", store<&Args::env>},
    {'n', "count", Takes::Required, "int", "Count", store<&Args::count>},
    {0, "weight", Takes::Required, "uint", "Weight", store<&Args::weight>},
    {'m', "mount", Takes::Optional, "file", "Mount", apply_mount},
    {0, "map-user", Takes::Required, "uid", "Map", store<&Args::name>},
    {0, "map-users", Takes::Required, "uids", "Maps", store<&Args::env>},
};

struct Outcome {
  Args args;
  std::vector<std::string_view> operands;
  std::string error;
  bool help = false, version = false;
};

Outcome parse(Dialect dialect, Operands operands, std::vector<const char*> words) {
  Syntax syntax{.name = "x", .synopsis = "", .summary = "", .options = kOptions, .operands = operands, .dialect = dialect};
  Outcome outcome;
  std::vector<char*> argv;
  for (const char* word : words) argv.push_back(const_cast<char*>(word));
  auto parsed = parse_options(syntax, argv, &outcome.args);
  if (!parsed) outcome.error = parsed.error().text();
  else outcome.operands = parsed->operands, outcome.help = parsed->help, outcome.version = parsed->version;
  return outcome;
}

Outcome docker(std::vector<const char*> words) { return parse(Dialect::Docker, Operands::EndOptions, std::move(words)); }
Outcome getopt(std::vector<const char*> words) { return parse(Dialect::UtilLinux, Operands::EndOptions, std::move(words)); }

TEST(Options, DockerFormsOfAValueAreEqual) {
  for (auto words : std::vector<std::vector<const char*>>{
           {"--env=A=1"}, {"--env", "A=1"}, {"-e", "A=1"}, {"-eA=1"}, {"-e=A=1"}, {"-ite", "A=1"}}) {
    Outcome outcome = docker(words);
    ASSERT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.args.env, std::vector<std::string>{"A=1"});
  }
}

TEST(Options, DockerStopsAtTheImage) {
  Outcome outcome = docker({"-it", "--net", "host", "busybox", "ls", "-t", "--rm"});
  EXPECT_TRUE(outcome.args.tty && outcome.args.interactive);
  EXPECT_FALSE(outcome.args.rm);
  EXPECT_EQ(outcome.args.net, "host");
  EXPECT_EQ(outcome.operands, (std::vector<std::string_view>{"busybox", "ls", "-t", "--rm"}));
}

TEST(Options, DockerOptionsMayFollowOperandsWhereTheCommandSaysSo) {
  Outcome outcome = parse(Dialect::Docker, Operands::Anywhere, {"a", "--rm", "b", "--", "--name"});
  EXPECT_TRUE(outcome.args.rm);
  EXPECT_EQ(outcome.operands, (std::vector<std::string_view>{"a", "b", "--name"}));
}

TEST(Options, DockerBooleans) {
  EXPECT_TRUE(docker({"--rm"}).args.rm);
  EXPECT_TRUE(docker({"--rm=true"}).args.rm);
  EXPECT_FALSE(docker({"--rm", "--rm=false"}).args.rm);
  EXPECT_FALSE(docker({"--sig-proxy=0"}).args.sig_proxy);
  EXPECT_FALSE(docker({"-t", "-t=false"}).args.tty);
  EXPECT_EQ(docker({"--rm=maybe"}).error,
            "invalid argument \"maybe\" for \"--rm\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax");
  EXPECT_EQ(docker({"--rm", "true"}).operands, std::vector<std::string_view>{"true"});
}

TEST(Options, DockerErrors) {
  EXPECT_EQ(docker({"--foo"}).error, "unknown flag: --foo");
  EXPECT_EQ(docker({"--foo=1"}).error, "unknown flag: --foo");
  EXPECT_EQ(docker({"-Q"}).error, "unknown shorthand flag: 'Q' in -Q");
  EXPECT_EQ(docker({"-iQ"}).error, "unknown shorthand flag: 'Q' in -Q");
  EXPECT_EQ(docker({"--name"}).error, "flag needs an argument: --name");
  EXPECT_EQ(docker({"-e"}).error, "flag needs an argument: 'e' in -e");
  EXPECT_EQ(docker({"--nam", "x"}).error, "unknown flag: --nam");
  EXPECT_EQ(docker({"--=x"}).error, "bad flag syntax: --=x");
  EXPECT_EQ(docker({"-n", "many"}).error,
            "invalid argument \"many\" for \"-n, --count\" flag: strconv.ParseInt: parsing \"many\": invalid syntax");
  EXPECT_NE(docker({"--weight=-1"}).error, "");
}

TEST(Options, HelpAndVersion) {
  EXPECT_TRUE(docker({"--help"}).help);
  EXPECT_TRUE(docker({"-h"}).help);
  EXPECT_FALSE(docker({"image", "--help"}).help);
  EXPECT_TRUE(getopt({"--he"}).help);
  EXPECT_TRUE(getopt({"-V"}).version);
  EXPECT_TRUE(getopt({"--version"}).version);
}

TEST(Options, UtilLinuxOptionalValueIsNeverTheNextWord) {
  Outcome outcome = getopt({"-m", "bash"});
  EXPECT_EQ(outcome.args.mount_file, "(none)");
  EXPECT_EQ(outcome.operands, std::vector<std::string_view>{"bash"});
  EXPECT_EQ(getopt({"--mount=/f", "bash"}).args.mount_file, "/f");
  EXPECT_EQ(getopt({"--mount=", "bash"}).args.mount_file, "");
  EXPECT_EQ(getopt({"-m/f", "bash"}).args.mount_file, "/f");
}

TEST(Options, UtilLinuxAbbreviations) {
  EXPECT_EQ(getopt({"--mou=/f"}).args.mount_file, "/f");
  EXPECT_EQ(getopt({"--map-user", "1"}).args.name, "1");  // exact although a prefix of another
  EXPECT_EQ(getopt({"--ma", "1"}).error, "option '--ma' is ambiguous; possibilities: '--map-user' '--map-users'");
  EXPECT_EQ(getopt({"--ne", "x"}).args.net, "x");  // two names of one option are no ambiguity
}

TEST(Options, UtilLinuxErrors) {
  EXPECT_EQ(getopt({"--foo"}).error, "unrecognized option '--foo'");
  EXPECT_EQ(getopt({"-Q"}).error, "invalid option -- 'Q'");
  EXPECT_EQ(getopt({"--name"}).error, "option '--name' requires an argument");
  EXPECT_EQ(getopt({"-n"}).error, "option requires an argument -- 'n'");
  EXPECT_EQ(getopt({"--rm=1"}).error, "option '--rm' doesn't allow an argument");
}

TEST(Options, ASingleDashIsAnOperand) { EXPECT_EQ(docker({"-"}).operands, std::vector<std::string_view>{"-"}); }

TEST(Options, HelpHidesAliasesAndWrapsAtEightyColumns) {
  static constexpr Option kWide[] = {
      {0, "old", Takes::Required, "x", nullptr, store<&Args::name>},
      {'l', "long-option-name", Takes::Required, "something",
       "Words that are many enough to be wrapped over more than one line of the terminal", store<&Args::name>},
  };
  Syntax syntax{.name = "x", .synopsis = "[OPTIONS]", .summary = "Do x", .options = kWide};
  std::string text = help_text(syntax, "hull x");
  EXPECT_EQ(text.find("--old"), text.npos);
  EXPECT_NE(text.find("Usage:  hull x [OPTIONS]\n\nDo x\n\nOptions:\n  -l, --long-option-name something   Words"), text.npos);
  for (std::string_view line : split_lines(text)) EXPECT_LE(line.size(), 80u) << line;
}

}  // namespace
}  // namespace hull::cli
