-- Who may write through the results API. Of a token only the SHA-256 is kept; one that is revoked or expired stays, for the log.
CREATE TABLE token (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash BYTEA NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- Separated by spaces: ingest, annotate, review, admin
    scopes TEXT NOT NULL,
    -- NULL for all
    project TEXT,
    branch TEXT,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    revoked_ms BIGINT
);

-- Every write that was asked for, also one that was refused.
CREATE TABLE audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    token_id BIGINT REFERENCES token (id),
    action TEXT NOT NULL,
    -- The status of the answer.
    status BIGINT NOT NULL,
    detail TEXT NOT NULL,
    address TEXT NOT NULL,
    request_id TEXT NOT NULL
);

-- Answers by the key of the request, so that a request that is sent again is not carried out again.
CREATE TABLE idempotency (
    token_id BIGINT NOT NULL REFERENCES token (id),
    key TEXT NOT NULL,
    -- Of the request.
    digest BYTEA NOT NULL,
    at_ms BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (token_id, key)
);
