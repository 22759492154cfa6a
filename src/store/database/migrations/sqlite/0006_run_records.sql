-- What a run keeps beside its points and scores: its jobs, the verdicts that were given, and how the values of its points
-- were distributed.
CREATE TABLE run_record (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    -- job, distributions, verdict
    kind TEXT NOT NULL,
    -- The digest of what tells the record from others of its run.
    key_hash BLOB NOT NULL,
    revision INTEGER NOT NULL,
    valid_from INTEGER NOT NULL REFERENCES change (id),
    valid_to INTEGER REFERENCES change (id),
    digest BLOB NOT NULL,
    -- The record as JSON.
    document TEXT NOT NULL,
    UNIQUE (run_id, key_hash, revision)
) STRICT;
CREATE UNIQUE INDEX run_record_current ON run_record (run_id, key_hash) WHERE valid_to IS NULL;
