-- Who may write through the results API. Of a token only the SHA-256 is kept; one that is revoked or expired stays, for the log.
CREATE TABLE token (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- Separated by spaces: ingest, annotate, review, admin
    scopes TEXT NOT NULL,
    -- NULL for all
    project TEXT,
    branch TEXT,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    revoked_ms INTEGER
) STRICT;

-- Every write that was asked for, also one that was refused.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    token_id INTEGER REFERENCES token (id),
    action TEXT NOT NULL,
    -- The status of the answer.
    status INTEGER NOT NULL,
    detail TEXT NOT NULL,
    address TEXT NOT NULL,
    request_id TEXT NOT NULL
) STRICT;

-- Answers by the key of the request, so that a request that is sent again is not carried out again.
CREATE TABLE idempotency (
    token_id INTEGER NOT NULL REFERENCES token (id),
    key TEXT NOT NULL,
    -- Of the request.
    digest BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (token_id, key)
) STRICT;
