#include "engine/events.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

namespace hull::engine {
namespace {

Event sample() { return {1700000000123456789, "container", "exec_start: sh -c date", "0123456789ab", {{"image", "busybox:1.36"}, {"name", "web"}, {"tier", "front"}}}; }

TEST(Events, ALineComesBackAsItWas) {
  Event event = sample();
  auto parsed = parse_event(event_line(event));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->time_ns, event.time_ns);
  EXPECT_EQ(parsed->type, event.type);
  EXPECT_EQ(parsed->action, event.action);
  EXPECT_EQ(parsed->id, event.id);
  EXPECT_EQ(parsed->attributes, event.attributes);
}

TEST(Events, WhatIsCutOrForeignIsNoEvent) {
  std::string line = event_line(sample());
  for (size_t length = 0; length < line.size(); ++length) EXPECT_FALSE(parse_event(std::string_view(line).substr(0, length)));
  for (const char* text : {"{}", "[]", "null", "{\"Type\":1}", R"({"Type":"container","Action":"x"})", R"({"Type":"","Action":"x","timeNano":5})"})
    EXPECT_FALSE(parse_event(text)) << text;
}

TEST(Events, JsonIsAsDockersApiHasIt) {
  EXPECT_EQ(json::to_text(to_json({1700000000123456789, "container", "die", "ab", {{"exitCode", "3"}, {"image", "busybox"}}})),
            R"({"status":"die","id":"ab","from":"busybox","Type":"container","Action":"die","Actor":{"ID":"ab","Attributes":{"exitCode":"3","image":"busybox"}},)"
            R"("scope":"local","time":1700000000,"timeNano":1700000000123456789})");
}

struct FilterCase {
  std::vector<std::pair<const char*, const char*>> filters;
  bool passes;
};

TEST(Events, FiltersAreAlternativesOfAKeyAndConditionsTogether) {
  const FilterCase kCases[] = {
      {{}, true},
      {{{"container", "web"}}, true},
      {{{"container", "0123"}}, true},
      {{{"container", "db"}}, false},
      {{{"container", "db"}, {"container", "web"}}, true},
      {{{"container", "web"}, {"event", "die"}}, false},
      {{{"event", "exec_start"}}, true},
      {{{"image", "busybox"}}, true},
      {{{"image", "busybox:1.36"}}, true},
      {{{"image", "busy"}}, false},
      {{{"label", "tier"}}, true},
      {{{"label", "tier=front"}}, true},
      {{{"label", "tier=back"}}, false},
      {{{"type", "container"}}, true},
      {{{"type", "image"}}, false},
      {{{"kind", "net"}}, false},
      {{{"scope", "local"}}, true},
  };
  for (const FilterCase& test : kCases) {
    EventFilter filter;
    std::string text;
    for (auto [key, value] : test.filters) {
      ASSERT_TRUE(filter.add(key, value));
      text += std::string(key) + "=" + value + " ";
    }
    EXPECT_EQ(filter.passes(sample()), test.passes) << text;
  }
  EXPECT_FALSE(EventFilter().add("colour", "red"));
}

TEST(Events, ACutLineSpoilsNoOther) {
  char directory[] = "/tmp/hull-events-XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  Layout layout{directory, directory};
  append_events(layout, {sample()});
  std::string path = std::string(directory) + "/events.log";
  ASSERT_EQ(::truncate(path.c_str(), 40), 0);
  append_events(layout, {sample(), sample()});
  EventReader reader(layout, EventReader::From::Beginning);
  int found = 0;
  EXPECT_TRUE(reader.read([&](const Event&) { return ++found, true; }));
  EXPECT_EQ(found, 2);
  (void)remove_tree(directory);
}

TEST(Events, ALongLogKeepsOneOlderFileAndAReaderMissesNothing) {
  char directory[] = "/tmp/hull-events-XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  Layout layout{directory, directory};
  Event large = sample();
  large.attributes["padding"] = std::string(1 << 20, 'x');
  EventReader reader(layout, EventReader::From::End);
  int written = 0, found = 0;
  for (; written < 20; ++written) {
    append_events(layout, {large});
    EXPECT_TRUE(reader.read([&](const Event&) { return ++found, true; }));
  }
  EXPECT_EQ(found, written);
  struct stat now, older;
  ASSERT_EQ(::stat((std::string(directory) + "/events.log.1").c_str(), &older), 0);
  ::stat((std::string(directory) + "/events.log").c_str(), &now);
  EXPECT_LT(now.st_size + older.st_size, 20 << 20);
  (void)remove_tree(directory);
}

}  // namespace
}  // namespace hull::engine
