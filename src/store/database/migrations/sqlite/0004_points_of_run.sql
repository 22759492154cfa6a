-- The number of a run's points, without a look at their rows.
CREATE INDEX point_of_run ON point (run_id, outcome) WHERE valid_to IS NULL;
