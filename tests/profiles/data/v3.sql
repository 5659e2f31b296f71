-- A database as version 3 wrote it, with choices of kernels' parameters.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
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
, uid TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO run VALUES(1,'0.1.0','host','a processor','2026-02-01T00:00:00Z','Release','hetero-tune run',0.25,'m','r1');
CREATE TABLE run_end (
  run_id INTEGER PRIMARY KEY REFERENCES run (id) ON DELETE CASCADE,
  outcome TEXT NOT NULL
) STRICT;
INSERT INTO run_end VALUES(1,'done');
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
CREATE TABLE profile (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  device TEXT NOT NULL,
  exact_fingerprint TEXT NOT NULL,
  family_fingerprint TEXT NOT NULL,
  document TEXT NOT NULL CHECK (json_valid(document))
) STRICT;
CREATE TABLE plan (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  model_fingerprint TEXT NOT NULL,
  devices TEXT NOT NULL CHECK (json_valid(devices)),
  origin TEXT NOT NULL,
  document TEXT NOT NULL CHECK (json_valid(document))
) STRICT;
CREATE TABLE shape (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  model_fingerprint TEXT NOT NULL,
  name TEXT NOT NULL,
  document TEXT NOT NULL CHECK (json_valid(document))
) STRICT;
CREATE TABLE kernel_choice (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  family_fingerprint TEXT NOT NULL,
  variant TEXT NOT NULL,
  revision INTEGER NOT NULL,
  subject TEXT NOT NULL,
  params TEXT NOT NULL CHECK (json_valid(params)),
  best_ns REAL NOT NULL,
  default_ns REAL NOT NULL
) STRICT;
INSERT INTO kernel_choice VALUES(1,1,'family','matmul.opencl.gemm',1,'matmul m=1 n=64 k=64 w=q4_0 a=f32','{"chunk":64,"rows_block":16}',10.0,12.0);
INSERT INTO kernel_choice VALUES(2,1,'family','matmul.opencl.gemm',1,'matmul m=64 n=64 k=64 w=q4_0 a=f32','{"chunk":64,"rows_block":32}',10.0,12.0);
INSERT INTO kernel_choice VALUES(3,1,'family','matmul.opencl.gemm',1,'matmul m=256 n=64 k=64 w=q4_0 a=f32','{"chunk":256,"rows_block":32}',10.0,12.0);
CREATE TABLE run_stage (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  stage TEXT NOT NULL,
  seconds REAL NOT NULL,
  budget_seconds REAL NOT NULL
) STRICT;
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('run',1);
INSERT INTO sqlite_sequence VALUES('kernel_choice',3);
CREATE INDEX sample_by_subject ON sample (exact_fingerprint, kind, subject);
CREATE INDEX profile_by_key ON profile (device, exact_fingerprint);
CREATE INDEX plan_by_key ON plan (model_fingerprint, devices);
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
CREATE INDEX kernel_choice_by_key ON kernel_choice (family_fingerprint, variant, revision);
CREATE VIEW current_kernel_choice AS
  SELECT * FROM kernel_choice
  WHERE id IN (SELECT max(id) FROM kernel_choice GROUP BY family_fingerprint, variant, revision);
CREATE TRIGGER kernel_choice_is_final BEFORE UPDATE ON kernel_choice BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE INDEX run_stage_by_run ON run_stage (run_id);
CREATE TRIGGER run_stage_is_final BEFORE UPDATE ON run_stage BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE INDEX sample_by_run ON sample (run_id, status);
PRAGMA application_id = 1752461935;
PRAGMA user_version = 3;
COMMIT;
