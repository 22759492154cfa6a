-- What was told of each subject of a saved query, so that a change of state is told once.
CREATE TABLE watch_state (
    watch TEXT NOT NULL,
    -- worse, failed, stale; digest for the time of the last one
    condition TEXT NOT NULL,
    subject TEXT NOT NULL,
    opened_ms INTEGER NOT NULL,
    told_ms INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (watch, condition, subject)
) STRICT;

-- Messages to receivers: those that wait, and the log of all others.
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY,
    -- The receiver sees it, and the same one at each attempt.
    name TEXT NOT NULL UNIQUE,
    receiver TEXT NOT NULL,
    watch TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    -- pending, delivered, failed
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    -- When the next attempt is due. While one is made, when it is given up for lost.
    due_ms INTEGER NOT NULL,
    -- Of the last answer.
    status INTEGER,
    reason TEXT,
    ended_ms INTEGER
) STRICT;
CREATE INDEX delivery_by_state ON delivery (state, receiver, id);
