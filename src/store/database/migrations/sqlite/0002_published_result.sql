-- Results of other benchmarks, which are not points of a curve: rounds of MLPerf, records of PyTorch's dashboard.
CREATE TABLE published_result (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES project (id),
    -- The digest of what tells the result from others: all but its value and what describes it.
    key_hash BLOB NOT NULL,
    revision INTEGER NOT NULL,
    valid_from INTEGER NOT NULL REFERENCES change (id),
    valid_to INTEGER REFERENCES change (id),
    digest BLOB NOT NULL,
    source_digest BLOB NOT NULL REFERENCES source_file (digest),
    suite TEXT NOT NULL,
    round TEXT,
    external_id TEXT,
    submitter TEXT,
    hardware TEXT,
    accelerators INTEGER,
    model TEXT NOT NULL,
    scenario TEXT,
    metric TEXT NOT NULL,
    unit TEXT,
    value REAL NOT NULL,
    -- The whole result as JSON.
    document TEXT NOT NULL,
    UNIQUE (project_id, key_hash, revision)
) STRICT;
CREATE UNIQUE INDEX published_result_current ON published_result (project_id, key_hash) WHERE valid_to IS NULL;
CREATE INDEX published_result_model ON published_result (suite, model, scenario);
