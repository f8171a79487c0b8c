#include "net/port_spec.h"

#include <gtest/gtest.h>

namespace hull::net {
namespace {

std::string shown(const PortBinding& b) {
  return b.host_ip + "|" + b.host_ports() + "|" + b.inside.text();
}

std::vector<std::string> parsed(std::string_view text) {
  std::vector<std::string> out;
  auto bindings = parse_publish(text);
  if (!bindings) return {bindings.error().text()};
  for (const PortBinding& binding : *bindings) out.push_back(shown(binding));
  return out;
}

using Lines = std::vector<std::string>;

TEST(PortSpec, EachFormOfPublishIsRead) {
  EXPECT_EQ(parsed("80"), Lines{"||80/tcp"});
  EXPECT_EQ(parsed("80/udp"), Lines{"||80/udp"});
  EXPECT_EQ(parsed("80/TCP"), Lines{"||80/tcp"});
  EXPECT_EQ(parsed(":80"), Lines{"||80/tcp"});
  EXPECT_EQ(parsed("0:80"), Lines{"||80/tcp"});
  EXPECT_EQ(parsed("8080:80"), Lines{"|8080|80/tcp"});
  EXPECT_EQ(parsed("127.0.0.1:8080:80"), Lines{"127.0.0.1|8080|80/tcp"});
  EXPECT_EQ(parsed("127.0.0.1::80"), Lines{"127.0.0.1||80/tcp"});
  EXPECT_EQ(parsed("[::1]:8080:80"), Lines{"::1|8080|80/tcp"});
  EXPECT_EQ(parsed("::1:8080:80"), Lines{"::1|8080|80/tcp"});
  EXPECT_EQ(parsed("[::]::53/udp"), Lines{"::||53/udp"});
  EXPECT_EQ(parsed("8000-8001:80-81"), (Lines{"|8000|80/tcp", "|8001|81/tcp"}));
  EXPECT_EQ(parsed("80-81"), (Lines{"||80/tcp", "||81/tcp"}));
  EXPECT_EQ(parsed("8000-8010:80"), Lines{"|8000-8010|80/tcp"});
  EXPECT_EQ(parsed("published=8080,target=80"), Lines{"|8080|80/tcp"});
  EXPECT_EQ(parsed("target=53,published=5353,protocol=udp"), Lines{"|5353|53/udp"});
}

TEST(PortSpec, WhatIsWrongIsToldInDockersWords) {
  EXPECT_EQ(parsed(""), Lines{"no port specified: <empty>"});
  EXPECT_EQ(parsed("8080:"), Lines{"no port specified: 8080:<empty>"});
  EXPECT_EQ(parsed("abc"), Lines{"invalid containerPort: abc"});
  EXPECT_EQ(parsed("0"), Lines{"invalid containerPort: 0"});
  EXPECT_EQ(parsed("65536"), Lines{"invalid containerPort: 65536"});
  EXPECT_EQ(parsed("81-80"), Lines{"invalid containerPort: 81-80"});
  EXPECT_EQ(parsed("x:80"), Lines{"invalid hostPort: x"});
  EXPECT_EQ(parsed("70000:80"), Lines{"invalid hostPort: 70000"});
  EXPECT_EQ(parsed("8000-8003:80-81"), Lines{"invalid ranges specified for container and host Ports: 80-81 and 8000-8003"});
  EXPECT_EQ(parsed("80/icmp"), Lines{"invalid proto: icmp"});
  EXPECT_EQ(parsed("1.2.3:80:80"), Lines{"invalid IP address: 1.2.3"});
  EXPECT_EQ(parsed("localhost:80:80"), Lines{"invalid IP address: localhost"});
  EXPECT_EQ(parsed("[::1:80:80"), Lines{"invalid IP address: [::1"});
  EXPECT_EQ(parsed("target=80,x"), Lines{"invalid publish opts format (should be name=value but got 'x')"});
  EXPECT_EQ(parse_expose("80:80").error().text(), "invalid port format for --expose: 80:80");
  EXPECT_FALSE(parse_expose("x"));
}

TEST(PortSpec, ABindingSaysWhereItIsAskedFor) {
  auto text = [](std::string_view spec) { return parse_publish(spec)->front().host_text(); };
  EXPECT_EQ(text("80"), "*:any");
  EXPECT_EQ(text("127.0.0.1:8080:80"), "127.0.0.1:8080");
  EXPECT_EQ(text("[::1]::80"), "[::1]:any");
  EXPECT_EQ(text("8000-8010:80"), "*:8000-8010");
}

TEST(PortSpec, ThePortsColumnJoinsNeighbours) {
  std::vector<PublishedPort> published;
  for (uint16_t port : {80, 81, 83}) published.push_back({"0.0.0.0", port, {port, Protocol::Tcp}});
  published.push_back({"::", 8080, {90, Protocol::Udp}});
  EXPECT_EQ(ports_text(published, {{443, Protocol::Tcp}}), "0.0.0.0:80-81->80-81/tcp, 0.0.0.0:83->83/tcp, 443/tcp, [::]:8080->90/udp");
  EXPECT_EQ(ports_text({}, {}), "");
}

}  // namespace
}  // namespace hull::net
