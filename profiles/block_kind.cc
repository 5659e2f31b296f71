#include "profiles/block_kind.h"

#include "profiles/names.h"

namespace hetero {
namespace {
constexpr NameTable<BlockKind, kBlockKinds> kNames = {
    "block kind", {"attention_in", "attention", "attention_out", "ffn_in", "ffn_out", "head"}};
}  // namespace

std::string_view name_of(BlockKind kind) { return kNames.name(kind); }
BlockKind block_kind_from_name(std::string_view name) { return kNames.parse(name); }

}  // namespace hetero
