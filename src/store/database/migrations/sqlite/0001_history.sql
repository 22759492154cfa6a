-- A history: what was measured, when it was stored, and what replaced it. Nothing is deleted: rows that can change carry the change
-- that stored them (valid_from) and the change that replaced or withdrew them (valid_to, NULL while they hold), so that the state as of
-- any change can be read. Times are milliseconds since 1970 UTC, digests SHA-256.

-- One row for each transaction that changed something; its id orders them, in the order of their commits.
CREATE TABLE change (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    -- publish, import, retract, restore
    action TEXT NOT NULL,
    author TEXT,
    imax_version TEXT NOT NULL
) STRICT;

-- The files that rows were read from. A file is known by its content, never by its name.
CREATE TABLE source_file (
    digest BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    change_id INTEGER NOT NULL REFERENCES change (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE project (
    id INTEGER PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE
) STRICT;

-- A run's identity. Everything that may be corrected is in run_revision.
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES project (id),
    -- github; content for a run without a number, whose external_id is the digest of its content
    provider TEXT NOT NULL,
    repository TEXT NOT NULL,
    external_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    UNIQUE (project_id, provider, repository, external_id, attempt)
) STRICT;

CREATE TABLE run_revision (
    run_id INTEGER NOT NULL REFERENCES run (id),
    revision INTEGER NOT NULL,
    valid_from INTEGER NOT NULL REFERENCES change (id),
    valid_to INTEGER REFERENCES change (id),
    kind TEXT NOT NULL,
    branch TEXT,
    commit_sha TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    -- The run as JSON (imax-history/1), without its points and scores.
    document TEXT NOT NULL,
    digest BLOB NOT NULL,
    source_digest BLOB REFERENCES source_file (digest),
    PRIMARY KEY (run_id, revision)
) STRICT;
CREATE UNIQUE INDEX run_revision_current ON run_revision (run_id) WHERE valid_to IS NULL;
CREATE INDEX run_revision_started ON run_revision (started_ms);
CREATE INDEX run_revision_commit ON run_revision (commit_sha);

-- A run that was withdrawn, for as long as it is.
CREATE TABLE retraction (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    valid_from INTEGER NOT NULL REFERENCES change (id),
    valid_to INTEGER REFERENCES change (id),
    reason TEXT NOT NULL,
    author TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX retraction_current ON retraction (run_id) WHERE valid_to IS NULL;

CREATE TABLE curve (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES project (id),
    -- The digest of the dimensions that are not at their default.
    key_hash BLOB NOT NULL,
    key_version INTEGER NOT NULL,
    -- The whole key as JSON.
    document TEXT NOT NULL,
    model_prefix TEXT NOT NULL,
    precision TEXT NOT NULL,
    hardware TEXT NOT NULL,
    framework TEXT NOT NULL,
    spec_decoding TEXT NOT NULL,
    disagg INTEGER NOT NULL,
    scenario TEXT NOT NULL,
    isl INTEGER,
    osl INTEGER,
    layout TEXT NOT NULL,
    UNIQUE (project_id, key_hash)
) STRICT;
CREATE INDEX curve_model_hardware ON curve (project_id, model_prefix, hardware);

CREATE TABLE point_key (
    id INTEGER PRIMARY KEY,
    curve_id INTEGER NOT NULL REFERENCES curve (id),
    -- concurrency: requests under way at once
    load_kind TEXT NOT NULL,
    load INTEGER NOT NULL,
    UNIQUE (curve_id, load_kind, load)
) STRICT;

CREATE TABLE point (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    point_key_id INTEGER NOT NULL REFERENCES point_key (id),
    revision INTEGER NOT NULL,
    valid_from INTEGER NOT NULL REFERENCES change (id),
    valid_to INTEGER REFERENCES change (id),
    -- Of the point as JSON with sorted members.
    digest BLOB NOT NULL,
    source_digest BLOB REFERENCES source_file (digest),
    model TEXT,
    image TEXT,
    -- The split over GPUs as JSON.
    layout TEXT NOT NULL,
    gpus INTEGER NOT NULL,
    -- measured, or the class of the failure
    outcome TEXT NOT NULL,
    reason TEXT,
    -- Names and units as in agg_*.json: times in seconds, rates a second. NULL where it was not reported.
    tput_per_gpu REAL,
    output_tput_per_gpu REAL,
    input_tput_per_gpu REAL,
    mean_ttft REAL,
    median_ttft REAL,
    std_ttft REAL,
    p90_ttft REAL,
    p95_ttft REAL,
    p99_ttft REAL,
    p99_9_ttft REAL,
    mean_tpot REAL,
    median_tpot REAL,
    std_tpot REAL,
    p90_tpot REAL,
    p95_tpot REAL,
    p99_tpot REAL,
    p99_9_tpot REAL,
    mean_intvty REAL,
    median_intvty REAL,
    std_intvty REAL,
    p90_intvty REAL,
    p95_intvty REAL,
    p99_intvty REAL,
    p99_9_intvty REAL,
    mean_itl REAL,
    median_itl REAL,
    std_itl REAL,
    p90_itl REAL,
    p95_itl REAL,
    p99_itl REAL,
    p99_9_itl REAL,
    mean_e2el REAL,
    median_e2el REAL,
    std_e2el REAL,
    p90_e2el REAL,
    p95_e2el REAL,
    p99_e2el REAL,
    p99_9_e2el REAL,
    avg_power_w REAL,
    avg_total_gpu_power_w REAL,
    total_gpu_energy_j REAL,
    joules_per_successful_query REAL,
    joules_per_input_token REAL,
    joules_per_output_token REAL,
    joules_per_total_token REAL,
    avg_temp_c REAL,
    peak_temp_c REAL,
    avg_util_pct REAL,
    avg_mem_used_mb REAL,
    ci_low_tput_per_gpu REAL,
    ci_high_tput_per_gpu REAL,
    ci_low_intvty REAL,
    ci_high_intvty REAL,
    ci_low_ttft REAL,
    ci_high_ttft REAL,
    ci_low_tpot REAL,
    ci_high_tpot REAL,
    ci_low_e2el REAL,
    ci_high_e2el REAL,
    -- Numbers and intervals without a column, as JSON.
    extra TEXT,
    UNIQUE (run_id, point_key_id, revision)
) STRICT;
CREATE UNIQUE INDEX point_current ON point (run_id, point_key_id) WHERE valid_to IS NULL;
CREATE INDEX point_series ON point (point_key_id, run_id);

CREATE TABLE eval (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    -- The digest of the score's key.
    key_hash BLOB NOT NULL,
    revision INTEGER NOT NULL,
    valid_from INTEGER NOT NULL REFERENCES change (id),
    valid_to INTEGER REFERENCES change (id),
    digest BLOB NOT NULL,
    model_prefix TEXT NOT NULL,
    hardware TEXT NOT NULL,
    framework TEXT NOT NULL,
    precision TEXT NOT NULL,
    task TEXT NOT NULL,
    score_name TEXT NOT NULL,
    score REAL NOT NULL,
    stderr REAL,
    -- The score with its key as JSON.
    document TEXT NOT NULL,
    UNIQUE (run_id, key_hash, revision)
) STRICT;
CREATE UNIQUE INDEX eval_current ON eval (run_id, key_hash) WHERE valid_to IS NULL;

-- The newest run of each curve on each branch ('' for none), kept by every change: a curve is drawn from one run.
CREATE TABLE curve_latest (
    curve_id INTEGER NOT NULL REFERENCES curve (id),
    branch TEXT NOT NULL,
    run_id INTEGER NOT NULL REFERENCES run (id),
    started_ms INTEGER NOT NULL,
    PRIMARY KEY (curve_id, branch)
) STRICT, WITHOUT ROWID;

-- What was not understood: shown, never guessed.
CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY,
    change_id INTEGER NOT NULL REFERENCES change (id),
    source TEXT NOT NULL,
    place TEXT NOT NULL,
    reason TEXT NOT NULL,
    payload TEXT NOT NULL,
    -- Of source digest, place and payload: the same row is kept once.
    digest BLOB NOT NULL UNIQUE
) STRICT;

-- "imax": what says that a file is a history.
PRAGMA application_id = 1768776056;
