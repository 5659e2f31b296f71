-- A database as version 1 wrote it.
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
) STRICT;
INSERT INTO run VALUES(1,'0.1.0','host','a processor','2026-01-01T00:00:00Z','Release','hetero-tune run',0.25,'m');
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
INSERT INTO sample VALUES(1,1,'op','cpu:0','aa','matmul m=1 n=64 k=64 w=q4_0 a=f32','matmul.cpu.avx2#1','{"it''s":-1,"tile_m":4}','opencl:0@1',0.33333333333333331482,2.0,3.0,4.0,5.0,6.0,'ok','',0);
CREATE TABLE profile (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  device TEXT NOT NULL,
  exact_fingerprint TEXT NOT NULL,
  family_fingerprint TEXT NOT NULL,
  document TEXT NOT NULL CHECK (json_valid(document))
) STRICT;
INSERT INTO profile VALUES(1,1,'cpu:0','aa','',replace('{\n "schema": "hetero.system_profile",\n "version": 1,\n "name": "cpu:0",\n "title": "",\n "devices": [\n  {\n   "device": "cpu:0",\n   "kind": "cpu",\n   "name": "a processor",\n   "driver": "",\n   "exact_fingerprint": "aa",\n   "family_fingerprint": "",\n   "matmul": [],\n   "ops": [],\n   "launch_ns": {\n    "value": 0.0,\n    "spread": 0.0,\n    "provenance": "assumed",\n    "source": ""\n   },\n   "join_ns": {},\n   "bandwidth_gbps": {\n    "value": 0.0,\n    "spread": 0.0,\n    "provenance": "assumed",\n    "source": ""\n   },\n   "bandwidth_together_gbps": {},\n   "slowdowns": [],\n   "standard_sizes": [],\n   "stage": 1,\n   "graph_compile_fixed_ns": {\n    "value": 0.0,\n    "spread": 0.0,\n    "provenance": "assumed",\n    "source": ""\n   },\n   "graph_compile_ns_per_weight": {\n    "value": 0.0,\n    "spread": 0.0,\n    "provenance": "assumed",\n    "source": ""\n   },\n   "feature_align": 32,\n   "memory_bytes": 0,\n   "half_precision": false,\n   "watts": {\n    "value": 0.0,\n    "spread": 0.0,\n    "provenance": "assumed",\n    "source": ""\n   }\n  }\n ]\n}\n','\n',char(10)));
CREATE TABLE plan (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  model_fingerprint TEXT NOT NULL,
  devices TEXT NOT NULL CHECK (json_valid(devices)),
  origin TEXT NOT NULL,
  document TEXT NOT NULL CHECK (json_valid(document))
) STRICT;
INSERT INTO "plan" VALUES(1,1,'m','["cpu:0"]','tuned',replace('{\n "schema": "hetero.plan",\n "version": 1,\n "origin": "tuned",\n "model_fingerprint": "m",\n "devices": [\n  "cpu:0"\n ],\n "device_fingerprints": {},\n "memory_bytes": {},\n "waiters": {},\n "buckets": [\n  {\n   "phase": "prefill",\n   "tokens": 1,\n   "predicted_ns": 0.0,\n   "blocks": [\n    {\n     "block": "attention_in",\n     "layer": -1,\n     "strategy": "single",\n     "features": [\n      {\n       "device": "cpu:0",\n       "fraction": 1.0\n      }\n     ],\n     "predicted_ns": 0.0\n    },\n    {\n     "block": "attention",\n     "layer": -1,\n     "strategy": "single",\n     "features": [\n      {\n       "device": "cpu:0",\n       "fraction": 1.0\n      }\n     ],\n     "predicted_ns": 0.0\n    },\n    {\n     "block": "attention_out",\n     "layer": -1,\n     "strategy": "single",\n     "features": [\n      {\n       "device": "cpu:0",\n       "fraction": 1.0\n      }\n     ],\n     "predicted_ns": 0.0\n    },\n    {\n     "block": "ffn_in",\n     "layer": -1,\n     "strategy": "single",\n     "features": [\n      {\n       "device": "cpu:0",\n       "fraction": 1.0\n      }\n     ],\n     "predicted_ns": 0.0\n    },\n    {\n     "block": "ffn_out",\n     "layer": -1,\n     "strategy": "single",\n     "features": [\n      {\n       "device": "cpu:0",\n       "fraction": 1.0\n      }\n     ],\n     "predicted_ns": 0.0\n    },\n    {\n     "block": "head",\n     "layer": -1,\n     "strategy": "single",\n     "features": [\n      {\n       "device": "cpu:0",\n       "fraction": 1.0\n      }\n     ],\n     "predicted_ns": 0.0\n    }\n   ]\n  },\n  {\n   "phase": "decode",\n   "tokens": 1,\n   "predicted_ns": 0.0,\n   "blocks": [\n    {\n     "block": "attention_in",\n     "layer": -1,\n     "strategy": "single",\n     "features": [\n      {\n       "device": "cpu:0",\n       "fraction": 1.0\n      }\n     ],\n     "predicted_ns": 0.0\n    },\n    {\n     "block": "attention",\n     "layer": -1,\n     "strategy": "single",\n     "features": [\n      {\n       "device": "cpu:0",\n       "fraction": 1.0\n      }\n     ],\n     "predicted_ns": 0.0\n    },\n    {\n     "block": "attention_out",\n     "layer": -1,\n     "strategy": "single",\n     "features": [\n      {\n       "device": "cpu:0",\n       "fraction": 1.0\n      }\n     ],\n     "predicted_ns": 0.0\n    },\n    {\n     "block": "ffn_in",\n     "layer": -1,\n     "strategy": "single",\n     "features": [\n      {\n       "device": "cpu:0",\n       "fraction": 1.0\n      }\n     ],\n     "predicted_ns": 0.0\n    },\n    {\n     "block": "ffn_out",\n     "layer": -1,\n     "strategy": "single",\n     "features": [\n      {\n       "device": "cpu:0",\n       "fraction": 1.0\n      }\n     ],\n     "predicted_ns": 0.0\n    },\n    {\n     "block": "head",\n     "layer": -1,\n     "strategy": "single",\n     "features": [\n      {\n       "device": "cpu:0",\n       "fraction": 1.0\n      }\n     ],\n     "predicted_ns": 0.0\n    }\n   ]\n  }\n ]\n}\n','\n',char(10)));
CREATE TABLE shape (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  model_fingerprint TEXT NOT NULL,
  name TEXT NOT NULL,
  document TEXT NOT NULL CHECK (json_valid(document))
) STRICT;
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('run',1);
INSERT INTO sqlite_sequence VALUES('sample',1);
INSERT INTO sqlite_sequence VALUES('profile',1);
INSERT INTO sqlite_sequence VALUES('plan',1);
CREATE INDEX sample_by_subject ON sample (exact_fingerprint, kind, subject);
CREATE INDEX sample_by_run ON sample (run_id);
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
PRAGMA application_id = 1752461935;
PRAGMA user_version = 1;
COMMIT;
