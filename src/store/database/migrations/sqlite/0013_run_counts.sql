-- The number of a run's points that hold, kept by every change: counting them reads each row of every run, 16 s for a million in PostgreSQL.
CREATE TABLE run_count (
    run_id INTEGER PRIMARY KEY REFERENCES run (id),
    points INTEGER NOT NULL,
    measured INTEGER NOT NULL
) STRICT;
INSERT INTO run_count (run_id, points, measured)
SELECT run_id, count(*), sum(CASE WHEN outcome = 'measured' THEN 1 ELSE 0 END) FROM point WHERE valid_to IS NULL GROUP BY run_id;
