// Documents that are compiled into the program: profiles/devices/ and profiles/models/, found by file name.
#include <map>
#include <span>

#include "base/embedded_file.h"
#include "profiles/device_profile.h"

namespace hetero {

// Written by hetero_embed() at build time.
std::span<const EmbeddedFile> shipped_device_files();
std::span<const EmbeddedFile> shipped_model_files();

namespace {

using Documents = std::map<std::string, std::string, std::less<>>;

Documents documents_of(std::span<const EmbeddedFile> files) {
  constexpr std::string_view kSuffix = ".json";
  Documents documents;
  for (const EmbeddedFile& file : files) {
    documents.emplace(file.name.substr(0, file.name.size() - kSuffix.size()), file.text);
  }
  return documents;
}

const Documents& devices() {
  static const Documents documents = documents_of(shipped_device_files());
  return documents;
}
const Documents& models() {
  static const Documents documents = documents_of(shipped_model_files());
  return documents;
}

const std::string* find(const Documents& documents, std::string_view name) {
  const auto found = documents.find(name);
  return found == documents.end() ? nullptr : &found->second;
}

std::vector<std::string> names(const Documents& documents) {
  std::vector<std::string> list;
  for (const auto& [name, text] : documents) list.push_back(name);
  return list;
}

}  // namespace

const std::string* shipped_system_profile(std::string_view name) { return find(devices(), name); }
std::vector<std::string> shipped_system_profile_names() { return names(devices()); }
const std::string* shipped_model_shape(std::string_view name) { return find(models(), name); }
std::vector<std::string> shipped_model_shape_names() { return names(models()); }

}  // namespace hetero
