-- The points that were read from a file, without a look at all points.
CREATE INDEX point_source ON point (source_digest);
