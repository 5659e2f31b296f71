#include "profiles/store/schema.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <span>
#include <thread>
#include <vector>

#include "base/embedded_file.h"
#include "base/error.h"

namespace hetero {

// Written by hetero_embed() at build time: 001_initial.sql, ... in the order in which they apply.
std::span<const EmbeddedFile> store_migrations();

namespace {

namespace fs = std::filesystem;

std::int64_t newest_version() { return static_cast<std::int64_t>(store_migrations().size()); }

enum class Found { kNothing, kOurs };

[[noreturn]] void not_ours(const std::string& path, const std::string& why) {
  throw input_error("database " + path + " " + why, "name another file with --db; this one was left as it is");
}

// The name as a URI: characters that mean something there are escaped.
std::string uri_of(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      char escaped[4];
      std::snprintf(escaped, sizeof escaped, "%%%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
      uri += escaped;
    } else {
      uri += c;
    }
  }
  return uri;
}

// A connection that cannot write. Even a reader keeps a file beside a database with a write-ahead log; where the folder
// forbids that and no log waits to be read, nobody can be writing, and the database is read as it is.
std::unique_ptr<Connection> open_unwritable(const std::string& path) {
  std::error_code ignored;
  const fs::path folder = fs::absolute(path, ignored).parent_path();
  const bool still = ::access(folder.c_str(), W_OK) != 0 && !fs::exists(path + "-wal", ignored);
  if (!still) return std::make_unique<Connection>(path, path, SQLITE_OPEN_READONLY);
  return std::make_unique<Connection>(uri_of(path) + "?immutable=1", path, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
}

bool begins_with(std::istream& file, std::string_view magic) {
  std::string bytes(magic.size(), '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return std::string_view(bytes.data(), static_cast<std::size_t>(file.gcount())) == magic;
}

bool begins_as_database(std::istream& file) { return begins_with(file, std::string_view("SQLite format 3\0", 16)); }

// A program that was killed within its first transaction left a journal beside what may not even begin as a database,
// and only a connection that may write can undo it. (Later transactions are in the write-ahead log, which readers
// understand.)
void undo_what_was_cut_off(const std::string& path) {
  std::ifstream journal(path + "-journal", std::ios::binary);
  if (!begins_with(journal, "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7") || ::access(path.c_str(), W_OK) != 0) return;
  Connection(path, path, SQLITE_OPEN_READWRITE).integer("PRAGMA user_version");
}

// What is found without writing decides whether any other is opened.
Found look_at(const std::string& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return Found::kNothing;
  if (fs::is_directory(status)) not_ours(path, "is a folder");
  if (!fs::is_regular_file(status)) not_ours(path, "is not a file");

  undo_what_was_cut_off(path);
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw environment_error("database " + path + " cannot be read", "check its permissions, or name another with --db");
  }
  if (file.peek() == std::ifstream::traits_type::eof()) {
    return Found::kNothing;  // empty: created by a program that was about to fill it
  }
  if (!begins_as_database(file)) not_ours(path, "is not a database");

  const std::unique_ptr<Connection> reader = open_unwritable(path);
  const std::int64_t application = reader->integer("PRAGMA application_id");
  const std::int64_t version = reader->integer("PRAGMA user_version");
  if (application == 0 && version == 0 && reader->integer("SELECT count(*) FROM sqlite_schema") == 0) {
    return Found::kNothing;  // an empty database: another process is at its first transaction
  }
  if (application != kApplicationId) not_ours(path, "belongs to another program");
  if (version > newest_version()) {
    throw input_error("database " + path + " has version " + std::to_string(version) + ", newer than this program's " +
                          std::to_string(newest_version()),
                      "use a newer hetero or another file with --db");
  }
  return Found::kOurs;
}

void create_folder(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  if (folder.empty()) return;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw environment_error("folder " + folder.string() + " cannot be created (" + error.message() + ")",
                            "name another file with --db");
  }
}

// All of it in one transaction: a database is old or new, never between. Another process that waited for the lock finds
// the version already raised.
void migrate(const Connection& connection) {
  Transaction transaction(connection);
  const std::int64_t version = connection.integer("PRAGMA user_version");
  const std::span<const EmbeddedFile> files = store_migrations();
  for (std::size_t next = static_cast<std::size_t>(version); next < files.size(); ++next) {
    connection.execute(std::string(files[next].text));
    connection.execute("PRAGMA user_version = " + std::to_string(next + 1));
  }
  if (version == 0) connection.execute("PRAGMA application_id = " + std::to_string(kApplicationId));
  transaction.commit();
}

// The switch needs the file for itself, and SQLite does not wait for that, since two who switch could wait for each
// other.
void switch_to_wal(const Connection& connection, const std::string& path) {
  constexpr auto kPause = std::chrono::milliseconds(5);
  constexpr int kMostTries = 2000;
  for (int tries = 0; !connection.execute_if_free("PRAGMA journal_mode = WAL"); ++tries) {
    if (tries == kMostTries) fail_sqlite(SQLITE_BUSY, "the journal is held", path);
    std::this_thread::sleep_for(kPause);
  }
}

std::unique_ptr<Connection> open_to_write(const std::string& path) {
  auto connection = std::make_unique<Connection>(path, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  if (connection->read_only()) fail_sqlite(SQLITE_READONLY, "the file is write-protected", path);
  if (connection->integer("PRAGMA user_version") < newest_version()) migrate(*connection);
  // Readers and a writer at once, and a commit that survives kill -9. NORMAL: a power cut may lose the last commits,
  // never the database.
  switch_to_wal(*connection, path);
  connection->execute("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;");
  return connection;
}

// An older version is brought up to date in memory, in a copy: who only reads changes no file.
std::unique_ptr<Connection> open_to_read(const std::string& path) {
  auto connection = open_unwritable(path);
  if (connection->integer("PRAGMA user_version") == newest_version()) return connection;
  auto copy = std::make_unique<Connection>(":memory:", path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  copy->copy_from(*connection);
  migrate(*copy);
  copy->execute("PRAGMA query_only = ON");
  return copy;
}

}  // namespace

bool is_database_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return begins_as_database(file);
}

std::unique_ptr<Connection> open_database(const std::string& path, StoreAccess access) {
  const Found found = look_at(path);
  if (access == StoreAccess::kReadWrite) {
    if (found == Found::kNothing) create_folder(path);
    return open_to_write(path);
  }
  if (found == Found::kNothing) {
    throw environment_error("there is no database " + path, "hetero-tune run makes one");
  }
  return open_to_read(path);
}

}  // namespace hetero
