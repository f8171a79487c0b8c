#include "engine/records.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

namespace hull::engine {
namespace {

class RecordsTest : public testing::Test {
 protected:
  RecordsTest() : layout_(make_layout()), records_(layout_) {}
  ~RecordsTest() override { (void)remove_tree(layout_.root.substr(0, layout_.root.rfind('/'))); }

  static Layout make_layout() {
    char pattern[] = "/tmp/hull-records-XXXXXX";
    std::string base = ::mkdtemp(pattern);
    Layout layout{base + "/root", base + "/run"};
    EXPECT_TRUE(prepare_layout(layout));
    return layout;
  }
  Record record(const std::string& name, bool ephemeral = false) {
    Record made;
    made.id = random_id();
    made.name = name;
    made.created = now_rfc3339();
    made.config.rm = ephemeral;
    made.process.args = {"true"};
    return made;
  }
  Result<> create(Record& made) {
    auto lock = records_.create(made, false);
    return lock ? Result<>() : fail(std::move(lock).error());
  }
  Layout layout_;
  Records records_;
};

TEST_F(RecordsTest, IsFoundByNameIdAndPrefix) {
  for (bool ephemeral : {false, true}) {
    Record made = record(ephemeral ? "web" : "db", ephemeral);
    ASSERT_TRUE(create(made));
    for (const std::string& text : {made.name, "/" + made.name, made.id, made.id.substr(0, 12)}) {
      auto place = records_.find(text);
      ASSERT_TRUE(place) << text;
      EXPECT_EQ(place->id, made.id);
      EXPECT_EQ(place->ephemeral, ephemeral);
    }
    auto loaded = records_.load({made.id, ephemeral});
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->name, made.name);
    EXPECT_EQ(loaded->process.args, made.process.args);
  }
  EXPECT_EQ(records_.all().size(), 2u);
}

TEST_F(RecordsTest, NamesAreOneSet) {
  for (bool first : {false, true}) {
    Record holder = record(first ? "one" : "two", first);
    ASSERT_TRUE(create(holder));
    for (bool second : {false, true}) {
      Record other = record(holder.name, second);
      auto created = create(other);
      ASSERT_FALSE(created);
      EXPECT_EQ(created.error().kind(), ErrorKind::Exists);
      EXPECT_NE(created.error().text().find("is already in use by container \"" + holder.id), std::string::npos);
      EXPECT_FALSE(path_exists(layout_.record_directory(other.id, second)));
    }
  }
}

TEST_F(RecordsTest, ANameWinsOverAnIdsBeginning) {
  Record first = record("plain");
  ASSERT_TRUE(create(first));
  Record second = record(first.id.substr(0, 6));
  ASSERT_TRUE(create(second));
  EXPECT_EQ(records_.find(first.id.substr(0, 6))->id, second.id);
}

TEST_F(RecordsTest, TheNameOfADeadRecordIsFree) {
  Record dead = record("phoenix");
  ASSERT_TRUE(create(dead));
  ASSERT_TRUE(remove_tree(layout_.record_directory(dead.id, false)));  // a kill in the middle of a removal
  EXPECT_FALSE(records_.find("phoenix"));
  Record again = record("phoenix");
  EXPECT_TRUE(create(again));
}

TEST_F(RecordsTest, HostileNamesBecomeNoPaths) {
  for (const char* name : {"../x", "a/b", ".hidden", "a", "x y", "-rf"}) {
    Record made = record(name);
    EXPECT_FALSE(create(made)) << name;
    EXPECT_FALSE(records_.find(name)) << name;
  }
  EXPECT_TRUE(records_.all().empty());
}

TEST_F(RecordsTest, RenamesAndDrops) {
  Record made = record("old");
  ASSERT_TRUE(create(made));
  Record other = record("taken");
  ASSERT_TRUE(create(other));
  EXPECT_FALSE(records_.rename(made, "taken"));
  ASSERT_TRUE(records_.rename(made, "new"));
  EXPECT_FALSE(records_.find("old"));
  EXPECT_EQ(records_.find("new")->id, made.id);
  ASSERT_TRUE(records_.drop({made.id, false}, "new"));
  EXPECT_FALSE(records_.find("new"));
  EXPECT_FALSE(path_exists(layout_.names(false) + "/new"));
}

TEST_F(RecordsTest, ALockIsHeldUntilItsOwnerIsGone) {
  Record made = record("locked");
  {
    auto lock = records_.create(made, false);
    ASSERT_TRUE(lock);
    auto other = RecordLock::try_take(layout_.record_directory(made.id, false));
    ASSERT_TRUE(other);
    EXPECT_FALSE(other->has_value());
  }
  auto other = RecordLock::try_take(layout_.record_directory(made.id, false));
  ASSERT_TRUE(other);
  EXPECT_TRUE(other->has_value());
  auto gone = RecordLock::take(layout_.record_directory(random_id(), false));
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().kind(), ErrorKind::NotFound);
}

TEST_F(RecordsTest, RefusesDirectoriesThatOthersMayWrite) {
  ASSERT_EQ(::chmod(layout_.root.c_str(), 0777), 0);
  auto prepared = prepare_layout(layout_);
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().kind(), ErrorKind::Denied);
}

}  // namespace
}  // namespace hull::engine
