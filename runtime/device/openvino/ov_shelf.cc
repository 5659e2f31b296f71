#include "runtime/device/openvino/ov_shelf.h"

#include <utility>

namespace hetero {

std::shared_ptr<const OvKept> OvShelf::get(const std::string& key, const std::function<OvKept()>& make) {
  {
    std::unique_lock lock(mutex_);
    for (auto entry = entries_.find(key); entry != entries_.end(); entry = entries_.find(key)) {
      if (entry->second.kept != nullptr) {
        entry->second.last_use = ++uses_;
        return entry->second.kept;
      }
      changed_.wait(lock);
    }
    entries_[key];
  }
  std::shared_ptr<const OvKept> made;
  try {
    made = std::make_shared<const OvKept>(make());
  } catch (...) {
    const std::lock_guard lock(mutex_);
    entries_.erase(key);
    changed_.notify_all();
    throw;
  }
  const std::lock_guard lock(mutex_);
  entries_[key] = {made, ++uses_};
  weight_bytes_ += made->weight_bytes;
  changed_.notify_all();
  return made;
}

void OvShelf::drop_unused(std::uint64_t most_bytes) {
  const std::lock_guard lock(mutex_);
  while (weight_bytes_ > most_bytes) {
    auto oldest = entries_.end();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      const bool unused = it->second.kept != nullptr && it->second.kept.use_count() == 1;
      if (unused && (oldest == entries_.end() || it->second.last_use < oldest->second.last_use)) oldest = it;
    }
    if (oldest == entries_.end()) return;
    weight_bytes_ -= oldest->second.kept->weight_bytes;
    entries_.erase(oldest);
  }
}

std::uint64_t OvShelf::weight_bytes() const {
  const std::lock_guard lock(mutex_);
  return weight_bytes_;
}

}  // namespace hetero
