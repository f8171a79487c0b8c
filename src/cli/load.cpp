// hull load: images from an archive or an OCI layout.
#include <unistd.h>

#include "cli/commands.h"
#include "cli/image_text.h"

namespace hull::cli {
namespace {

struct LoadArgs { std::string input = "-", platform; bool quiet = false; };

constexpr Option kOptions[] = {
    {'i', "input", Takes::Required, "string", "Read from an archive or an OCI layout directory, instead of STDIN", store<&LoadArgs::input>},
    {0, "platform", Takes::Required, "string", nullptr, store<&LoadArgs::platform>},
    {'q', "quiet", Takes::Bool, nullptr, "Suppress the progress output", store<&LoadArgs::quiet>},
};

void print_loaded(const image::LoadedImage& image) {
  if (image.replaced)
    print(format("The image {} already exists, renaming the old one with ID {} to empty string\n", image.reference, image.replaced->text()));
  if (image.reference.empty()) print(format("Loaded image ID: {}\n", image.id.text()));
  else print(format("Loaded image: {}\n", image.reference));
}

}  // namespace

const Syntax kLoadSyntax{.name = "load",
                         .synopsis = "[OPTIONS]",
                         .summary = "Load an image from a tar archive or STDIN",
                         .options = kOptions,
                         .max_operands = 0,
                         .aliases = "hull image load, hull load"};

int run_load(const Invocation& call) {
  LoadArgs args;
  std::vector<std::string_view> operands;
  if (auto code = begin(call, kLoadSyntax, &args, operands)) return *code;
  if (args.input == "-" && ::isatty(STDIN_FILENO) != 0) {
    print_error("requested load from stdin, but stdin is empty; use -i FILE");
    return kExitFailure;
  }
  Result<image::ImageStore> images = open_image_store();
  if (!images) return report("", images.error());
  Result<std::vector<image::LoadedImage>> loaded =
      image::load_images({.root = images->root(), .input = args.input}, image_progress(args.quiet));
  if (!loaded) return report("", loaded.error());
  for (const image::LoadedImage& image : *loaded) {
    tell_image_event(*images, "load", image.id.text(), image.reference);
    print_loaded(image);
  }
  return 0;
}

}  // namespace hull::cli
