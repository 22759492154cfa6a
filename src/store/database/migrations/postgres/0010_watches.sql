-- What was told of each subject of a saved query, so that a change of state is told once.
CREATE TABLE watch_state (
    watch TEXT NOT NULL,
    -- worse, failed, stale; digest for the time of the last one
    condition TEXT NOT NULL,
    subject TEXT NOT NULL,
    opened_ms BIGINT NOT NULL,
    told_ms BIGINT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (watch, condition, subject)
);

-- Messages to receivers: those that wait, and the log of all others.
CREATE TABLE delivery (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The receiver sees it, and the same one at each attempt.
    name TEXT NOT NULL UNIQUE,
    receiver TEXT NOT NULL,
    watch TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    body TEXT NOT NULL,
    -- pending, delivered, failed
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    -- When the next attempt is due. While one is made, when it is given up for lost.
    due_ms BIGINT NOT NULL,
    -- Of the last answer.
    status BIGINT,
    reason TEXT,
    ended_ms BIGINT
);
CREATE INDEX delivery_by_state ON delivery (state, receiver, id);
