// The image-spec configuration ("image JSON") as data: what a container gets from its image. Parsed strictly; labels
// and everything else in it are content of the image, never instructions to hull (SECURITY I1). Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "image/digest.h"

namespace hull::image {

struct HealthCheck {
  std::vector<std::string> test;  // {"CMD", …}, {"CMD-SHELL", …}, {"NONE"}
  int64_t interval_ns = 0, timeout_ns = 0, start_period_ns = 0, start_interval_ns = 0, retries = 0;
};

struct ImageConfig {
  std::string user, working_dir, stop_signal;
  std::vector<std::string> env, entrypoint, cmd, shell;
  std::vector<std::string> exposed_ports;  // "80/tcp", sorted
  std::vector<std::string> volumes;        // "/data", sorted
  std::map<std::string, std::string> labels;
  std::optional<HealthCheck> health_check;
};

struct ImageDocument {
  std::string created, author, architecture, os, variant;
  ImageConfig config;
  std::vector<Digest> diff_ids;  // bottom layer first
  json::value raw;               // as it was read, for inspect
};

// The "config" member alone (docker's keys: Env, Cmd, …); wrong types are Invalid, unknown keys are kept out.
Result<ImageConfig> parse_image_config(const json::value& config);
Result<ImageDocument> parse_image_document(std::string_view text);
json::value image_config_to_json(const ImageConfig& config);

}  // namespace hull::image
