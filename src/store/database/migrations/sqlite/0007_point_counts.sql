-- Numbers of points by key and outcome, now and earlier, without a look at their rows.
DROP INDEX point_series;
CREATE INDEX point_series ON point (point_key_id, outcome, run_id, valid_from, valid_to);
