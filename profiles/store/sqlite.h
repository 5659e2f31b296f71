// Internal to the store: SQLite's handles as C++ values, and its errors as hetero::Error. Knows no table.
// One connection per thread.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace hetero {

// A prepared statement. Parameters are bound by name (":device"); the connection outlives it.
class Statement {
 public:
  Statement(sqlite3* connection, const std::string& path, std::string_view sql);

  // Each returns *this, so that calls chain. Throws input_error for a number that is NaN or infinite.
  Statement& bind(const char* name, const std::string& value);
  Statement& bind(const char* name, std::int64_t value);
  Statement& bind(const char* name, double value);

  bool step();  // true: there is a row
  void run();   // steps to the end, rows are ignored, and makes it ready to be bound and run again

  // Columns of the current row, from 0.
  std::string text(int column) const;
  std::int64_t integer(int column) const;
  double real(int column) const;

 private:
  int index_of(const char* name) const;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  sqlite3* connection_;
  const std::string& path_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// An open connection. Not movable: statements refer to its path.
class Connection {
 public:
  // `target` is a file name or a file: URI; `path` is how errors name it. Waits for other processes' writes for up to
  // ten seconds. Throws environment_error or input_error.
  Connection(const std::string& target, const std::string& path, int sqlite_open_flags);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Statement prepare(std::string_view sql) const { return Statement(handle_.get(), path_, sql); }
  void execute(const std::string& sql) const;  // any number of statements without parameters
  // As execute(), but false where another process holds the file: for what SQLite does not wait for.
  bool execute_if_free(const std::string& sql) const;
  std::int64_t integer(std::string_view sql) const;  // the first column of the first row; 0 without a row
  std::string text(std::string_view sql) const;
  std::int64_t last_row_id() const { return sqlite3_last_insert_rowid(handle_.get()); }
  // Everything that `source` has now, in place of what this one's schema `into` ("main" or the name of an attached
  // database) holds.
  void copy_from(const Connection& source, const std::string& into = "main") const;
  bool read_only() const { return sqlite3_db_readonly(handle_.get(), "main") == 1; }

 private:
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close(handle); }
  };
  std::string path_;
  std::unique_ptr<sqlite3, Close> handle_;
};

// Takes the write lock at once, so that no transaction fails half way for want of it. Rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(const Connection& connection) : connection_(connection) {
    connection_.execute("BEGIN IMMEDIATE");
  }
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  const Connection& connection_;
  bool open_ = true;
};

// Throws the Error for a result code of SQLite.
[[noreturn]] void fail_sqlite(int code, const std::string& message, const std::string& path);

}  // namespace hetero
