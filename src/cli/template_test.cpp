#include "cli/template.h"

#include <gtest/gtest.h>

namespace hull::cli {
namespace {

const char* kData = R"({"Name":"web","Pid":42,"Ratio":1.5,"On":true,"Off":false,"Nil":null,"Empty":"","Zero":0,
  "List":["a","b","c"],"None":[],"Map":{"b":2,"a":1},"State":{"Pid":7,"Deep":{"X":"y"}},
  "Mounts":[{"S":"/a","D":"/b"},{"S":"/c","D":"/d"}]})";

struct Case { const char* text; const char* expected; };

// What Go 1.22's text/template with docker's functions gives for the same data.
const Case kCases[] = {
    {"plain", "plain"}, {"{{.Name}}", "web"}, {"{{ .Name }}!", "web!"}, {"{{.Pid}}", "42"}, {"{{.Ratio}}", "1.5"},
    {"{{.On}} {{.Off}}", "true false"}, {"{{.Missing}}", "<no value>"}, {"{{.Nil}}", "<no value>"},
    {"{{.State.Pid}}", "7"}, {"{{.State.Deep.X}}", "y"}, {"{{.List}}", "[a b c]"}, {"{{.Map}}", "map[a:1 b:2]"},
    {"{{.None}}", "[]"}, {"{{json .List}}", R"(["a","b","c"])"}, {"{{.State | json}}", R"({"Pid":7,"Deep":{"X":"y"}})"},
    {"{{if .On}}yes{{end}}", "yes"}, {"{{if .Off}}yes{{else}}no{{end}}", "no"}, {"{{if .Empty}}a{{else if .Zero}}b{{else if .Name}}c{{else}}d{{end}}", "c"},
    {"{{if .Nil}}a{{end}}", ""}, {"{{if .None}}a{{else}}b{{end}}", "b"}, {"{{if not .Off}}x{{end}}", "x"},
    {"{{range .List}}<{{.}}>{{end}}", "<a><b><c>"}, {"{{range $i, $e := .List}}{{$i}}{{$e}} {{end}}", "0a 1b 2c "},
    {"{{range $e := .List}}{{$e}}{{end}}", "abc"}, {"{{range .None}}x{{else}}none{{end}}", "none"},
    {"{{range $k, $v := .Map}}{{$k}}={{$v}};{{end}}", "a=1;b=2;"}, {"{{range .Mounts}}{{.S}}:{{.D}} {{end}}", "/a:/b /c:/d "},
    {"{{range .List}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a"},
    {"{{range .List}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}", "ac"}, {"{{range 3}}{{.}}{{end}}", "012"},
    {"{{with .State}}{{.Pid}}{{end}}", "7"}, {"{{with .Empty}}x{{else}}y{{end}}", "y"}, {"{{with $x := .Name}}{{$x}}{{end}}", "web"},
    {"{{$x := 1}}{{$x}}", "1"}, {"{{$x := 1}}{{$x = 2}}{{$x}}", "2"}, {"{{range .List}}{{$.Pid}}{{end}}", "424242"},
    {"{{$s := .State}}{{$s.Deep.X}}", "y"}, {"a {{- .Name -}} b", "awebb"}, {"a  {{- \" x\" }} b", "a x b"},
    {"{{/* note */}}z", "z"}, {"x {{- /* note */ -}} y", "xy"}, {"{{len .List}}", "3"}, {"{{len .Name}}", "3"}, {"{{len .Map}}", "2"},
    {"{{index .List 1}}", "b"}, {"{{index .Map \"a\"}}", "1"}, {"{{index .Map \"zz\"}}", "<no value>"},
    {"{{(index .Mounts 1).S}}", "/c"}, {"{{index .Mounts 0 \"D\"}}", "/b"}, {"{{slice .Name 1}}", "eb"}, {"{{slice .Name 0 2}}", "we"},
    {"{{slice .List 1 3}}", "[b c]"}, {"{{eq .Pid 42}}", "true"}, {"{{eq .Name \"a\" \"web\"}}", "true"}, {"{{ne .Name \"a\"}}", "true"},
    {"{{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 2 3}}", "true true false false"}, {"{{lt \"a\" \"b\"}}", "true"}, {"{{eq .Ratio 1.5}}", "true"},
    {"{{and .On .Name}}", "web"}, {"{{and .Off .Name}}", "false"}, {"{{or .Off .Name}}", "web"}, {"{{or .Off .Zero}}", "0"},
    {"{{not .On}}", "false"}, {"{{print 1 2 \"a\" \"b\" 3}}", "1 2ab3"}, {"{{println .Name 1}}", "web 1\n"},
    {"{{printf \"%s-%d\" .Name .Pid}}", "web-42"}, {"{{printf \"%5d|%-5d|%05d\" 42 42 42}}", "   42|42   |00042"},
    {"{{printf \"%q\" .Name}}", "\"web\""}, {"{{printf \"%v %v\" .List .On}}", "[a b c] true"}, {"{{printf \"%x\" 255}}", "ff"},
    {"{{printf \"%.2f\" .Ratio}}", "1.50"}, {"{{printf \"%10s|\" .Name}}", "       web|"}, {"{{printf \"%d%%\" 5}}", "5%"},
    {"{{printf \"%d\" .Name}}", "%!d(web)"}, {"{{printf \"%s\"}}", "%!s(MISSING)"}, {"{{.Name | printf \"%s!\"}}", "web!"},
    {"{{.Name | upper | lower | title}}", "Web"}, {"{{join .List \",\"}}", "a,b,c"}, {"{{split \"a:b\" \":\"}}", "[a b]"},
    {"{{index (split \"a:b\" \":\") 1}}", "b"}, {"{{pad .Name 1 2}}|", " web  |"}, {"{{truncate .Name 2}}", "we"},
    {"{{upper \"x\"}}{{`raw\\n`}}", "Xraw\\n"}, {"{{\"a\\tb\"}}", "a\tb"}, {"{{'a'}}", "97"}, {"{{true}}{{nil | json}}", "truenull"},
    {"{{.}}", nullptr},
};

TEST(Template, RendersAsGoDoes) {
  json::value data = *json::parse(kData, "data");
  for (const Case& test : kCases) {
    auto parsed = Template::parse(test.text);
    ASSERT_TRUE(parsed) << test.text << ": " << parsed.error().text();
    auto rendered = parsed->render(data);
    ASSERT_TRUE(rendered) << test.text << ": " << rendered.error().text();
    if (test.expected == nullptr) continue;
    EXPECT_EQ(*rendered, test.expected) << test.text;
  }
}

TEST(Template, ErrorsNameThePlaceAsGoDoes) {
  json::value data = *json::parse(kData, "data");
  auto error = [&](const char* text) {
    auto parsed = Template::parse(text);
    if (!parsed) return parsed.error().text();
    auto rendered = parsed->render(data, MissingKey::Error);
    return rendered ? "no error: " + *rendered : rendered.error().text();
  };
  EXPECT_EQ(error("{{.Foo}}"), "template: :1:2: executing \"\" at <.Foo>: map has no entry for key \"Foo\"");
  EXPECT_EQ(error("{{.State.Foo}}"), "template: :1:8: executing \"\" at <.State.Foo>: map has no entry for key \"Foo\"");
  EXPECT_EQ(error("{{.Name.Foo}}"), "template: :1:7: executing \"\" at <.Name.Foo>: can't evaluate field Foo in type string");
  EXPECT_EQ(error("{{.Name"), "template: :1: unclosed action");
  EXPECT_EQ(error("{{if .On}}"), "template: :1: unexpected EOF");
  EXPECT_EQ(error("{{nosuch .Name}}"), "template: :1: function \"nosuch\" not defined");
  EXPECT_EQ(error("{{end}}"), "template: :1: unexpected {{end}}");
  EXPECT_EQ(error("{{}}"), "template: :1: missing value for command");
  EXPECT_NE(error("{{index .List 9}}").find("index out of range: 9"), std::string::npos);
  EXPECT_NE(error("{{$nope}}").find("undefined variable"), std::string::npos);
}

TEST(Template, HostileTemplatesEnd) {
  auto bomb = Template::parse("{{range 9999999999}}{{end}}");
  EXPECT_FALSE(bomb->render(json::value(1)));
  auto nested = Template::parse("{{range 9999}}{{range 9999}}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{{end}}{{end}}");
  EXPECT_FALSE(nested->render(json::value(1)));
  std::string deep;
  for (int i = 0; i < 500; ++i) deep += "{{if 1}}";
  EXPECT_FALSE(Template::parse(deep));
  EXPECT_FALSE(Template::parse("{{" + std::string(500, '(')));
}

TEST(ExpandEscapes, TabAndNewline) { EXPECT_EQ(expand_escapes("a\\tb\\nc\\d"), "a\tb\nc\\d"); }

}  // namespace
}  // namespace hull::cli
