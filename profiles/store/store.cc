#include "profiles/store/store.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "profiles/json_util.h"
#include "profiles/store/schema.h"

namespace hetero {
namespace {

constexpr const char* kSampleColumns =
    "kind, device, exact_fingerprint, subject, variant, params, active_with, device_ns, launch_ns, compile_ns, "
    "transfer_ns, join_ns, value, status, message, round";

std::map<std::string, std::int64_t> params_from(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  std::map<std::string, std::int64_t> params;
  for (const auto& [name, node] : JsonNode(json, "sample.params").members()) {
    params[name] = node.integer(INT64_MIN, INT64_MAX);
  }
  return params;
}

// A later choice for the same kernel and ops of the same class takes the place of an older one.
bool superseded(const KernelChoice& older, const KernelChoice& later) {
  return older.family_fingerprint == later.family_fingerprint && older.variant == later.variant &&
         older.revision == later.revision && older.shape_class() == later.shape_class();
}

Sample read_sample(const Statement& row) {
  Sample sample;
  int column = 0;
  sample.kind = sample_kind_from_name(row.text(column++));
  sample.device = row.text(column++);
  sample.exact_fingerprint = row.text(column++);
  sample.subject = row.text(column++);
  sample.variant = row.text(column++);
  sample.params = params_from(row.text(column++));
  sample.active_with = row.text(column++);
  sample.device_ns = row.real(column++);
  sample.launch_ns = row.real(column++);
  sample.compile_ns = row.real(column++);
  sample.transfer_ns = row.real(column++);
  sample.join_ns = row.real(column++);
  sample.value = row.real(column++);
  sample.status = sample_status_from_name(row.text(column++));
  sample.message = row.text(column++);
  sample.round = static_cast<int>(row.integer(column++));
  return sample;
}

std::string sorted_list(std::vector<std::string> ids) {
  std::sort(ids.begin(), ids.end());
  return nlohmann::json(ids).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// A stored device profile is a system of one device: one document format for both.
std::string profile_document(const DeviceProfile& profile) {
  return to_json(SystemProfile{.name = profile.device, .title = "", .devices = {profile}});
}
DeviceProfile profile_from(const std::string& document, const std::string& device) {
  SystemProfile system = system_profile_from_json(document);
  if (system.devices.size() != 1) throw input_error("the stored profile of '" + device + "' is not of one device");
  return std::move(system.devices.front());
}

}  // namespace

struct Store::State {
  std::unique_ptr<Connection> db;
};

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::~Store() = default;

std::unique_ptr<Store> Store::open(const std::string& path, StoreAccess access) {
  return std::unique_ptr<Store>(new Store(std::make_unique<State>(State{open_database(path, access)})));
}

bool Store::is_database(const std::string& path) { return is_database_file(path); }

std::string Store::default_path() {
  const char* data = std::getenv("XDG_DATA_HOME");
  const char* home = std::getenv("HOME");
  std::string folder;
  if (data != nullptr && data[0] == '/') {  // the XDG specification has relative paths ignored
    folder = data;
  } else if (home != nullptr && home[0] != '\0') {
    folder = std::string(home) + "/.local/share";
  } else {
    throw environment_error("neither XDG_DATA_HOME nor HOME is set", "name the database with --db");
  }
  return folder + "/hetero/profiles.db";
}

RunId Store::begin_run(const RunInfo& info) {
  Connection& db = *state_->db;
  db.prepare(
        "INSERT INTO run (program_version, host, cpu, started_utc, build_type, command, load_average, "
        "model_fingerprint, uid) VALUES (:program_version, :host, :cpu, :started_utc, :build_type, :command, "
        ":load_average, :model_fingerprint, :uid)")
      .bind(":program_version", info.program_version)
      .bind(":host", info.host)
      .bind(":cpu", info.cpu)
      .bind(":started_utc", info.started_utc)
      .bind(":build_type", info.build_type)
      .bind(":command", info.command)
      .bind(":load_average", info.load_average)
      .bind(":model_fingerprint", info.model_fingerprint)
      .bind(":uid", info.uid)
      .run();
  return db.last_row_id();
}

void Store::add_stage(RunId run, const StageTime& stage) {
  state_->db
      ->prepare(
          "INSERT INTO run_stage (run_id, stage, seconds, budget_seconds) VALUES (:run, :stage, :seconds, "
          ":budget_seconds)")
      .bind(":run", run)
      .bind(":stage", stage.stage)
      .bind(":seconds", stage.seconds)
      .bind(":budget_seconds", stage.budget_seconds)
      .run();
}

std::vector<StageTime> Store::stages(RunId run) const {
  Statement select =
      state_->db->prepare("SELECT stage, seconds, budget_seconds FROM run_stage WHERE run_id = :run ORDER BY id");
  select.bind(":run", run);
  std::vector<StageTime> stages;
  while (select.step()) stages.push_back({select.text(0), select.real(1), select.real(2)});
  return stages;
}

void Store::end_run(RunId run, const std::string& outcome) {
  state_->db->prepare("INSERT INTO run_end (run_id, outcome) VALUES (:run, :outcome)")
      .bind(":run", run)
      .bind(":outcome", outcome)
      .run();
}

void Store::add_samples(RunId run, const std::vector<Sample>& samples) {
  Transaction transaction(*state_->db);
  Statement insert = state_->db->prepare(
      std::string("INSERT INTO sample (run_id, ") + kSampleColumns +
      ") VALUES (:run, :kind, :device, :exact_fingerprint, :subject, :variant, :params, :active_with, :device_ns, "
      ":launch_ns, :compile_ns, :transfer_ns, :join_ns, :value, :status, :message, :round)");
  for (const Sample& sample : samples) {
    insert.bind(":run", run)
        .bind(":kind", std::string(name_of(sample.kind)))
        .bind(":device", sample.device)
        .bind(":exact_fingerprint", sample.exact_fingerprint)
        .bind(":subject", sample.subject)
        .bind(":variant", sample.variant)
        .bind(":params", nlohmann::json(sample.params).dump())
        .bind(":active_with", sample.active_with)
        .bind(":device_ns", sample.device_ns)
        .bind(":launch_ns", sample.launch_ns)
        .bind(":compile_ns", sample.compile_ns)
        .bind(":transfer_ns", sample.transfer_ns)
        .bind(":join_ns", sample.join_ns)
        .bind(":value", sample.value)
        .bind(":status", std::string(name_of(sample.status)))
        .bind(":message", sample.message)
        .bind(":round", std::int64_t{sample.round})
        .run();
  }
  transaction.commit();
}

std::vector<Sample> Store::samples(const SampleQuery& query) const {
  // Only conditions that are asked for stand in the text, so that the index serves each of them.
  std::string sql = std::string("SELECT ") + kSampleColumns + " FROM sample WHERE 1";
  if (!query.exact_fingerprint.empty()) sql += " AND exact_fingerprint = :exact_fingerprint";
  if (query.kind) sql += " AND kind = :kind";
  if (query.subject) sql += " AND subject = :subject";
  if (query.trusted_only) sql += " AND status = :status";
  if (query.run) sql += " AND run_id = :run";
  Statement select = state_->db->prepare(sql + " ORDER BY id");
  if (!query.exact_fingerprint.empty()) select.bind(":exact_fingerprint", query.exact_fingerprint);
  if (query.kind) select.bind(":kind", std::string(name_of(*query.kind)));
  if (query.subject) select.bind(":subject", *query.subject);
  if (query.trusted_only) select.bind(":status", std::string(name_of(SampleStatus::kOk)));
  if (query.run) select.bind(":run", *query.run);
  std::vector<Sample> samples;
  while (select.step()) samples.push_back(read_sample(select));
  return samples;
}

std::int64_t Store::sample_count() const { return state_->db->integer("SELECT count(*) FROM sample"); }

std::vector<Store::StatusCount> Store::status_counts() const {
  Statement select = state_->db->prepare(
      "SELECT run_id, status, count(*) FROM sample GROUP BY run_id, status ORDER BY run_id, status");
  std::vector<StatusCount> counts;
  while (select.step()) {
    counts.push_back({select.integer(0), sample_status_from_name(select.text(1)), select.integer(2)});
  }
  return counts;
}

void Store::put_profile(RunId run, const DeviceProfile& profile) {
  state_->db
      ->prepare(
          "INSERT INTO profile (run_id, device, exact_fingerprint, family_fingerprint, document) VALUES (:run, "
          ":device, "
          ":exact_fingerprint, :family_fingerprint, :document)")
      .bind(":run", run)
      .bind(":device", profile.device)
      .bind(":exact_fingerprint", profile.exact_fingerprint)
      .bind(":family_fingerprint", profile.family_fingerprint)
      .bind(":document", profile_document(profile))
      .run();
}

std::optional<DeviceProfile> Store::profile(const std::string& device, const std::string& exact_fingerprint) const {
  Statement select = state_->db->prepare(
      "SELECT document FROM current_profile WHERE device = :device AND exact_fingerprint = :exact_fingerprint");
  select.bind(":device", device).bind(":exact_fingerprint", exact_fingerprint);
  if (!select.step()) return std::nullopt;
  return profile_from(select.text(0), device);
}

std::vector<Store::ProfileRow> Store::profiles() const {
  Statement select = state_->db->prepare("SELECT run_id, document, device FROM current_profile ORDER BY id");
  std::vector<ProfileRow> rows;
  while (select.step()) rows.push_back({select.integer(0), profile_from(select.text(1), select.text(2))});
  return rows;
}

void Store::put_kernel_choice(RunId run, const KernelChoice& choice) {
  state_->db
      ->prepare(
          "INSERT INTO kernel_choice (run_id, family_fingerprint, variant, revision, subject, params, best_ns, "
          "default_ns) VALUES (:run, :family_fingerprint, :variant, :revision, :subject, :params, :best_ns, "
          ":default_ns)")
      .bind(":run", run)
      .bind(":family_fingerprint", choice.family_fingerprint)
      .bind(":variant", choice.variant)
      .bind(":revision", std::int64_t{choice.revision})
      .bind(":subject", choice.subject)
      .bind(":params", nlohmann::json(choice.params).dump())
      .bind(":best_ns", choice.best_ns)
      .bind(":default_ns", choice.default_ns)
      .run();
}

std::vector<KernelChoice> Store::kernel_choices() const {
  Statement select = state_->db->prepare(
      "SELECT family_fingerprint, variant, revision, subject, params, best_ns, default_ns FROM current_kernel_choice "
      "ORDER BY id");
  std::vector<KernelChoice> choices;
  while (select.step()) {
    KernelChoice choice{select.text(0),
                        select.text(1),
                        static_cast<int>(select.integer(2)),
                        select.text(3),
                        params_from(select.text(4)),
                        select.real(5),
                        select.real(6)};
    std::erase_if(choices, [&](const KernelChoice& older) { return superseded(older, choice); });
    choices.push_back(std::move(choice));
  }
  return choices;
}

void Store::put_plan(RunId run, const Plan& plan) {
  state_->db
      ->prepare(
          "INSERT INTO plan (run_id, model_fingerprint, devices, origin, document) VALUES (:run, :model_fingerprint, "
          ":devices, :origin, :document)")
      .bind(":run", run)
      .bind(":model_fingerprint", plan.model_fingerprint)
      .bind(":devices", sorted_list(plan.devices))
      .bind(":origin", plan.origin)
      .bind(":document", to_json(plan))
      .run();
}

std::optional<Plan> Store::plan(const std::string& model_fingerprint, const std::vector<std::string>& devices) const {
  Statement select = state_->db->prepare(
      "SELECT document FROM current_plan WHERE model_fingerprint = :model_fingerprint AND devices = :devices");
  select.bind(":model_fingerprint", model_fingerprint).bind(":devices", sorted_list(devices));
  if (!select.step()) return std::nullopt;
  return plan_from_json(select.text(0));
}

std::optional<Plan> Store::plan_within(const std::string& model_fingerprint,
                                       const std::vector<std::string>& devices) const {
  // The latest plan no device of which is missing from the list.
  Statement select = state_->db->prepare(
      "SELECT document FROM plan WHERE model_fingerprint = :model_fingerprint AND NOT EXISTS (SELECT 1 FROM "
      "json_each(plan.devices) AS needed WHERE needed.value NOT IN (SELECT value FROM json_each(:devices))) "
      "ORDER BY id DESC LIMIT 1");
  select.bind(":model_fingerprint", model_fingerprint).bind(":devices", sorted_list(devices));
  if (!select.step()) return std::nullopt;
  return plan_from_json(select.text(0));
}

std::vector<Store::PlanRow> Store::plans() const {
  Statement select = state_->db->prepare("SELECT run_id, document FROM current_plan ORDER BY id");
  std::vector<PlanRow> rows;
  while (select.step()) rows.push_back({select.integer(0), plan_from_json(select.text(1))});
  return rows;
}

void Store::put_shape(const ModelShape& shape) {
  // A shape depends on no run: one row is enough, however often a model is tuned.
  state_->db
      ->prepare(
          "INSERT INTO shape (model_fingerprint, name, document) SELECT :model_fingerprint, :name, :document WHERE NOT "
          "EXISTS (SELECT 1 FROM shape WHERE model_fingerprint = :model_fingerprint AND document = :document)")
      .bind(":model_fingerprint", fingerprint(shape))
      .bind(":name", shape.name)
      .bind(":document", to_json(shape))
      .run();
}

std::optional<ModelShape> Store::shape(const std::string& model_fingerprint) const {
  Statement select = state_->db->prepare(
      "SELECT document FROM shape WHERE model_fingerprint = :model_fingerprint ORDER BY id DESC LIMIT 1");
  select.bind(":model_fingerprint", model_fingerprint);
  if (!select.step()) return std::nullopt;
  return model_shape_from_json(select.text(0));
}

std::vector<Store::RunRow> Store::runs() const {
  Statement select = state_->db->prepare(
      "SELECT id, program_version, host, cpu, started_utc, build_type, command, load_average, model_fingerprint, "
      "coalesce(outcome, ''), (SELECT count(*) FROM sample WHERE run_id = run.id), uid FROM run LEFT JOIN run_end ON "
      "run_id = run.id ORDER BY id");
  std::vector<RunRow> rows;
  while (select.step()) {
    RunRow row;
    row.id = select.integer(0);
    row.info = {.program_version = select.text(1),
                .host = select.text(2),
                .cpu = select.text(3),
                .started_utc = select.text(4),
                .build_type = select.text(5),
                .command = select.text(6),
                .load_average = select.real(7),
                .model_fingerprint = select.text(8),
                .uid = select.text(11)};
    row.outcome = select.text(9);
    row.samples = select.integer(10);
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace hetero
