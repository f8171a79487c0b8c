#include "sandbox/wire.h"

#include <gtest/gtest.h>

#include <cstring>

#include "sandbox/plan.h"

namespace hull::sandbox {
namespace {

std::string some_plan() {
  LaunchPlan plan;
  plan.steps.push_back({StepKind::Hostname, {}, {"box"}});
  plan.steps.push_back({StepKind::Umask, {022}, {}});
  plan.steps.push_back({StepKind::Exec, {2, 1}, {"sh", "-c", "", "PATH=/bin"}});
  return encode_plan(plan, false);
}

bool sound(const std::string& text) {
  std::vector<uint64_t> aligned(text.size() / 8 + 1);
  std::memcpy(aligned.data(), text.data(), text.size());
  return is_sound_plan(aligned.data(), text.size());
}

TEST(PlanWire, WhatIsWrittenIsSound) { EXPECT_TRUE(sound(some_plan())); }

TEST(PlanWire, NoCutIsSound) {
  std::string whole = some_plan();
  for (size_t size = 0; size < whole.size(); ++size) {
    std::string cut = whole.substr(0, size);
    if (size >= sizeof(WireHeader)) {
      auto as_told = static_cast<uint32_t>(size);
      std::memcpy(cut.data() + offsetof(WireHeader, size), &as_told, sizeof as_told);
    }
    EXPECT_FALSE(sound(cut)) << size;
  }
}

TEST(PlanWire, SizesAndKindsThatLieAreSeen) {
  std::string whole = some_plan();
  auto with = [&](size_t at, uint32_t value) {
    std::string changed = whole;
    std::memcpy(changed.data() + at, &value, sizeof value);
    return changed;
  };
  size_t step = sizeof(WireHeader), text = step + sizeof(WireStep);
  for (uint32_t value : {0u, 3u, 8u, 0x7fffffffu, 0xfffffff8u, 0xffffffffu}) EXPECT_FALSE(sound(with(step + offsetof(WireStep, size), value))) << value;
  for (uint32_t value : {2u, 4u, 0x80000000u, 0xfffffffcu, 0xffffffffu}) EXPECT_FALSE(sound(with(text, value))) << value;
  EXPECT_FALSE(sound(with(step + offsetof(WireStep, text_count), 100)));
  EXPECT_FALSE(sound(with(step + offsetof(WireStep, kind), static_cast<uint32_t>(StepKind::Count))));
  EXPECT_FALSE(sound(with(offsetof(WireHeader, step_count), 4)));
  EXPECT_FALSE(sound(with(offsetof(WireHeader, step_count), 2)));
}

}  // namespace
}  // namespace hull::sandbox
