#include "image/worker/layer_reader.h"

#include <fcntl.h>

#include "base/json.h"
#include "base/text.h"
#include "image/worker/layer_tree.h"

namespace hull::image {
namespace {

std::string from_hex(std::string_view hex) {
  std::string bytes;
  auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (size_t at = 0; at + 1 < hex.size(); at += 2) bytes.push_back(static_cast<char>(digit(hex[at]) * 16 + digit(hex[at + 1])));
  return bytes;
}

}  // namespace

Result<std::string> read_layer(const LayerInput& input) {
  Fd root = TRY(open_file("/", O_PATH | O_DIRECTORY));
  FdSource raw(input.blob, "layer");
  raw.on_progress = input.on_progress;
  std::unique_ptr<Decompressor> plain = TRY(Decompressor::make(raw));
  TeeSource tee(*plain, input.copy);
  TarReader reader(tee, TarLimits{}, input.end_marker);
  std::vector<Fd> lowers;
  for (const Fd& lower : input.lowers) lowers.push_back(TRY(lower.duplicate()));
  LayerTree tree(std::move(root), LowerStack(std::move(lowers), input.wait_lowers), TarLimits{});
  TRY(tree.apply_all(reader));
  TRY(reader.drain());
  json::array opaque;
  for (const std::string& path : tree.opaque_directories())
    opaque.emplace_back(to_hex(reinterpret_cast<const unsigned char*>(path.data()), path.size()));
  uint64_t tar_bytes = tee.count();
  return json::to_text(json::object{{"diff_id", tee.digest().text()}, {"bytes", tree.bytes_written()}, {"tar_bytes", tar_bytes},
                                    {"root_set", tree.root_was_set()}, {"opaque", std::move(opaque)}});
}

Result<LayerOutcome> parse_outcome(std::string_view text) {
  json::value object = TRY(json::parse(text, "layer reader"));
  LayerOutcome outcome{TRY(Digest::parse(json::get_string(object, "diff_id"))), static_cast<uint64_t>(json::get_int(object, "bytes")),
                       static_cast<uint64_t>(json::get_int(object, "tar_bytes")), json::get_bool(object, "root_set"), {}};
  if (const json::value* opaque = json::find(object, "opaque"); opaque != nullptr && opaque->is_array())
    for (const json::value& path : opaque->get_array())
      if (path.is_string()) outcome.opaque.push_back(from_hex(path.get_string()));
  return outcome;
}

}  // namespace hull::image
