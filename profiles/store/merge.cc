#include "profiles/store/merge.h"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <system_error>

#include "base/error.h"
#include "profiles/store/schema.h"

namespace hetero {
namespace {

// The columns of a table that say something, and what tells its rows apart within a run.
struct Child {
  const char* name;
  const char* columns;
};
constexpr Child kChildren[] = {
    {"sample",
     "kind, device, exact_fingerprint, subject, variant, params, active_with, device_ns, launch_ns, compile_ns, "
     "transfer_ns, join_ns, value, status, message, round"},
    {"profile", "device, exact_fingerprint, family_fingerprint, document"},
    {"plan", "model_fingerprint, devices, origin, document"},
    {"kernel_choice", "family_fingerprint, variant, revision, subject, params, best_ns, default_ns"},
    {"run_stage", "stage, seconds, budget_seconds"}};

// A run's name: when it began comes first, so that names sort as runs began.
constexpr const char* kRunKey =
    "started_utc || '|' || uid || '|' || quote(host) || quote(program_version) || quote(cpu) || quote(build_type) || "
    "quote(command) || quote(load_average) || quote(model_fingerprint)";
constexpr const char* kRunColumns =
    "program_version, host, cpu, started_utc, build_type, command, load_average, model_fingerprint, uid";

std::string gathered(const Child& child) { return "gathered_" + std::string(child.name); }

void make_gathering_tables(const Connection& db) {
  db.execute("CREATE TEMP TABLE gathered_run (key TEXT PRIMARY KEY, " + std::string(kRunColumns) + ") WITHOUT ROWID");
  db.execute("CREATE TEMP TABLE gathered_end (key TEXT PRIMARY KEY, outcome TEXT) WITHOUT ROWID");
  db.execute(
      "CREATE TEMP TABLE gathered_shape (model_fingerprint, name, document, UNIQUE (model_fingerprint, document))");
  for (const Child& child : kChildren) {
    db.execute("CREATE TEMP TABLE " + gathered(child) + " (key TEXT, " + child.columns + ", occurrence INTEGER)");
  }
}

// Adds what the attached database `source` has.
void gather(const Connection& db) {
  db.execute("CREATE TEMP TABLE source_key AS SELECT id, " + std::string(kRunKey) + " AS key FROM source.run");
  db.execute("CREATE INDEX temp.source_key_by_id ON source_key (id, key)");
  db.execute("INSERT OR IGNORE INTO gathered_run SELECT " + std::string(kRunKey) + ", " + kRunColumns +
             " FROM source.run");
  // A copy that was taken while a run was going on does not know its end. Of two ends, the greater word.
  db.execute(
      "INSERT INTO gathered_end SELECT key, max(outcome) FROM source.run_end JOIN source_key ON id = run_id "
      "WHERE 1 GROUP BY key ON CONFLICT (key) DO UPDATE SET outcome = max(outcome, excluded.outcome)");
  db.execute("INSERT OR IGNORE INTO gathered_shape SELECT model_fingerprint, name, document FROM source.shape");
  for (const Child& child : kChildren) {
    db.execute("INSERT INTO " + gathered(child) + " SELECT key, " + child.columns +
               ", row_number() OVER (PARTITION BY key, " + child.columns + ") FROM source." + child.name +
               " JOIN source_key ON source_key.id = run_id");
  }
  db.execute("DROP TABLE source_key");
}

void write_union(const Connection& db) {
  db.execute("INSERT INTO main.run (" + std::string(kRunColumns) + ") SELECT " + kRunColumns +
             " FROM gathered_run ORDER BY key");
  db.execute("CREATE TEMP TABLE target AS SELECT id, " + std::string(kRunKey) + " AS key FROM main.run");
  db.execute("CREATE INDEX temp.target_by_key ON target (key, id)");
  db.execute(
      "INSERT INTO main.run_end (run_id, outcome) SELECT id, outcome FROM gathered_end JOIN target USING (key) ORDER "
      "BY "
      "id");
  db.execute(
      "INSERT INTO main.shape (model_fingerprint, name, document) SELECT model_fingerprint, name, document FROM "
      "gathered_shape ORDER BY model_fingerprint, document");
  for (const Child& child : kChildren) {
    const std::string columns = child.columns;
    db.execute("INSERT INTO main." + std::string(child.name) + " (run_id, " + columns + ") SELECT id, " + columns +
               " FROM (SELECT DISTINCT * FROM " + gathered(child) + ") JOIN target USING (key) ORDER BY id, " +
               columns);
  }
}

// `path`, up to date and as it is now, as the schema `source`: in a temporary file, since an older version must not be
// changed.
class Attached {
 public:
  Attached(const Connection& db, const std::string& path) : db_(db) {
    const std::unique_ptr<Connection> reader = open_database(path, StoreAccess::kReadOnly);
    db.execute("ATTACH DATABASE '' AS source");
    db.copy_from(*reader, "source");
  }
  ~Attached() {
    try {
      db_.execute("DETACH DATABASE source");
    } catch (const Error&) {
      // The connection is about to go, too.
    }
  }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;

 private:
  const Connection& db_;
};

void remove_with_logs(const std::string& path) {
  std::error_code ignored;
  for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path + end, ignored);
}

// Ids of rows that no longer serve, of each table. A device is what it was last seen as, on its host.
constexpr const char* kStale =
    "CREATE TEMP TABLE latest AS SELECT host, device, exact_fingerprint FROM (SELECT host, device, exact_fingerprint, "
    "row_number() OVER (PARTITION BY host, device ORDER BY last DESC) AS place FROM (SELECT host, device, "
    "exact_fingerprint, max(run_id) AS last FROM (SELECT run_id, device, exact_fingerprint FROM sample UNION SELECT "
    "run_id, device, exact_fingerprint FROM profile) JOIN run ON run.id = run_id GROUP BY host, device, "
    "exact_fingerprint)) WHERE place = 1;"
    "CREATE TEMP TABLE stale_sample AS SELECT sample.id FROM sample JOIN run ON run.id = run_id WHERE NOT EXISTS "
    "(SELECT "
    "1 FROM latest WHERE latest.host = run.host AND latest.device = sample.device AND latest.exact_fingerprint = "
    "sample.exact_fingerprint);"
    "CREATE TEMP TABLE stale_profile AS SELECT profile.id FROM profile JOIN run ON run.id = run_id WHERE profile.id "
    "NOT "
    "IN (SELECT id FROM current_profile) OR NOT EXISTS (SELECT 1 FROM latest WHERE latest.host = run.host AND "
    "latest.device = profile.device AND latest.exact_fingerprint = profile.exact_fingerprint);"
    "CREATE TEMP TABLE stale_plan AS SELECT id FROM plan WHERE id NOT IN (SELECT id FROM current_plan);"
    "CREATE TEMP TABLE stale_kernel_choice AS SELECT id FROM kernel_choice WHERE id NOT IN (SELECT id FROM "
    "current_kernel_choice);"
    "CREATE TEMP TABLE stale_run AS SELECT id FROM run WHERE "
    "id IN (SELECT run_id FROM run_end) AND "
    "NOT EXISTS (SELECT 1 FROM sample WHERE run_id = run.id AND sample.id NOT IN (SELECT id FROM stale_sample)) AND "
    "NOT EXISTS (SELECT 1 FROM profile WHERE run_id = run.id AND profile.id NOT IN (SELECT id FROM stale_profile)) AND "
    "NOT EXISTS (SELECT 1 FROM plan WHERE run_id = run.id AND plan.id NOT IN (SELECT id FROM stale_plan)) AND "
    "NOT EXISTS (SELECT 1 FROM kernel_choice WHERE run_id = run.id AND kernel_choice.id NOT IN (SELECT id FROM "
    "stale_kernel_choice));";
constexpr const char* kPruned[] = {"sample", "profile", "plan", "kernel_choice", "run"};

}  // namespace

MergeCounts merge_databases(const std::vector<std::string>& inputs, const std::string& output) {
  std::error_code error;
  if (std::filesystem::exists(output, error)) {
    throw usage_error("'" + output + "' is there already", "merge writes a new file: name another one");
  }
  // Refuses an input before anything is made.
  for (const std::string& input : inputs) open_database(input, StoreAccess::kReadOnly);
  const std::string partial = output + ".partial";
  remove_with_logs(partial);
  MergeCounts counts;
  try {
    const std::unique_ptr<Connection> db = open_database(partial, StoreAccess::kReadWrite);
    make_gathering_tables(*db);
    for (const std::string& input : inputs) {
      const Attached source(*db, input);
      gather(*db);
    }
    Transaction transaction(*db);
    write_union(*db);
    transaction.commit();
    counts.runs = db->integer("SELECT count(*) FROM run");
    counts.samples = db->integer("SELECT count(*) FROM sample");
    counts.documents = db->integer(
        "SELECT (SELECT count(*) FROM profile) + (SELECT count(*) FROM plan) + (SELECT count(*) FROM kernel_choice)");
  } catch (...) {
    remove_with_logs(partial);
    throw;
  }
  std::filesystem::rename(partial, output, error);
  if (error) {
    remove_with_logs(partial);
    throw environment_error("'" + output + "' cannot be written (" + error.message() + ")",
                            "name another file with -o");
  }
  return counts;
}

PruneCounts prune_database(const std::string& path, PruneMode mode) {
  open_database(path, StoreAccess::kReadOnly);  // one that is not there is not made
  const std::unique_ptr<Connection> db =
      open_database(path, mode == PruneMode::kRemove ? StoreAccess::kReadWrite : StoreAccess::kReadOnly);
  PruneCounts counts;
  {
    const std::unique_ptr<Transaction> transaction =
        mode == PruneMode::kRemove ? std::make_unique<Transaction>(*db) : nullptr;
    if (mode == PruneMode::kCount) db->execute("PRAGMA query_only = OFF");  // tables of its own, nothing of the file's
    db->execute(kStale);
    counts.samples = db->integer("SELECT count(*) FROM stale_sample");
    counts.documents = db->integer(
        "SELECT (SELECT count(*) FROM stale_profile) + (SELECT count(*) FROM stale_plan) + (SELECT count(*) FROM "
        "stale_kernel_choice)");
    counts.runs = db->integer("SELECT count(*) FROM stale_run");
    if (mode == PruneMode::kCount) return counts;
    for (const std::string table : kPruned) {
      db->execute("DELETE FROM " + table + " WHERE id IN (SELECT id FROM temp.stale_" + table + ")");
    }
    transaction->commit();
  }
  db->execute("VACUUM");
  return counts;
}

}  // namespace hetero
