-- Version 1. Append only: the triggers refuse any change of a row; what is in force is the newest row of its key.
-- Applied inside one transaction, which also sets application_id and user_version.

CREATE TABLE run (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  program_version TEXT NOT NULL,
  host TEXT NOT NULL,
  cpu TEXT NOT NULL,
  started_utc TEXT NOT NULL,
  build_type TEXT NOT NULL,
  command TEXT NOT NULL,
  load_average REAL NOT NULL,
  model_fingerprint TEXT NOT NULL
) STRICT;

-- A run without an end is running or was killed.
CREATE TABLE run_end (
  run_id INTEGER PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE,
  outcome TEXT NOT NULL
) STRICT;

-- Times in nanoseconds. params: JSON object, parameter name -> integer.
CREATE TABLE sample (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  device TEXT NOT NULL,
  exact_fingerprint TEXT NOT NULL,
  subject TEXT NOT NULL,
  variant TEXT NOT NULL,
  params TEXT NOT NULL CHECK (json_valid(params)),
  active_with TEXT NOT NULL,
  device_ns REAL NOT NULL,
  launch_ns REAL NOT NULL,
  compile_ns REAL NOT NULL,
  transfer_ns REAL NOT NULL,
  join_ns REAL NOT NULL,
  value REAL NOT NULL,
  status TEXT NOT NULL,
  message TEXT NOT NULL,
  round INTEGER NOT NULL
) STRICT;
CREATE INDEX sample_by_subject ON sample (exact_fingerprint, kind, subject);
CREATE INDEX sample_by_run ON sample (run_id);

-- Documents are JSON; the key columns repeat what queries look for.
CREATE TABLE profile (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  device TEXT NOT NULL,
  exact_fingerprint TEXT NOT NULL,
  family_fingerprint TEXT NOT NULL,
  document TEXT NOT NULL CHECK (json_valid(document))
) STRICT;
CREATE INDEX profile_by_key ON profile (device, exact_fingerprint);

-- devices: JSON array of ids, sorted.
CREATE TABLE plan (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  model_fingerprint TEXT NOT NULL,
  devices TEXT NOT NULL CHECK (json_valid(devices)),
  origin TEXT NOT NULL,
  document TEXT NOT NULL CHECK (json_valid(document))
) STRICT;
CREATE INDEX plan_by_key ON plan (model_fingerprint, devices);

CREATE TABLE shape (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  model_fingerprint TEXT NOT NULL,
  name TEXT NOT NULL,
  document TEXT NOT NULL CHECK (json_valid(document))
) STRICT;
CREATE INDEX shape_by_key ON shape (model_fingerprint);

CREATE VIEW current_profile AS
  SELECT * FROM profile WHERE id IN (SELECT max(id) FROM profile GROUP BY device, exact_fingerprint);
CREATE VIEW current_plan AS
  SELECT * FROM plan WHERE id IN (SELECT max(id) FROM plan GROUP BY model_fingerprint, devices);

CREATE TRIGGER run_is_final BEFORE UPDATE ON run BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER run_end_is_final BEFORE UPDATE ON run_end BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER sample_is_final BEFORE UPDATE ON sample BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER profile_is_final BEFORE UPDATE ON profile BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER plan_is_final BEFORE UPDATE ON plan BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER shape_is_final BEFORE UPDATE ON shape BEGIN SELECT RAISE(ABORT, 'append only'); END;
