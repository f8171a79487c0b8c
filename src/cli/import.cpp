// hull import: a root file system's tar becomes an image.
#include "cli/commands.h"
#include "cli/image_text.h"

namespace hull::cli {
namespace {

struct ImportArgs { std::string message, platform; std::vector<std::string> changes; };

constexpr Option kOptions[] = {
    {'c', "change", Takes::Required, "list", "Apply Dockerfile instruction to the created image", store<&ImportArgs::changes>},
    {'m', "message", Takes::Required, "string", "Set commit message for imported image", store<&ImportArgs::message>},
    {0, "platform", Takes::Required, "string", nullptr, store<&ImportArgs::platform>},
};

}  // namespace

const Syntax kImportSyntax{.name = "import",
                           .synopsis = "[OPTIONS] file|- [REPOSITORY[:TAG]]",
                           .summary = "Import the contents from a tarball to create a filesystem image",
                           .options = kOptions,
                           .min_operands = 1,
                           .max_operands = 2,
                           .aliases = "hull image import, hull import"};

int run_import(const Invocation& call) {
  ImportArgs args;
  std::vector<std::string_view> operands;
  if (auto code = begin(call, kImportSyntax, &args, operands)) return *code;
  if (operands[0].starts_with("http://") || operands[0].starts_with("https://")) {
    print_error(format("import {}: hull fetches no URL; run: curl -fsSL URL | hull import -", escape_controls(operands[0])));
    return kExitFailure;
  }
  Result<image::ImageStore> images = open_image_store();
  if (!images) return report("", images.error());
  image::ImportRequest request{.root = images->root(), .input = std::string(operands[0]), .message = args.message, .changes = args.changes};
  if (operands.size() > 1) request.reference = operands[1];
  Result<image::LoadedImage> imported = image::import_image(request, image_progress(false));
  if (!imported) return report("", imported.error());
  tell_image_event(*images, "import", imported->id.text(), imported->reference);
  print(imported->id.text() + "\n");
  return 0;
}

}  // namespace hull::cli
