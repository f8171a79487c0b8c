#include "ns/label.h"

#include <gtest/gtest.h>

namespace hull::ns {

TEST(CgroupLabel, KnowsTheLayoutsOfEnginesAndUnits) {
  const std::string id(64, 'a'), shown(12, 'a');
  const std::pair<std::string, std::string> cases[] = {
      {"9:pids:/docker/" + id + "\n", "docker " + shown},
      {"0::/system.slice/docker-" + id + ".scope\n", "docker " + shown},
      {"0::/machine.slice/libpod-" + id + ".scope/container\n", "podman " + shown},
      {"0::/machine.slice/libpod-conmon-" + id + ".scope\n", ""},
      {"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-" + id + ".scope\n", "containerd " + shown},
      {"4:memory:/kubepods/besteffort/pod12-34/" + id + "\n", "containerd " + shown},
      {"0::/kubepods.slice/crio-" + id + ".scope\n", "crio " + shown},
      {"0::/machine.slice/systemd-nspawn@box.service/payload\n", "nspawn box"},
      {"0::/system.slice/ssh.service\n", "unit ssh.service"},
      {"1:cpu:/\n0::/\n", ""},
      {"garbage", ""},
  };
  for (const auto& [text, label] : cases) EXPECT_EQ(cgroup_label(text), label) << text;
}

}  // namespace hull::ns
