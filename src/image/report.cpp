#include "image/report.h"

#include "base/json.h"
#include "base/text.h"

namespace hull::image {
namespace {

json::object to_object(const WorkerProgress& progress) {
  return {{"progress", progress.layer}, {"state", progress.state}, {"done", progress.done}, {"total", progress.total}};
}

json::object to_object(const LoadedImage& image) {
  json::object object{{"loaded", image.id.text()}, {"reference", image.reference}};
  if (image.replaced) object["replaced"] = image.replaced->text();
  return object;
}

json::object to_object(const Error& error) {
  return {{"error", error.text()}, {"kind", static_cast<int>(error.kind())}, {"errno", error.errno_value()}};
}

Result<Report> parse_loaded(const json::value& object) {
  LoadedImage image{TRY(Digest::parse(json::get_string(object, "loaded"))), std::string(json::get_string(object, "reference")), {}};
  if (json::find(object, "replaced") != nullptr) image.replaced = TRY(Digest::parse(json::get_string(object, "replaced")));
  return Report(std::move(image));
}

}  // namespace

std::string report_to_line(const Report& report) {
  return std::visit([](const auto& one) { return json::to_text(to_object(one)) + "\n"; }, report);
}

Result<Report> parse_report(std::string_view line) {
  json::value object = TRY(json::parse(line, "hull-image's report"));
  if (json::find(object, "loaded") != nullptr) return parse_loaded(object);
  if (json::find(object, "error") != nullptr) {
    int64_t kind = json::get_int(object, "kind", static_cast<int>(ErrorKind::System));
    bool known = kind >= 0 && kind <= static_cast<int>(ErrorKind::System);
    return Report(Error(known ? static_cast<ErrorKind>(kind) : ErrorKind::System,
                        std::string(json::get_string(object, "error")), static_cast<int>(json::get_int(object, "errno"))));
  }
  return Report(WorkerProgress{std::string(json::get_string(object, "progress")), std::string(json::get_string(object, "state")),
                               static_cast<uint64_t>(json::get_int(object, "done")), static_cast<uint64_t>(json::get_int(object, "total"))});
}

}  // namespace hull::image
