#include "engine/managed_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/text.h"

namespace hull::engine {

std::string hosts_text(std::string_view hostname, std::string_view domainname) {
  std::string text =
      "127.0.0.1\tlocalhost\n"
      "::1\tlocalhost ip6-localhost ip6-loopback\n"
      "fe00::\tip6-localnet\n"
      "ff00::\tip6-mcastprefix\n"
      "ff02::1\tip6-allnodes\n"
      "ff02::2\tip6-allrouters\n";
  if (hostname.empty()) return text;
  if (!domainname.empty()) return text + format("127.0.1.1\t{}.{} {}\n", hostname, domainname, hostname);
  return text + format("127.0.1.1\t{}\n", hostname);
}

std::string resolv_conf_text(std::string_view host_text, bool own_network) {
  std::string text;
  for (std::string_view line : split_lines(host_text)) {
    auto words = split_words(line);
    bool loopback = words.size() == 2 && words[0] == "nameserver" && (words[1].starts_with("127.") || words[1] == "::1");
    if (own_network && loopback) continue;
    text += std::string(line) + "\n";
  }
  return text;
}

// Readable by everyone inside, whatever our umask; in place, for nobody reads them before the start.
static Result<> write_file(const std::string& path, std::string_view text) {
  Fd fd = TRY(open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644));
  if (::fchmod(fd.get(), 0644) != 0) return fail_errno("chmod", path);
  return write_all(fd, text, path);
}

static std::string host_file(const char* path) { return read_file(path, 1 << 20).value_or(""); }

static std::string extra_hosts_text(const std::vector<std::string>& hosts) {
  std::string text;
  for (const std::string& entry : hosts) {
    size_t colon = entry.find(':');
    text += format("{}\t{}\n", entry.substr(colon + 1), entry.substr(0, colon));
  }
  return text;
}

static std::string own_dns_text(const ContainerConfig& config, std::string text) {
  auto drop = [&](std::string_view word) {
    std::string rest;
    for (std::string_view line : split_lines(text))
      if (auto words = split_words(line); words.empty() || words[0] != word) rest += std::string(line) + "\n";
    text = std::move(rest);
  };
  if (!config.dns.empty()) drop("nameserver");
  for (const std::string& server : config.dns) text += "nameserver " + server + "\n";
  if (!config.dns_search.empty()) drop("search"), text += "search " + join(config.dns_search, " ") + "\n";
  if (!config.dns_options.empty()) drop("options"), text += "options " + join(config.dns_options, " ") + "\n";
  return text;
}

Result<> write_managed_files(const std::string& directory, const Record& record, const std::string& shared) {
  bool host_network = record.config.ns(kernel::NsKind::Net).mode == NsMode::Host;
  std::string hosts = host_network ? host_file("/etc/hosts") : hosts_text(record.hostname, record.config.domainname);
  if (!shared.empty()) {
    hosts = host_file((shared + "/hosts").c_str());
    if (!record.config.hostname.empty()) hosts += format("127.0.1.1\t{}\n", record.hostname);
  }
  hosts += extra_hosts_text(record.config.extra_hosts);
  TRY(write_file(directory + "/hosts", hosts));
  TRY(write_file(directory + "/hostname", record.hostname + "\n"));
  std::string resolv = shared.empty() ? resolv_conf_text(host_file("/etc/resolv.conf"), !host_network) : host_file((shared + "/resolv.conf").c_str());
  return write_file(directory + "/resolv.conf", own_dns_text(record.config, std::move(resolv)));
}

}  // namespace hull::engine
