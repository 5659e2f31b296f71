-- Version 4. A choice of parameters holds for ops like the one that was timed (the same shape class), no longer for all
-- that the kernel computes: the newest of each subject is in force. Which subjects are alike, the program says.

DROP VIEW current_kernel_choice;
CREATE VIEW current_kernel_choice AS
  SELECT * FROM kernel_choice
  WHERE id IN (SELECT max(id) FROM kernel_choice GROUP BY family_fingerprint, variant, revision, subject);
