#include "tuner/measure/cache_size.h"

#include <hwloc.h>

#include <algorithm>

namespace hetero {

std::uint64_t last_level_cache_bytes() {
  constexpr std::uint64_t kUnknown = std::uint64_t{64} << 20;
  hwloc_topology_t topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) return kUnknown;
  std::uint64_t bytes = 0;
  if (hwloc_topology_load(topology) == 0) {
    for (const hwloc_obj_type_t level : {HWLOC_OBJ_L2CACHE, HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L4CACHE}) {
      const hwloc_obj_t cache = hwloc_get_obj_by_type(topology, level, 0);
      if (cache != nullptr && cache->attr != nullptr) bytes = std::max<std::uint64_t>(bytes, cache->attr->cache.size);
    }
  }
  hwloc_topology_destroy(topology);
  return bytes == 0 ? kUnknown : bytes;
}

}  // namespace hetero
