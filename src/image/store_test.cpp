// The store's names and records: what is found, what loses its name, what a start reads.
#include "image/store.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/text.h"
#include "image/layout.h"
#include "image/lookup.h"
#include "image/manifest.h"
#include "image/staging.h"

namespace hull::image {
namespace {

Digest digest(char digit) { return *Digest::from_hex(std::string(64, digit)); }
NamedImage named(char digit, const std::string& name) {
  return NamedImage{digest(digit), Descriptor{std::string(kOciManifest), digest(digit == 'a' ? 'c' : 'd'), 10, {}, {}}, name};
}
const std::string kBusybox = "docker.io/library/busybox:latest";

TEST(Lookup, NamesWinOverIdsAndPrefixesMustBeUnique) {
  std::vector<NamedImage> images{named('a', kBusybox), named('b', "docker.io/library/aaa:latest")};
  EXPECT_EQ(find_image(images, "busybox")->id, digest('a'));
  EXPECT_EQ(find_image(images, "docker.io/busybox:latest")->reference, "busybox:latest");
  EXPECT_EQ(find_image(images, "aaa")->id, digest('b')) << "a name, though also a prefix of an id";
  EXPECT_EQ(find_image(images, "aaaa")->id, digest('a'));
  EXPECT_EQ(find_image(images, "sha256:bbb")->id, digest('b'));
  EXPECT_EQ(find_image(images, "busybox@" + digest('c').text())->id, digest('a'));
  EXPECT_FALSE(find_image(images, "aaa@" + digest('c').text()));
  EXPECT_EQ(find_image(images, "nope").error().text(), "No such image: nope:latest");
  EXPECT_EQ(find_image(images, "a b").error().text(), "invalid reference format");
  NamedImage twin = named('a', "");
  twin.id = *Digest::from_hex("ab" + std::string(62, '0'));
  images.push_back(twin);
  EXPECT_FALSE(find_image(images, "a"));
}

TEST(Lookup, AnImageThatLosesItsLastNameStaysAsDangling) {
  std::vector<NamedImage> images;
  EXPECT_FALSE(assign_name(images, named('a', ""), kBusybox));
  EXPECT_FALSE(assign_name(images, named('a', ""), kBusybox)) << "the same image again takes nothing over";
  EXPECT_EQ(images.size(), 1U);
  EXPECT_EQ(assign_name(images, named('b', ""), kBusybox), digest('a'));
  ASSERT_EQ(images.size(), 2U);
  EXPECT_TRUE(images[0].name.empty());
  EXPECT_FALSE(assign_name(images, named('a', ""), "docker.io/library/old:1"));
  EXPECT_EQ(images.size(), 2U) << "the dangling entry gave way";
  assign_name(images, named('a', ""), "docker.io/library/old:2");
  remove_name(images, "docker.io/library/old:1");
  EXPECT_EQ(names_of(images, digest('a')), std::vector<std::string>{"docker.io/library/old:2"});
}

TEST(Record, ReadsBackWhatWasWritten) {
  ImageRecord record{digest('a'), digest('b'), "2026-01-01T00:00:00Z", "amd64", "linux", "", 7, {std::string(64, 'c')}, {}};
  record.config.env = {"A=b"};
  record.config.exposed_ports = {"80/tcp"};
  record.config.labels = {{"run.oci.handler", "krun"}};
  Result<ImageRecord> again = parse_record(record_to_text(record));
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_EQ(record_to_text(*again), record_to_text(record));
  EXPECT_FALSE(parse_record("{}"));
  EXPECT_FALSE(parse_record("{\"version\":2}"));
}

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/store-XXXXXX";
    root_ = ::mkdtemp(name);
  }
  void TearDown() override { EXPECT_TRUE(remove_tree(root_)); }
  std::string root_;
};

TEST_F(StoreTest, IsALayoutThatOthersCanRead) {
  ASSERT_TRUE(ImageStore::open(root_ + "/r"));
  EXPECT_TRUE(check_layout_marker(*read_file(root_ + "/r/images/oci-layout")));
  EXPECT_TRUE(parse_index(*read_file(root_ + "/r/images/index.json")));
}

TEST_F(StoreTest, RefusesARootThatOthersMayWrite) {
  ASSERT_EQ(::chmod(root_.c_str(), 0777), 0);
  Result<ImageStore> store = ImageStore::open(root_);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().kind(), ErrorKind::Denied);
}

TEST_F(StoreTest, SnapshotsHaveTheImagesRootAndKeepTheirLayers) {
  Result<ImageStore> store = ImageStore::open(root_);
  ASSERT_TRUE(store);
  StorePaths paths{root_};
  std::string chain(64, 'e'), other(64, 'f');
  for (const std::string& one : {chain, other}) ASSERT_TRUE(make_directories(paths.layer_tree(one), 0711));
  ResolvedImage image{digest('a'), "x", {}, {chain}, {paths.layer_tree(chain)}};
  Result<Snapshot> snapshot = store->create_snapshot("c1", image);
  ASSERT_TRUE(snapshot) << snapshot.error().text();
  struct stat status;
  ASSERT_EQ(::stat(snapshot->upper_dir.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0711U);
  EXPECT_FALSE(store->create_snapshot("c1", image)) << "the name is taken";
  EXPECT_EQ(store->find_snapshot("c1")->lower_dirs, snapshot->lower_dirs);
  ASSERT_TRUE(store->collect_garbage());
  EXPECT_TRUE(path_exists(paths.layer(chain))) << "the snapshot keeps it";
  EXPECT_FALSE(path_exists(paths.layer(other)));
  ASSERT_TRUE(store->remove_snapshot("c1"));
  ASSERT_TRUE(store->remove_snapshot("c1")) << "missing is success";
  ASSERT_TRUE(store->collect_garbage());
  EXPECT_FALSE(path_exists(paths.layer(chain)));
  for (const char* name : {"", ".", "..", "a/b", "../x"}) EXPECT_FALSE(store->create_snapshot(name, image)) << name;
}

TEST_F(StoreTest, WhatADeadProcessLeftIsRemovedAndALivingOnesKept) {
  StorePaths paths{root_};
  ASSERT_TRUE(ensure_layout(paths));
  Result<Staging> mine = Staging::make(paths, "test");
  ASSERT_TRUE(mine);
  ASSERT_TRUE(make_directories(paths.staging() + "/load-1-dead/layers"));
  ASSERT_TRUE(replace_file(paths.staging() + "/load-1-dead/lock", "", Durability::Volatile));
  ASSERT_TRUE(make_directories(paths.staging() + "/trash-x"));
  ASSERT_TRUE(empty_trash(paths));
  EXPECT_TRUE(path_exists(mine->path()));
  EXPECT_FALSE(path_exists(paths.staging() + "/load-1-dead"));
  EXPECT_FALSE(path_exists(paths.staging() + "/trash-x"));
}

}  // namespace
}  // namespace hull::image
