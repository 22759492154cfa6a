-- What a run keeps beside its points and scores: its jobs, the verdicts that were given, and how the values of its points
-- were distributed.
CREATE TABLE run_record (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id BIGINT NOT NULL REFERENCES run (id),
    -- job, distributions, verdict
    kind TEXT NOT NULL,
    -- The digest of what tells the record from others of its run.
    key_hash BYTEA NOT NULL,
    revision BIGINT NOT NULL,
    valid_from BIGINT NOT NULL REFERENCES change (id),
    valid_to BIGINT REFERENCES change (id),
    digest BYTEA NOT NULL,
    -- The record as JSON.
    document TEXT NOT NULL,
    UNIQUE (run_id, key_hash, revision)
);
CREATE UNIQUE INDEX run_record_current ON run_record (run_id, key_hash) WHERE valid_to IS NULL;
