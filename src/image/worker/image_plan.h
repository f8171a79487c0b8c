// Which images a source holds: the manifests of an OCI layout, or docker's manifest.json, with every digest that one
// document states about another checked against the bytes. Decides; changes nothing.
#pragma once

#include <string>
#include <vector>

#include "image/config.h"
#include "image/manifest.h"
#include "image/reference.h"
#include "image/worker/image_source.h"

namespace hull::image {

struct ImagePlan {
  std::vector<Reference> names;     // may be empty
  Digest id;                        // digest of the configuration
  ImageDocument document;
  std::string config_text, manifest_text;
  Descriptor manifest;              // of manifest_text
  std::vector<Blob> layers;         // bottom first, as many as document.diff_ids
  std::vector<std::string> chain_ids;
};

Result<std::vector<ImagePlan>> plan_images(ImageSource& source);

// image-spec: ChainID(L0)=L0, ChainID(L0|…|Ln)=SHA256(ChainID(L0|…|Ln-1) + " " + Ln). Hex, bottom first.
std::vector<std::string> chain_ids_of(const std::vector<Digest>& diff_ids);

}  // namespace hull::image
