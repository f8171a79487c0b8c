// What a container's files and processes mean, without ever starting one.
#include "engine/state.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"

namespace hull::engine {
namespace {

class StateTest : public testing::Test {
 protected:
  StateTest() {
    char pattern[] = "/tmp/hull-state-XXXXXX";
    std::string base = ::mkdtemp(pattern);
    layout_ = {base + "/root", base + "/run"};
    EXPECT_TRUE(prepare_layout(layout_));
    EXPECT_TRUE(make_directories(layout_.record_directory(place_.id, false)));
  }
  ~StateTest() override {
    stop_child();
    (void)remove_tree(layout_.root.substr(0, layout_.root.rfind('/')));
  }
  void note_run(const std::string& boot) {
    EXPECT_TRUE(Records(layout_).write_intent(place_.id));
    child_ = ::fork();
    if (child_ == 0) {
      ::pause();
      ::_exit(0);
    }
    auto pidfd = open_pidfd(child_);
    ASSERT_TRUE(pidfd);
    auto process = identify_process(child_, *pidfd);
    ASSERT_TRUE(process);
    RunRecord run{*process, {0, ""}, boot, "2026-01-01T00:00:00Z"};
    ASSERT_TRUE(write_run_record(layout_, place_.id, run));
  }
  void stop_child() {
    if (child_ <= 0) return;
    auto pidfd = open_pidfd(child_);
    if (pidfd) (void)send_signal(*pidfd, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    child_ = 0;
  }
  Layout layout_;
  Place place_{std::string(64, 'a'), false};
  pid_t child_ = 0;
};

TEST_F(StateTest, ARecordAloneIsCreated) {
  Standing standing = stand(layout_, place_);
  EXPECT_EQ(standing.state.status, Status::Created);
  EXPECT_EQ(standing.state.started_at, kZeroTime);
  EXPECT_TRUE(standing.settled);
}

TEST_F(StateTest, AnIntentWithoutARunIsDue) {
  ASSERT_TRUE(Records(layout_).write_intent(place_.id));
  EXPECT_FALSE(stand(layout_, place_).settled);
}

TEST_F(StateTest, RunsWhileItsProcessLives) {
  note_run(boot_id());
  Standing standing = stand(layout_, place_);
  EXPECT_EQ(standing.state.status, Status::Running);
  EXPECT_EQ(standing.state.pid, child_);
  EXPECT_TRUE(standing.pidfd);
}

TEST_F(StateTest, TakesTheShimsWordForTheEnd) {
  note_run(boot_id());
  stop_child();
  ASSERT_TRUE(replace_file(layout_.runtime_directory(place_.id) + "/exit",
                           R"({"ExitCode":7,"Signal":0,"FinishedAt":"2026-01-01T00:00:05Z"})", Durability::Volatile));
  Standing standing = stand(layout_, place_);
  EXPECT_EQ(standing.state.status, Status::Exited);
  EXPECT_EQ(standing.state.exit_code, 7);
  EXPECT_EQ(standing.state.finished_at, "2026-01-01T00:00:05Z");
  EXPECT_FALSE(standing.settled);
}

TEST_F(StateTest, SaysWhatIsNotKnownWithoutIt) {
  note_run(boot_id());
  stop_child();
  Standing standing = stand(layout_, place_);
  EXPECT_EQ(standing.state.exit_code, 137);
  EXPECT_NE(standing.state.error.find("hull-shim was killed"), std::string::npos);
}

TEST_F(StateTest, ANumberOfAnotherBootIsNobody) {
  note_run("00000000-0000-0000-0000-000000000000");
  Standing standing = stand(layout_, place_);
  EXPECT_EQ(standing.state.status, Status::Exited);
  EXPECT_EQ(standing.state.exit_code, 255);
}

TEST_F(StateTest, ANumberThatIsUsedAgainIsNobody) {
  note_run(boot_id());
  auto run = read_run_record(layout_, place_.id);
  ASSERT_TRUE(run);
  run->process.identity = "pidfs:1";
  ASSERT_TRUE(write_run_record(layout_, place_.id, *run));
  EXPECT_EQ(stand(layout_, place_).state.status, Status::Exited);
}

TEST_F(StateTest, ARunWhoseRuntimeDirectoryIsGoneEndedWithTheHost) {
  StoredState stored;
  stored.started = true;
  stored.started_at = "2026-01-01T00:00:00Z";
  ASSERT_TRUE(write_stored_state(layout_.record_directory(place_.id, false), stored));
  State state = stand(layout_, place_).state;
  EXPECT_EQ(state.status, Status::Exited);
  EXPECT_EQ(state.exit_code, 255);
}

}  // namespace
}  // namespace hull::engine
