// Tar headers, PAX records, entries and the names of layers: pure, at the limits and beyond them.
#include <gtest/gtest.h>

#include <cstring>

#include "image/worker/changes.h"
#include "image/worker/image_plan.h"
#include "image/worker/layer_path.h"
#include "image/worker/tar_reader.h"

namespace hull::image {
namespace {

std::optional<int64_t> number(std::string field) {
  field.resize(12, '\0');
  return parse_tar_number(reinterpret_cast<const unsigned char*>(field.data()), 12);
}

std::string header(const std::string& name, char type, uint64_t size) {
  std::string block(kTarBlock, '\0');
  name.copy(block.data(), 100);
  format("{:07o}", 0644).copy(block.data() + 100, 7);
  format("{:011o}", size).copy(block.data() + 124, 11);
  block[156] = type;
  std::memcpy(block.data() + 257, "ustar\0" "00", 8);
  std::memset(block.data() + 148, ' ', 8);
  unsigned sum = 0;
  for (unsigned char byte : block) sum += byte;
  format("{:06o}", sum).copy(block.data() + 148, 6);
  block[154] = '\0';
  return block;
}

std::string padded(std::string data) {
  data.resize((data.size() + kTarBlock - 1) / kTarBlock * kTarBlock, '\0');
  return data;
}

std::string file(const std::string& name, const std::string& data) { return header(name, '0', data.size()) + padded(data); }
const std::string kEnd(2 * kTarBlock, '\0');

// Names of all entries, or the error.
Result<std::vector<std::string>> names(const std::string& tar, TarLimits limits = {}, bool end_marker = true) {
  MemorySource source(tar);
  TarReader reader(source, limits, end_marker);
  std::vector<std::string> list;
  while (std::optional<TarEntry> entry = TRY(reader.next())) list.push_back(entry->path);
  TRY(reader.drain());
  return list;
}

TEST(TarNumber, ReadsOctalAndBase256) {
  EXPECT_EQ(number("0000644"), 0644);
  EXPECT_EQ(number("  644 "), 0644);
  EXPECT_EQ(number(""), 0);
  EXPECT_EQ(number("777777777777"), 0777777777777);
  EXPECT_EQ(number(std::string("\x80\0\0\0\0\0\0\0\0\0\x01\0", 12)), 256);
  EXPECT_EQ(number(std::string(12, '\xff')), -1);
  EXPECT_EQ(number("8"), std::nullopt);
  EXPECT_EQ(number("-1"), std::nullopt);
  EXPECT_EQ(number("0x10"), std::nullopt);
  EXPECT_EQ(number("1 2"), std::nullopt);
  EXPECT_EQ(number(std::string("\x80\x01\0\0\0\0\0\0\0\0\0\0", 12)), std::nullopt) << "beyond 63 bits";
  EXPECT_EQ(number(std::string("\x80\0\0\0\x80\0\0\0\0\0\0\0", 12)), std::nullopt) << "2^63";
}

TEST(TarHeader, RefusesAWrongChecksum) {
  std::string block = header("name", '0', 5);
  EXPECT_TRUE(parse_tar_header(reinterpret_cast<const unsigned char*>(block.data())));
  for (size_t at = 0; at < kTarBlock; ++at) {
    std::string damaged = block;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x01);
    bool in_checksum_tail = at >= 154 && at < 156;  // after the digits: not read
    EXPECT_EQ(parse_tar_header(reinterpret_cast<const unsigned char*>(damaged.data())).has_value(), in_checksum_tail && at == 155) << at;
  }
}

TEST(Pax, ReadsRecordsAndRefusesWrongLengths) {
  auto records = parse_pax("11 path=abc\n15 mtime=12.500\n");
  ASSERT_FALSE(records) << "15 is one too long";
  records = parse_pax("12 path=abc\n16 mtime=12.500\n");
  ASSERT_TRUE(records);
  EXPECT_EQ(records->at("path"), "abc");
  for (const char* text : {"0 \n", "1", "x path=a\n", "-1 a=b\n", "9999 a=b\n", "6 a=b\n\n", "7 =abc\n", "6 abc\n", " 6 a=b\n"})
    EXPECT_FALSE(parse_pax(text)) << text;
  EXPECT_EQ(parse_pax("6 a=b\n6 a=c\n")->at("a"), "c");
}

TEST(Pax, ReadsTimes) {
  EXPECT_EQ(parse_pax_time("12.5")->nanoseconds, 500'000'000U);
  EXPECT_EQ(parse_pax_time("-1.5")->seconds, -2);
  EXPECT_EQ(parse_pax_time("-1.5")->nanoseconds, 500'000'000U);
  for (const char* text : {"", ".", "x", "1.x", "1e5", "99999999999999999999"}) EXPECT_FALSE(parse_pax_time(text)) << text;
}

TEST(TarReader, NeedsTheEndWhereNothingElseTellsIt) {
  std::string tar = file("a", "data");
  EXPECT_TRUE(names(tar + kEnd));
  EXPECT_FALSE(names(tar));
  EXPECT_TRUE(names(tar, {}, false));
  EXPECT_FALSE(names(tar.substr(0, tar.size() - 1), {}, false));
  EXPECT_FALSE(names(header("a", 'x', 6) + padded("6 a=b\n") + kEnd)) << "a header about nothing";
  EXPECT_FALSE(names(header("a", 'V', 0) + kEnd)) << "an unknown type";
}

TEST(TarReader, StandsAtItsLimits) {
  TarLimits limits;
  limits.max_entries = 2;
  EXPECT_TRUE(names(file("a", "") + file("b", "") + kEnd, limits));
  EXPECT_FALSE(names(file("a", "") + file("b", "") + file("c", "") + kEnd, limits));
  limits = {};
  limits.max_total_bytes = 10;
  EXPECT_TRUE(names(file("a", "12345") + file("b", "12345") + kEnd, limits));
  EXPECT_FALSE(names(file("a", "12345") + file("b", "123456") + kEnd, limits));
  limits = {};
  limits.max_file_bytes = 4;
  EXPECT_TRUE(names(file("a", "1234") + kEnd, limits));
  EXPECT_FALSE(names(file("a", "12345") + kEnd, limits));
  limits = {};
  limits.max_path_bytes = 3;
  EXPECT_TRUE(names(file("abc", "") + kEnd, limits));
  EXPECT_FALSE(names(file("abcd", "") + kEnd, limits));
  limits = {};
  limits.max_pax_bytes = 12;
  EXPECT_TRUE(names(header("p", 'x', 12) + padded("12 path=abc\n") + file("f", "") + kEnd, limits));
  limits.max_pax_bytes = 11;
  EXPECT_FALSE(names(header("p", 'x', 12) + padded("12 path=abc\n") + file("f", "") + kEnd, limits));
}

TEST(TarReader, TakesLongNamesOfBothKinds) {
  std::string long_name(300, 'n');
  EXPECT_EQ(names(header("@", 'L', 301) + padded(long_name + '\0') + file("short", "x") + kEnd)->at(0), long_name);
  EXPECT_EQ(names(header("p", 'x', 12) + padded("12 path=abc\n") + file("short", "x") + kEnd)->at(0), "abc");
}

TEST(LayerPath, SplitsNamesAndKnowsWhiteouts) {
  TarLimits limits;
  Result<LayerPath> path = parse_layer_path("/./a//b/c/", limits);
  ASSERT_TRUE(path);
  EXPECT_EQ(path->parent_text(), "a/b");
  EXPECT_EQ(path->name, "c");
  EXPECT_EQ(parse_layer_path("./", limits)->name, "");
  EXPECT_EQ(parse_layer_path("a/.wh.b", limits)->kind, LayerName::Whiteout);
  EXPECT_EQ(parse_layer_path("a/.wh.b", limits)->name, "b");
  EXPECT_EQ(parse_layer_path("a/.wh..wh..opq", limits)->kind, LayerName::Opaque);
  EXPECT_EQ(parse_layer_path(".wh..wh.plnk", limits)->kind, LayerName::Ignored);
  EXPECT_EQ(parse_layer_path(".wh..hidden", limits)->name, ".hidden");
  for (const char* name : {"..", "a/..", "../a", "a/../b", ".wh.", ".wh..", ".wh...", ".wh..wh.", ".wh..wh.x", ".wh.a/b", "a/.wh..."})
    EXPECT_FALSE(parse_layer_path(name, limits)) << name;
}

TEST(LayerPath, StandsAtItsLimits) {
  TarLimits limits;
  EXPECT_TRUE(parse_layer_path(std::string(255, 'a'), limits));
  EXPECT_FALSE(parse_layer_path(std::string(256, 'a'), limits));
  std::string deep = "f";
  for (int depth = 1; depth < 256; ++depth) deep = "d/" + deep;
  EXPECT_TRUE(parse_layer_path(deep, limits));
  EXPECT_FALSE(parse_layer_path("d/" + deep, limits));
}

TEST(LayerPath, SetsNoAttributeOfOverlaysOwn) {
  EXPECT_TRUE(xattr_allowed("user.mine"));
  EXPECT_TRUE(xattr_allowed("security.capability"));
  for (const char* name : {"user.overlay.opaque", "trusted.overlay.opaque", "trusted.x", "security.selinux", "system.posix_acl_access", "user.", ""})
    EXPECT_FALSE(xattr_allowed(name)) << name;
}

TEST(Decompression, RefusesAnOutputThatOutgrowsItsInput) {
  std::string zeros(4096, '\0');
  MemorySource plain(zeros);
  auto source = Decompressor::make(plain, RatioLimit{2, 100});
  ASSERT_TRUE(source);
  unsigned char buffer[8192];
  EXPECT_TRUE((*source)->read(buffer, sizeof buffer)) << "what is not compressed cannot be a bomb";
  EXPECT_FALSE(detect_compression(std::string_view("\xfd" "7zXZ\0", 6))) << "xz";
  EXPECT_FALSE(detect_compression("BZh91AY")) << "bzip2";
}

TEST(Changes, ReadDockerfileInstructions) {
  auto config = apply_changes({"CMD [\"a\",\"b\"]", "ENTRYPOINT run it", "ENV A=1 B=\"two words\"", "env A=3", "EXPOSE 80 53/udp", "LABEL x=y",
                               "USER www", "WORKDIR /srv", "VOLUME /data", "STOPSIGNAL SIGQUIT"});
  ASSERT_TRUE(config) << config.error().text();
  EXPECT_EQ(config->cmd, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(config->entrypoint, (std::vector<std::string>{"/bin/sh", "-c", "run it"}));
  EXPECT_EQ(config->env, (std::vector<std::string>{"B=two words", "A=3"}));
  EXPECT_EQ(config->exposed_ports, (std::vector<std::string>{"53/udp", "80/tcp"}));
  for (const char* change : {"", "CMD", "FROM x", "RUN x", "EXPOSE 0", "EXPOSE 70000", "EXPOSE a", "ENV", "ENV A", "ENV A=\"open", "CMD [1]", "CMD [\"a\""})
    EXPECT_FALSE(apply_changes({change})) << change;
}

TEST(ChainId, FollowsTheImageSpec) {
  Digest a = *Digest::from_hex(std::string(64, 'a')), b = *Digest::from_hex(std::string(64, 'b'));
  std::vector<std::string> chain = chain_ids_of({a, b});
  EXPECT_EQ(chain[0], a.hex());
  EXPECT_EQ(chain[1], Sha256::of(a.text() + " " + b.text()).hex());
}

}  // namespace
}  // namespace hull::image
