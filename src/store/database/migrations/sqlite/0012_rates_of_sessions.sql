-- What gets a verdict of replayed coding-agent sessions. Points that were stored before keep these numbers in `extra`.
ALTER TABLE point ADD COLUMN mean_qps REAL;
ALTER TABLE point ADD COLUMN server_overall_cache_hit_rate REAL;
