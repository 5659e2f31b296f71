#include "profiles/store/sqlite.h"

#include <cmath>

#include "base/error.h"

namespace hetero {

void fail_sqlite(int code, const std::string& message, const std::string& path) {
  const std::string where = "database " + path;
  switch (code & 0xff) {  // the primary code: extended ones only add detail
    case SQLITE_FULL:
      throw environment_error(where + ": the disk is full", "free some space or name another file with --db");
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      throw input_error(where + " is damaged or not a database (" + message + ")", "name another file with --db");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw environment_error(where + " is held by another process", "try again when it has finished");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
      throw environment_error(where + " cannot be opened or written (" + message + ")",
                              "check permissions and free space, or name another file with --db");
    default:
      throw environment_error(where + ": " + message, "name another file with --db");
  }
}

Statement::Statement(sqlite3* connection, const std::string& path, std::string_view sql)
    : connection_(connection), path_(path) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v2(connection, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) fail_sqlite(code, sqlite3_errmsg(connection), path_);
  statement_.reset(statement);
}

int Statement::index_of(const char* name) const {
  const int index = sqlite3_bind_parameter_index(statement_.get(), name);
  if (index == 0) fail_sqlite(SQLITE_ERROR, std::string("no parameter ") + name, path_);
  return index;
}

Statement& Statement::bind(const char* name, const std::string& value) {
  const int code =
      sqlite3_bind_text64(statement_.get(), index_of(name), value.data(), value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) fail_sqlite(code, sqlite3_errmsg(connection_), path_);
  return *this;
}

Statement& Statement::bind(const char* name, std::int64_t value) {
  const int code = sqlite3_bind_int64(statement_.get(), index_of(name), value);
  if (code != SQLITE_OK) fail_sqlite(code, sqlite3_errmsg(connection_), path_);
  return *this;
}

Statement& Statement::bind(const char* name, double value) {
  if (!std::isfinite(value)) {
    throw input_error("database " + path_ + ": " + (name + 1) + " is not a finite number and is not stored");
  }
  const int code = sqlite3_bind_double(statement_.get(), index_of(name), value);
  if (code != SQLITE_OK) fail_sqlite(code, sqlite3_errmsg(connection_), path_);
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  const std::string message = sqlite3_errmsg(connection_);
  sqlite3_reset(statement_.get());
  fail_sqlite(code, message, path_);
}

void Statement::run() {
  while (step()) {
  }
  sqlite3_reset(statement_.get());
}

std::string Statement::text(int column) const {
  const unsigned char* bytes = sqlite3_column_text(statement_.get(), column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column));
  return bytes == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(bytes), size);
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
double Statement::real(int column) const { return sqlite3_column_double(statement_.get(), column); }

Connection::Connection(const std::string& target, const std::string& path, int sqlite_open_flags) : path_(path) {
  constexpr int kBusyTimeoutMs = 10000;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(target.c_str(), &handle, sqlite_open_flags, nullptr);
  handle_.reset(handle);  // SQLite gives a handle even when it fails, for the message
  if (code != SQLITE_OK) fail_sqlite(code, handle != nullptr ? sqlite3_errmsg(handle) : "out of memory", path_);
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
}

void Connection::execute(const std::string& sql) const {
  const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail_sqlite(code, sqlite3_errmsg(handle_.get()), path_);
}

bool Connection::execute_if_free(const std::string& sql) const {
  const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) fail_sqlite(code, sqlite3_errmsg(handle_.get()), path_);
  return code == SQLITE_OK;
}

std::int64_t Connection::integer(std::string_view sql) const {
  Statement statement = prepare(sql);
  return statement.step() ? statement.integer(0) : 0;
}

std::string Connection::text(std::string_view sql) const {
  Statement statement = prepare(sql);
  return statement.step() ? statement.text(0) : std::string();
}

void Connection::copy_from(const Connection& source, const std::string& into) const {
  sqlite3_backup* const copy = sqlite3_backup_init(handle_.get(), into.c_str(), source.handle_.get(), "main");
  if (copy == nullptr) fail_sqlite(sqlite3_errcode(handle_.get()), sqlite3_errmsg(handle_.get()), path_);
  constexpr int kAll = -1;
  const int step = sqlite3_backup_step(copy, kAll);
  const int end = sqlite3_backup_finish(copy);
  if (step != SQLITE_DONE) fail_sqlite(step, sqlite3_errstr(step), source.path_);
  if (end != SQLITE_OK) fail_sqlite(end, sqlite3_errmsg(handle_.get()), path_);
}

void Transaction::commit() {
  connection_.execute("COMMIT");
  open_ = false;
}

Transaction::~Transaction() {
  if (!open_) return;
  try {
    connection_.execute("ROLLBACK");
  } catch (const std::exception&) {
    // SQLite rolled back by itself (a full disk, for one), or does so when the connection closes.
  }
}

}  // namespace hetero
