-- Runs that wait for a reviewer. They are kept as they were sent, whatever was decided.
CREATE TABLE submission (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    token_id BIGINT NOT NULL REFERENCES token (id),
    project TEXT NOT NULL,
    -- Of the document.
    digest BYTEA NOT NULL,
    -- A list of runs (imax-history/1).
    document TEXT NOT NULL,
    runs BIGINT NOT NULL,
    points BIGINT NOT NULL,
    note TEXT,
    -- waiting, accepted, refused
    state TEXT NOT NULL,
    decided_ms BIGINT,
    decided_by TEXT,
    reason TEXT
);
CREATE INDEX submission_state ON submission (state, id);

-- Who signs the tokens of a workflow that identifies itself by OpenID Connect; NULL for tokens of this history. Such a row has no text:
-- it is for the log, and for revocation.
ALTER TABLE token ADD COLUMN issuer TEXT;
