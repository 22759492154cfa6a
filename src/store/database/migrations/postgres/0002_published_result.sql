-- Results of other benchmarks, which are not points of a curve: rounds of MLPerf, records of PyTorch's dashboard.
CREATE TABLE published_result (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES project (id),
    -- The digest of what tells the result from others: all but its value and what describes it.
    key_hash BYTEA NOT NULL,
    revision BIGINT NOT NULL,
    valid_from BIGINT NOT NULL REFERENCES change (id),
    valid_to BIGINT REFERENCES change (id),
    digest BYTEA NOT NULL,
    source_digest BYTEA NOT NULL REFERENCES source_file (digest),
    suite TEXT NOT NULL,
    round TEXT,
    external_id TEXT,
    submitter TEXT,
    hardware TEXT,
    accelerators BIGINT,
    model TEXT NOT NULL,
    scenario TEXT,
    metric TEXT NOT NULL,
    unit TEXT,
    value DOUBLE PRECISION NOT NULL,
    -- The whole result as JSON.
    document TEXT NOT NULL,
    UNIQUE (project_id, key_hash, revision)
);
CREATE UNIQUE INDEX published_result_current ON published_result (project_id, key_hash) WHERE valid_to IS NULL;
CREATE INDEX published_result_model ON published_result (suite, model, scenario);
