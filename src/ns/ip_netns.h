// What `ip netns` sees: entries of /run/netns. Ours are symbolic links to our pins, so there is nothing to unmount and
// nothing to hold; an entry that is not ours is never touched. Best effort: a host may not have the directory.
#pragma once

#include <string>
#include <string_view>

namespace hull::ns {

void publish_net(std::string_view name, const std::string& pin);
// Whether /run/netns/NAME is there and somebody else's, so that `ip netns` means another namespace by the name.
bool is_taken_by_another(std::string_view name, const std::string& pin);
void withdraw_net(std::string_view name, const std::string& pin);
// Takes away links into `store` that lead nowhere.
void sweep_published(const std::string& store);

}  // namespace hull::ns
