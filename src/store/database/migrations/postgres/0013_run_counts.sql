-- The number of a run's points that hold, kept by every change: counting them reads each row of every run, 16 s for a million in PostgreSQL.
CREATE TABLE run_count (
    run_id BIGINT PRIMARY KEY REFERENCES run (id),
    points BIGINT NOT NULL,
    measured BIGINT NOT NULL
);
INSERT INTO run_count (run_id, points, measured)
SELECT run_id, count(*), sum(CASE WHEN outcome = 'measured' THEN 1 ELSE 0 END) FROM point WHERE valid_to IS NULL GROUP BY run_id;
