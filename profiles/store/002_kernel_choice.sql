-- Version 2. What a search over a kernel's parameters found best on devices of a family (same name, same driver). It
-- belongs to a revision of the kernel: parameters of another one may mean something else.
-- subject: the op that was timed. params: JSON object, parameter name -> integer. Times in nanoseconds of one op.

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
CREATE INDEX kernel_choice_by_key ON kernel_choice (family_fingerprint, variant, revision);

CREATE VIEW current_kernel_choice AS
  SELECT * FROM kernel_choice
  WHERE id IN (SELECT max(id) FROM kernel_choice GROUP BY family_fingerprint, variant, revision);

CREATE TRIGGER kernel_choice_is_final BEFORE UPDATE ON kernel_choice BEGIN SELECT RAISE(ABORT, 'append only'); END;
