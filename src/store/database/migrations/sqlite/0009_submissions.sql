-- Runs that wait for a reviewer. They are kept as they were sent, whatever was decided.
CREATE TABLE submission (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    token_id INTEGER NOT NULL REFERENCES token (id),
    project TEXT NOT NULL,
    -- Of the document.
    digest BLOB NOT NULL,
    -- A list of runs (imax-history/1).
    document TEXT NOT NULL,
    runs INTEGER NOT NULL,
    points INTEGER NOT NULL,
    note TEXT,
    -- waiting, accepted, refused
    state TEXT NOT NULL,
    decided_ms INTEGER,
    decided_by TEXT,
    reason TEXT
) STRICT;
CREATE INDEX submission_state ON submission (state, id);

-- Who signs the tokens of a workflow that identifies itself by OpenID Connect; NULL for tokens of this history. Such a row has no text:
-- it is for the log, and for revocation.
ALTER TABLE token ADD COLUMN issuer TEXT;
