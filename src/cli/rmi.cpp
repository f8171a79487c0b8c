// hull rmi: take an image's name away, and the image with its last name.
#include "cli/commands.h"
#include "cli/image_text.h"
#include "engine/engine.h"

namespace hull::cli {
namespace {

struct RmiArgs { bool force = false, no_prune = false; };

constexpr Option kOptions[] = {
    {'f', "force", Takes::Bool, nullptr, "Force removal of the image", store<&RmiArgs::force>},
    {0, "no-prune", Takes::Bool, nullptr, "Do not delete untagged parents", store<&RmiArgs::no_prune>},
};

image::ImageUsers users_of(const engine::Engine& engine) {
  return [&engine](const image::Digest& id) { return engine.image_users(id.text()); };
}

}  // namespace

const Syntax kRmiSyntax{.name = "rmi",
                        .synopsis = "[OPTIONS] IMAGE [IMAGE...]",
                        .summary = "Remove one or more images",
                        .options = kOptions,
                        .min_operands = 1,
                        .aliases = "hull image rm, hull image remove, hull rmi"};

int run_rmi(const Invocation& call) {
  RmiArgs args;
  std::vector<std::string_view> operands;
  if (auto code = begin(call, kRmiSyntax, &args, operands)) return *code;
  Result<image::ImageStore> images = open_image_store();
  if (!images) return report("", images.error());
  Result<engine::Engine> engine = engine::Engine::open();
  if (!engine) return report("", engine.error());
  int code = 0;
  for (std::string_view name : operands) {
    Result<image::RemoveReport> removed = images->remove(name, args.force, users_of(*engine));
    if (!removed) {
      // docker: a missing image is no failure of a forced removal.
      bool forgiven = args.force && removed.error().kind() == ErrorKind::NotFound;
      report("", removed.error());
      if (!forgiven) code = kExitFailure;
      continue;
    }
    bool deleted = false;  // the image comes before its layers
    for (const std::string& line : removed->lines) {
      bool untagged = line.starts_with("Untagged: ");
      std::string what = line.substr(line.find(": ") + 2);
      if (untagged || !deleted) tell_image_event(*images, untagged ? "untag" : "delete", what, what);
      deleted = deleted || !untagged;
      print(line + "\n");
    }
  }
  return code;
}

}  // namespace hull::cli
