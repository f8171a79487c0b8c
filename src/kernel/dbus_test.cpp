#include "kernel/dbus.h"

#include <gtest/gtest.h>

#include "kernel/cgroup_systemd.h"

namespace hull::kernel {
namespace {

std::string bytes(std::initializer_list<int> list) {
  std::string out;
  for (int one : list) out += static_cast<char>(one);
  return out;
}

DbusMessage sample() {
  DbusWriter body;
  body.text("a.scope");
  body.properties({{"Slice", std::string("b.slice")}, {"Delegate", true}, {"PIDs", std::vector<uint32_t>{7}}, {"MemoryMax", uint64_t{1} << 40}});
  DbusMessage message;
  message.serial = 3;
  message.path = "/org/x";
  message.interface = "org.x.Y";
  message.member = "Do";
  message.destination = "org.x";
  message.signature = "sa(sv)";
  message.body = std::move(body).take();
  return message;
}

TEST(DbusWriter, AlignsAsTheSpecificationSays) {
  DbusWriter out;
  out.byte(1);
  out.number(uint32_t{2});
  out.text("ab");
  out.number(uint64_t{3});
  EXPECT_EQ(std::move(out).take(), bytes({1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 'a', 'b', 0, 0, 3, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(DbusWriter, AnArraysLengthLeavesOutThePaddingBeforeItsFirstElement) {
  DbusWriter empty;
  empty.properties({});
  EXPECT_EQ(std::move(empty).take(), bytes({0, 0, 0, 0, 0, 0, 0, 0}));
  DbusWriter one;
  one.properties({{"x", true}});
  EXPECT_EQ(std::move(one).take(), bytes({16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 'x', 0, 1, 'b', 0, 0, 0, 0, 1, 0, 0, 0}));
  DbusWriter list;
  list.variant(std::vector<uint8_t>{5, 6});
  EXPECT_EQ(std::move(list).take(), bytes({2, 'a', 'y', 0, 2, 0, 0, 0, 5, 6}));
}

TEST(DbusMessages, AreReadAsTheyWereWritten) {
  std::string wire = write_dbus_message(sample());
  EXPECT_EQ(*dbus_message_size(wire.substr(0, kDbusFixedHeader)), wire.size());
  auto read = parse_dbus_message(wire);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(*read, sample());
  DbusMessage answer = sample();
  answer.type = DbusType::Error;
  answer.error_name = "org.x.No";
  answer.reply_serial = 9;
  EXPECT_EQ(*parse_dbus_message(write_dbus_message(answer)), answer);
}

TEST(DbusMessages, CutOrChangedAnywhereAreRefusedOrRead) {
  std::string wire = write_dbus_message(sample());
  for (size_t size = 0; size < wire.size(); ++size) EXPECT_FALSE(parse_dbus_message(std::string_view(wire).substr(0, size))) << size;
  for (size_t at = 0; at < wire.size(); ++at)
    for (int value : {0, 1, 0x7f, 0xff}) {
      std::string changed = wire;
      changed[at] = static_cast<char>(value);
      (void)parse_dbus_message(changed);
    }
}

TEST(DbusMessages, OfOtherMachinesAndOfAnySizeAreRefused) {
  std::string wire = write_dbus_message(sample());
  std::string big_endian = wire, version = wire, huge = wire;
  big_endian[0] = 'B';
  version[3] = 2;
  huge.replace(4, 4, bytes({0xff, 0xff, 0xff, 0xff}));
  for (const std::string& bad : {big_endian, version, huge}) EXPECT_FALSE(dbus_message_size(bad));
}

TEST(DbusReader, StopsAtItsEnd) {
  std::string endless = bytes({0xff, 0xff, 0xff, 0xff, 'a'});
  DbusReader in(endless);
  EXPECT_EQ(in.text(), "");
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.number<uint64_t>(), 0u);
  std::string inner = bytes({2, 0, 0, 0, 'a', 0, 0});
  DbusReader zero(inner);
  EXPECT_EQ(zero.text(), "");
  EXPECT_FALSE(zero.ok());
}

TEST(DbusErrors, AreOneLine) {
  DbusMessage error;
  error.error_name = "org.x.No";
  EXPECT_EQ(dbus_error_text(error), "org.x.No");
  DbusWriter body;
  body.text("two\nlines\033[1m.");
  error.signature = "s";
  error.body = std::move(body).take();
  EXPECT_EQ(dbus_error_text(error), "two\\nlines\\x1b[1m");
}

TEST(DbusAddresses, OfUnixSocketsAreTaken) {
  auto found = parse_dbus_address("tcp:host=x,port=1;unix:path=/run/a%20b,guid=1;unix:abstract=c");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].path, "/run/a b");
  EXPECT_EQ(found[1].path, "@c");
  EXPECT_TRUE(parse_dbus_address("autolaunch:").empty());
}

}  // namespace
}  // namespace hull::kernel
