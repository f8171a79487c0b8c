#include "image/reference.h"

#include <gtest/gtest.h>

namespace hull::image {
namespace {

const std::string kHex(64, 'a');

struct Good { const char* text; std::string full, familiar; };

TEST(Reference, NormalisesAsDockerDoes) {
  const Good table[] = {
      {"busybox", "docker.io/library/busybox:latest", "busybox:latest"},
      {"busybox:1.35", "docker.io/library/busybox:1.35", "busybox:1.35"},
      {"library/busybox", "docker.io/library/busybox:latest", "busybox:latest"},
      {"docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"},
      {"index.docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"},
      {"docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"},
      {"team/app", "docker.io/team/app:latest", "team/app:latest"},
      {"localhost/app", "localhost/app:latest", "localhost/app:latest"},
      {"localhost:5000/app:v1", "localhost:5000/app:v1", "localhost:5000/app:v1"},
      {"quay.io/a/b/c", "quay.io/a/b/c:latest", "quay.io/a/b/c:latest"},
      {"Upper/app", "Upper/app:latest", "Upper/app:latest"},
      {"[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"},
      {"a__b/c-d--e.f", "docker.io/a__b/c-d--e.f:latest", "a__b/c-d--e.f:latest"},
      {"x:_tag", "docker.io/library/x:_tag", "x:_tag"},
      {"app:5000", "docker.io/library/app:5000", "app:5000"},
  };
  for (const Good& row : table) {
    Result<Reference> reference = parse_reference(row.text);
    ASSERT_TRUE(reference) << row.text;
    EXPECT_EQ(reference->text(), row.full) << row.text;
    EXPECT_EQ(reference->familiar(), row.familiar) << row.text;
    EXPECT_EQ(parse_reference(reference->text()), *reference) << "not idempotent: " << row.text;
    EXPECT_EQ(parse_reference(reference->familiar()), *reference) << row.text;
  }
}

TEST(Reference, KeepsTagAndDigest) {
  Result<Reference> both = parse_reference("app:v1@sha256:" + kHex);
  ASSERT_TRUE(both);
  EXPECT_EQ(both->tag, "v1");
  EXPECT_EQ(both->digest->hex(), kHex);
  Result<Reference> digest_only = parse_reference("app@sha256:" + kHex);
  ASSERT_TRUE(digest_only);
  EXPECT_EQ(digest_only->tag, "");
  EXPECT_EQ(digest_only->familiar(), "app@sha256:" + kHex);
}

TEST(Reference, RefusesWhatDockerRefuses) {
  const std::string table[] = {
      "", "/", ":", "@", "a:", "a@", "/a", "a/", "a//b", "A", "Busybox", "a/B", "a:b:c", "-a", "a-", "a..b", "a___b", "a._b",
      ".a", "a.", "_a", "a b", "a\nb", "a\tb", "docker.io/../x", "../x", "./x", "a/../b", "a/./b", "x:-tag", "x:.tag",
      "x:ta/g:", "x:t@g", "http://a/b", "https://a", "-dom.ain/a", "a-.b/c", "a.b-/c", "a.b:/c", "a.b:x/c", "[::1/c",
      "[]/c", "[g::1]:5/c", "[::1]x/c", "docker.io/", "docker.io", "a@sha256:", "a@sha256:abc", "a@sha256:" + kHex + "a",
      "a@SHA256:" + kHex, "a@md5:0123456789abcdef0123456789abcdef", "a@sha256:" + std::string(64, 'A'), "a@sha256:../../x",
      "a@b@sha256:" + kHex, "caf\xc3\xa9", "\xef\xbd\x81", "a\xe2\x80\xae" "b", std::string("a\0b", 3), kHex,
      std::string(256, 'a'), "x:" + std::string(129, 'a'), "%2e%2e/a", "a?b", "a#b", "a\\b", "~/a", "a/b@", "a:b@", "+a"};
  for (const std::string& text : table) {
    Result<Reference> reference = parse_reference(text);
    bool domain_alone = text == "docker.io";  // a valid name without a domain: docker.io/library/docker.io
    EXPECT_EQ(reference.has_value(), domain_alone) << text;
  }
}

TEST(Reference, StandsAtItsLimits) {
  EXPECT_TRUE(parse_reference("x/" + std::string(253, 'a')));
  EXPECT_TRUE(parse_reference("x:" + std::string(128, 'a')));
  EXPECT_FALSE(parse_reference("x:" + std::string(129, 'a')));
}

TEST(Reference, SaysDockersWords) {
  EXPECT_EQ(parse_reference("a b").error().text(), "invalid reference format");
  EXPECT_EQ(parse_reference("Busybox").error().text(),
            "invalid reference format: repository name (library/Busybox) must be lowercase");
  EXPECT_EQ(parse_reference(kHex).error().text(),
            "invalid repository name (" + kHex + "), cannot specify 64-byte hexadecimal strings");
}

// Every one-byte change of a good reference is either refused or normalises to something that parses to itself.
TEST(Reference, EveryByteInEveryPlaceIsIdempotentOrRefused) {
  const std::string seed = "lo.cal:50/a_b/c-d:t.1";
  for (size_t at = 0; at < seed.size(); ++at)
    for (int byte = 0; byte < 256; ++byte) {
      std::string text = seed;
      text[at] = static_cast<char>(byte);
      Result<Reference> reference = parse_reference(text);
      if (!reference) continue;
      ASSERT_EQ(parse_reference(reference->text()), *reference) << text;
      ASSERT_EQ(reference->name().find(".."), std::string::npos) << text;
    }
}

TEST(Digest, HoldsNothingInvalid) {
  EXPECT_TRUE(Digest::parse("sha256:" + kHex));
  for (const std::string& text :
       {std::string("sha256:../../x"), "sha256:" + kHex.substr(1), "sha256:" + kHex + "a", "sha256:" + std::string(64, 'A'),
        "md5:" + kHex, kHex, std::string(), std::string("sha256:"), "sha256:" + kHex.substr(1) + "g", "sha256 :" + kHex,
        " sha256:" + kHex, "sha256:" + kHex + "\n", "sha512:" + kHex + kHex})
    EXPECT_FALSE(Digest::parse(text)) << text;
}

}  // namespace
}  // namespace hull::image
