#include "engine/layer_files.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd.h"

namespace hull::engine {
namespace {

class LayerFiles : public testing::Test {
 protected:
  LayerFiles() {
    char pattern[] = "/tmp/hull-layers-XXXXXX";
    base_ = ::mkdtemp(pattern);
    for (const char* layer : {"top", "middle", "bottom"}) {
      layers_.push_back(base_ + "/" + layer);
      EXPECT_TRUE(make_directories(layers_.back() + "/etc", 0755));
    }
  }
  ~LayerFiles() override { (void)remove_tree(base_); }
  void put(size_t layer, const char* text) {
    ASSERT_TRUE(replace_file(layers_[layer] + "/etc/passwd", text, Durability::Volatile, 0644));
  }
  std::string read() {
    auto text = read_layer_file(layers_, "/etc/passwd");
    if (!text) return "error: " + text.error().text();
    return text->value_or("none");
  }
  std::string base_;
  std::vector<std::string> layers_;
};

TEST_F(LayerFiles, TheTopmostCounts) {
  EXPECT_EQ(read(), "none");
  put(2, "bottom");
  EXPECT_EQ(read(), "bottom");
  put(1, "middle");
  EXPECT_EQ(read(), "middle");
}

TEST_F(LayerFiles, AWhiteoutHidesWhatIsBelow) {
  put(2, "bottom");
  if (::mknod((layers_[1] + "/etc/passwd").c_str(), S_IFCHR, makedev(0, 0)) != 0) GTEST_SKIP() << "mknod: " << errno;
  EXPECT_EQ(read(), "none");
}

TEST_F(LayerFiles, NothingOutsideTheLayerIsRead) {
  ASSERT_EQ(::symlink("/etc/hostname", (layers_[0] + "/etc/passwd").c_str()), 0);
  EXPECT_EQ(read(), "none");
  ASSERT_EQ(::unlink((layers_[0] + "/etc/passwd").c_str()), 0);
  ASSERT_EQ(::symlink("../../../../../../etc/hostname", (layers_[0] + "/etc/passwd").c_str()), 0);
  EXPECT_EQ(read(), "none");
}

TEST_F(LayerFiles, APipeIsRefusedAtOnce) {
  ASSERT_EQ(::mkfifo((layers_[0] + "/etc/passwd").c_str(), 0644), 0);
  EXPECT_TRUE(read().starts_with("error: ")) << read();
}

TEST_F(LayerFiles, ALargeFileIsRefused) {
  put(0, "");
  ASSERT_EQ(::truncate((layers_[0] + "/etc/passwd").c_str(), off_t{1} << 32), 0);
  EXPECT_TRUE(read().starts_with("error: "));
}

}  // namespace
}  // namespace hull::engine
