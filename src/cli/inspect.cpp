// hull inspect: containers, then images, as JSON or through a template.
#include "cli/commands.h"
#include "cli/template.h"
#include "engine/engine.h"
#include "engine/inspect.h"
#include "image/store.h"

namespace hull::cli {
namespace {

struct InspectArgs {
  std::string format, type;
  bool size = false;
};

constexpr Option kOptions[] = {
    {'f', "format", Takes::Required, "string", "Format output: 'json' or a Go template", store<&InspectArgs::format>},
    {'s', "size", Takes::Bool, nullptr, "Display total file sizes if the type is container", store<&InspectArgs::size>},
    {0, "type", Takes::Required, "string", "Only inspect objects of the given type (container|image)", store<&InspectArgs::type>},
};

Result<json::value> container_object(const engine::Engine& engine, const engine::Container& container, bool size) {
  json::value object = engine::inspect_json(container);
  if (!size) return object;
  engine::Engine::Sizes sizes = TRY(engine.sizes(container));
  object.get_object()["SizeRw"] = sizes.written;
  object.get_object()["SizeRootFs"] = sizes.root;
  return object;
}

Result<json::value> find_object(const engine::Engine& engine, std::string_view name, std::string_view type, bool size) {
  if (type != "image") {
    Result<engine::Container> container = engine.inspect(name);
    if (container) return container_object(engine, *container, size);
    if (type == "container" || container.error().kind() != ErrorKind::NotFound) return fail(std::move(container).error());
  }
  image::ImageStore store = TRY(image::ImageStore::open(engine.root()));
  Result<json::value> image = store.inspect(name);
  if (image || type == "image" || image.error().kind() != ErrorKind::NotFound) return image;
  return fail(ErrorKind::NotFound, format("No such object: {}", name));
}

Result<std::string> text_of(const std::vector<json::value>& found, std::string_view format) {
  if (format.empty()) {
    json::array all(found.begin(), found.end());
    return json::to_pretty_text(all) + "\n";
  }
  std::string text;
  if (format == "json") {
    for (const json::value& object : found) text += json::to_text(object) + "\n";
    return text;
  }
  Result<Template> pattern = Template::parse(expand_escapes(format));
  if (!pattern) return fail(ErrorKind::Invalid, "template parsing error: " + pattern.error().text());
  for (const json::value& object : found) {
    Result<std::string> line = pattern->render(object, MissingKey::Error);
    if (!line) return fail(ErrorKind::Invalid, "template parsing error: " + line.error().text());
    text += *line + "\n";
  }
  return text;
}

}  // namespace

const Syntax kInspectSyntax{.name = "inspect", .synopsis = "[OPTIONS] NAME|ID [NAME|ID...]",
                            .summary = "Return low-level information on containers and images", .options = kOptions, .min_operands = 1};

int run_inspect(const Invocation& call) {
  InspectArgs args;
  std::vector<std::string_view> names;
  if (auto code = begin(call, kInspectSyntax, &args, names)) return *code;
  if (!args.type.empty() && args.type != "container" && args.type != "image")
    return report("", Error(ErrorKind::Invalid, format("unknown type: {}; use container or image", args.type)));
  Result<engine::Engine> engine = engine::Engine::open();
  if (!engine) return report("", engine.error());
  std::vector<json::value> found;
  std::vector<Error> errors;
  for (std::string_view name : names) {
    Result<json::value> object = find_object(*engine, name, args.type, args.size);
    if (object) found.push_back(std::move(*object));
    else errors.push_back(std::move(object).error());
  }
  Result<std::string> text = text_of(found, args.format);
  if (!text) return report("", text.error());
  print(*text);
  int code = 0;
  for (const Error& error : errors) {
    print_error("Error: " + error.text());
    code = kExitFailure;
  }
  return code;
}

}  // namespace hull::cli
