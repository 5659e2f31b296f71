-- Version 3. A run has a name of its own, so that copies of it in other files are known as the same run: what merge
-- goes by. Runs of older versions have none; there, the circumstances and the content are the name.
ALTER TABLE run ADD COLUMN uid TEXT NOT NULL DEFAULT '';

-- What a run spent its time on. stage: search, measure, fit, solve, gate, run (all of it). budget_seconds: what it was
-- allowed; 0 where there is no bound.
CREATE TABLE run_stage (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id INTEGER NOT NULL REFERENCES run (id) ON DELETE CASCADE,
  stage TEXT NOT NULL,
  seconds REAL NOT NULL,
  budget_seconds REAL NOT NULL
) STRICT;
CREATE INDEX run_stage_by_run ON run_stage (run_id);

CREATE TRIGGER run_stage_is_final BEFORE UPDATE ON run_stage BEGIN SELECT RAISE(ABORT, 'append only'); END;

-- Counting by status looks at every row: from the index alone (0.3 s for a million samples without).
DROP INDEX sample_by_run;
CREATE INDEX sample_by_run ON sample (run_id, status);
