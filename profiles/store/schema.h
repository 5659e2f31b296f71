// Internal to the store: opens a database file after making sure that it is ours, and brings its schema up to date.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "profiles/store/sqlite.h"
#include "profiles/store/store.h"

namespace hetero {

// "htro": in bytes 68..71 of the file, where file(1) and we look for whose a database is.
inline constexpr std::int64_t kApplicationId = 0x6874726f;

// Throws input_error (a folder, not a database, another program's, a newer version) or environment_error (missing and
// read-only, cannot be created or written, disk full). Nothing is written to an existing file before it is known as
// ours.
std::unique_ptr<Connection> open_database(const std::string& path, StoreAccess access);

// Store::is_database().
bool is_database_file(const std::string& path);

}  // namespace hetero
