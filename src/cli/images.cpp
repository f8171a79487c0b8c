// hull images: the images of the store.
#include <algorithm>

#include "cli/commands.h"
#include "cli/container_rows.h"
#include "cli/humanize.h"
#include "cli/image_filter.h"
#include "cli/image_text.h"
#include "cli/table.h"

namespace hull::cli {
namespace {

struct ImagesArgs {
  bool all = false, digests = false, no_trunc = false, quiet = false;
  std::string format;
  std::vector<std::string> filters;
};

constexpr Option kOptions[] = {
    {'a', "all", Takes::Bool, nullptr, "Show all images (default hides intermediate images)", store<&ImagesArgs::all>},
    {0, "digests", Takes::Bool, nullptr, "Show digests", store<&ImagesArgs::digests>},
    {'f', "filter", Takes::Required, "filter", "Filter output based on conditions provided", store<&ImagesArgs::filters>},
    {0, "format", Takes::Required, "string", "Format output: 'table', 'table TEMPLATE', 'json' or a Go template", store<&ImagesArgs::format>},
    {0, "no-trunc", Takes::Bool, nullptr, "Don't truncate output", store<&ImagesArgs::no_trunc>},
    {'q', "quiet", Takes::Bool, nullptr, "Only show image IDs", store<&ImagesArgs::quiet>},
};

constexpr Column kColumns[] = {{"Repository", "REPOSITORY"}, {"Tag", "TAG"}, {"Digest", "DIGEST"}, {"ID", "IMAGE ID"},
                               {"CreatedSince", "CREATED"}, {"CreatedAt", "CREATED AT"}, {"Size", "SIZE"},
                               {"Containers", "CONTAINERS"}, {"SharedSize", "SHARED SIZE"}, {"UniqueSize", "UNIQUE SIZE"}};

json::value row_of(const image::ImageSummary& image, bool whole) {
  return json::object{{"Repository", image.repository}, {"Tag", image.tag}, {"Digest", image.manifest.text()},
                      {"ID", image_id_text(image.id, whole)}, {"CreatedSince", image_age_text(image.created)},
                      {"CreatedAt", created_at_text(unix_seconds(image.created))}, {"Size", image_size_text(image.size)},
                      {"Containers", "N/A"}, {"SharedSize", "N/A"}, {"UniqueSize", "N/A"}};  // as docker, which counts them for `system df`
}

Result<std::string> images_text(const ImagesArgs& args, const std::vector<std::string_view>& operands) {
  image::ImageStore store = TRY(open_image_store());
  std::vector<std::string> filters = args.filters;
  if (!operands.empty()) filters.push_back("reference=" + std::string(operands[0]));
  std::vector<image::ImageSummary> images = TRY(store.list());
  images = TRY(filter_images(std::move(images), filters));
  std::vector<json::value> rows;
  for (const image::ImageSummary& image : images) rows.push_back(row_of(image, args.no_trunc));
  // One line an image, however many names it has.
  if (args.quiet) rows.erase(std::unique(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return json::get_string(a, "ID") == json::get_string(b, "ID"); }), rows.end());
  ListFormat list{args.format, args.quiet, "ID", "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"};
  if (args.digests) list.default_table = "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
  return format_list(rows, kColumns, list);
}

}  // namespace

const Syntax kImagesSyntax{.name = "images", .synopsis = "[OPTIONS] [REPOSITORY[:TAG]]", .summary = "List images", .options = kOptions,
                           .max_operands = 1, .aliases = "hull image ls, hull image list, hull images"};

int run_images(const Invocation& call) {
  ImagesArgs args;
  std::vector<std::string_view> operands;
  if (auto code = begin(call, kImagesSyntax, &args, operands)) return *code;
  Result<std::string> text = images_text(args, operands);
  if (!text) return report("", text.error());
  print(*text);
  return 0;
}

}  // namespace hull::cli
