// What the store tells people: the rows of `images` and docker's inspect object.
#include <algorithm>

#include "base/text.h"
#include "image/layout.h"
#include "image/lookup.h"
#include "image/store.h"

namespace hull::image {
namespace {

void split_name(const std::string& full_name, ImageSummary& row) {
  Result<Reference> reference = parse_reference(full_name);
  row.repository = reference ? reference->familiar_name() : "<none>";
  row.tag = reference ? reference->tag : "<none>";
}

json::array string_array(const std::vector<std::string>& list) {
  json::array array;
  for (const std::string& element : list) array.emplace_back(element);
  return array;
}

json::object graph_driver(const StorePaths& paths, const ImageRecord& record) {
  std::vector<std::string> lower;
  for (auto chain = record.chain_ids.rbegin(); chain != record.chain_ids.rend(); ++chain)
    lower.push_back(paths.layer_tree(*chain));
  json::object data;
  if (!lower.empty()) data["UpperDir"] = lower.front();
  if (lower.size() > 1) data["LowerDir"] = join({lower.begin() + 1, lower.end()}, ":");
  return {{"Data", std::move(data)}, {"Name", "overlay2"}};
}

// Docker shows every key of Config, null where the image has none.
json::object inspect_config(const ImageConfig& config) {
  json::value short_form = image_config_to_json(config);
  json::object full{{"Hostname", ""},     {"Domainname", ""},     {"User", config.user},
                    {"AttachStdin", false}, {"AttachStdout", false}, {"AttachStderr", false},
                    {"Tty", false},         {"OpenStdin", false},    {"StdinOnce", false},
                    {"Env", string_array(config.env)}, {"Cmd", nullptr}, {"Image", ""},
                    {"Volumes", nullptr},   {"WorkingDir", config.working_dir}, {"Entrypoint", nullptr},
                    {"OnBuild", nullptr},   {"Labels", nullptr}};
  for (const auto& member : short_form.get_object()) full[member.key()] = member.value();
  return full;
}

}  // namespace

Result<std::vector<ImageSummary>> ImageStore::list() const {
  StorePaths paths{root_};
  std::vector<NamedImage> images = TRY(read_index(paths));
  std::vector<ImageSummary> rows;
  for (const NamedImage& image : images) {
    Result<ImageRecord> record = read_record(paths, image.id);
    if (!record) continue;  // removed since the index was read
    ImageSummary row{image.id, image.manifest.digest, {}, {}, record->created, record->size, record->config.labels};
    split_name(image.name, row);
    rows.push_back(std::move(row));
  }
  // RFC 3339 in UTC sorts as text.
  std::stable_sort(rows.begin(), rows.end(), [](const ImageSummary& a, const ImageSummary& b) { return a.created > b.created; });
  return rows;
}

Result<json::value> ImageStore::inspect(std::string_view name_or_id) const {
  StorePaths paths{root_};
  std::vector<NamedImage> images = TRY(read_index(paths));
  Match match = TRY(find_image(images, name_or_id));
  ImageRecord record = TRY(read_record(paths, match.id));
  std::string text = TRY(read_file(paths.blob(match.id)));
  ImageDocument document = TRY(parse_image_document(text));
  json::array tags, layers;
  for (const std::string& name : names_of(images, match.id)) tags.emplace_back(familiar_of(name));
  for (const Digest& layer : document.diff_ids) layers.emplace_back(layer.text());
  return json::object{{"Id", record.id.text()},
                      {"RepoTags", std::move(tags)},
                      {"RepoDigests", json::array()},
                      {"Parent", ""},
                      {"Comment", json::get_string(document.raw, "comment")},
                      {"Created", record.created},
                      {"DockerVersion", json::get_string(document.raw, "docker_version")},
                      {"Author", document.author},
                      {"Config", inspect_config(document.config)},
                      {"Architecture", record.architecture},
                      {"Os", record.os},
                      {"Size", record.size},
                      {"GraphDriver", graph_driver(paths, record)},
                      {"RootFS", json::object{{"Type", "layers"}, {"Layers", std::move(layers)}}},
                      {"Metadata", json::object{{"LastTagTime", "0001-01-01T00:00:00Z"}}}};
}

}  // namespace hull::image
