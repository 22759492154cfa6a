-- The levels of each point on each branch ('' for none), derived from its runs by every change that touches it, and the version of the method.
CREATE TABLE level (
    point_key_id INTEGER NOT NULL REFERENCES point_key (id),
    branch TEXT NOT NULL,
    method TEXT NOT NULL,
    -- The levels by metric, as JSON.
    document TEXT NOT NULL,
    PRIMARY KEY (point_key_id, branch)
) STRICT;

-- What people know about runs, points and periods; withdrawn, not deleted.
CREATE TABLE annotation (
    id INTEGER PRIMARY KEY,
    valid_from INTEGER NOT NULL REFERENCES change (id),
    valid_to INTEGER REFERENCES change (id),
    run_id INTEGER REFERENCES run (id),
    -- Filters of points such as model=dsr1, one a line.
    filters TEXT NOT NULL,
    from_ms INTEGER,
    to_ms INTEGER,
    -- known-issue, environment, change, note
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    link TEXT,
    author TEXT NOT NULL
) STRICT;
CREATE INDEX annotation_current ON annotation (id) WHERE valid_to IS NULL;
CREATE INDEX curve_model ON curve (model_prefix, hardware);
CREATE INDEX curve_latest_run ON curve_latest (run_id);
