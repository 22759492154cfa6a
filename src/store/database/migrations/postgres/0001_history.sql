-- A history: what was measured, when it was stored, and what replaced it. Nothing is deleted: rows that can change carry the change
-- that stored them (valid_from) and the change that replaced or withdrew them (valid_to, NULL while they hold), so that the state as of
-- any change can be read. Times are milliseconds since 1970 UTC, digests SHA-256.

-- One row for each transaction that changed something; its id orders them, in the order of their commits.
CREATE TABLE change (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    -- publish, import, retract, restore
    action TEXT NOT NULL,
    author TEXT,
    imax_version TEXT NOT NULL
);

-- The files that rows were read from. A file is known by its content, never by its name.
CREATE TABLE source_file (
    digest BYTEA PRIMARY KEY,
    name TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    change_id BIGINT NOT NULL REFERENCES change (id)
);

CREATE TABLE project (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug TEXT NOT NULL UNIQUE
);

-- A run's identity. Everything that may be corrected is in run_revision.
CREATE TABLE run (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES project (id),
    -- github; content for a run without a number, whose external_id is the digest of its content
    provider TEXT NOT NULL,
    repository TEXT NOT NULL,
    external_id TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    UNIQUE (project_id, provider, repository, external_id, attempt)
);

CREATE TABLE run_revision (
    run_id BIGINT NOT NULL REFERENCES run (id),
    revision BIGINT NOT NULL,
    valid_from BIGINT NOT NULL REFERENCES change (id),
    valid_to BIGINT REFERENCES change (id),
    kind TEXT NOT NULL,
    branch TEXT,
    commit_sha TEXT NOT NULL,
    started_ms BIGINT NOT NULL,
    -- The run as JSON (imax-history/1), without its points and scores.
    document TEXT NOT NULL,
    digest BYTEA NOT NULL,
    source_digest BYTEA REFERENCES source_file (digest),
    PRIMARY KEY (run_id, revision)
);
CREATE UNIQUE INDEX run_revision_current ON run_revision (run_id) WHERE valid_to IS NULL;
CREATE INDEX run_revision_started ON run_revision (started_ms);
CREATE INDEX run_revision_commit ON run_revision (commit_sha);

-- A run that was withdrawn, for as long as it is.
CREATE TABLE retraction (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id BIGINT NOT NULL REFERENCES run (id),
    valid_from BIGINT NOT NULL REFERENCES change (id),
    valid_to BIGINT REFERENCES change (id),
    reason TEXT NOT NULL,
    author TEXT NOT NULL
);
CREATE UNIQUE INDEX retraction_current ON retraction (run_id) WHERE valid_to IS NULL;

CREATE TABLE curve (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id BIGINT NOT NULL REFERENCES project (id),
    -- The digest of the dimensions that are not at their default.
    key_hash BYTEA NOT NULL,
    key_version BIGINT NOT NULL,
    -- The whole key as JSON.
    document TEXT NOT NULL,
    model_prefix TEXT NOT NULL,
    precision TEXT NOT NULL,
    hardware TEXT NOT NULL,
    framework TEXT NOT NULL,
    spec_decoding TEXT NOT NULL,
    disagg BIGINT NOT NULL,
    scenario TEXT NOT NULL,
    isl BIGINT,
    osl BIGINT,
    layout TEXT NOT NULL,
    UNIQUE (project_id, key_hash)
);
CREATE INDEX curve_model_hardware ON curve (project_id, model_prefix, hardware);

CREATE TABLE point_key (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    curve_id BIGINT NOT NULL REFERENCES curve (id),
    -- concurrency: requests under way at once
    load_kind TEXT NOT NULL,
    load BIGINT NOT NULL,
    UNIQUE (curve_id, load_kind, load)
);

CREATE TABLE point (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id BIGINT NOT NULL REFERENCES run (id),
    point_key_id BIGINT NOT NULL REFERENCES point_key (id),
    revision BIGINT NOT NULL,
    valid_from BIGINT NOT NULL REFERENCES change (id),
    valid_to BIGINT REFERENCES change (id),
    -- Of the point as JSON with sorted members.
    digest BYTEA NOT NULL,
    source_digest BYTEA REFERENCES source_file (digest),
    model TEXT,
    image TEXT,
    -- The split over GPUs as JSON.
    layout TEXT NOT NULL,
    gpus BIGINT NOT NULL,
    -- measured, or the class of the failure
    outcome TEXT NOT NULL,
    reason TEXT,
    -- Names and units as in agg_*.json: times in seconds, rates a second. NULL where it was not reported.
    tput_per_gpu DOUBLE PRECISION,
    output_tput_per_gpu DOUBLE PRECISION,
    input_tput_per_gpu DOUBLE PRECISION,
    mean_ttft DOUBLE PRECISION,
    median_ttft DOUBLE PRECISION,
    std_ttft DOUBLE PRECISION,
    p90_ttft DOUBLE PRECISION,
    p95_ttft DOUBLE PRECISION,
    p99_ttft DOUBLE PRECISION,
    p99_9_ttft DOUBLE PRECISION,
    mean_tpot DOUBLE PRECISION,
    median_tpot DOUBLE PRECISION,
    std_tpot DOUBLE PRECISION,
    p90_tpot DOUBLE PRECISION,
    p95_tpot DOUBLE PRECISION,
    p99_tpot DOUBLE PRECISION,
    p99_9_tpot DOUBLE PRECISION,
    mean_intvty DOUBLE PRECISION,
    median_intvty DOUBLE PRECISION,
    std_intvty DOUBLE PRECISION,
    p90_intvty DOUBLE PRECISION,
    p95_intvty DOUBLE PRECISION,
    p99_intvty DOUBLE PRECISION,
    p99_9_intvty DOUBLE PRECISION,
    mean_itl DOUBLE PRECISION,
    median_itl DOUBLE PRECISION,
    std_itl DOUBLE PRECISION,
    p90_itl DOUBLE PRECISION,
    p95_itl DOUBLE PRECISION,
    p99_itl DOUBLE PRECISION,
    p99_9_itl DOUBLE PRECISION,
    mean_e2el DOUBLE PRECISION,
    median_e2el DOUBLE PRECISION,
    std_e2el DOUBLE PRECISION,
    p90_e2el DOUBLE PRECISION,
    p95_e2el DOUBLE PRECISION,
    p99_e2el DOUBLE PRECISION,
    p99_9_e2el DOUBLE PRECISION,
    avg_power_w DOUBLE PRECISION,
    avg_total_gpu_power_w DOUBLE PRECISION,
    total_gpu_energy_j DOUBLE PRECISION,
    joules_per_successful_query DOUBLE PRECISION,
    joules_per_input_token DOUBLE PRECISION,
    joules_per_output_token DOUBLE PRECISION,
    joules_per_total_token DOUBLE PRECISION,
    avg_temp_c DOUBLE PRECISION,
    peak_temp_c DOUBLE PRECISION,
    avg_util_pct DOUBLE PRECISION,
    avg_mem_used_mb DOUBLE PRECISION,
    ci_low_tput_per_gpu DOUBLE PRECISION,
    ci_high_tput_per_gpu DOUBLE PRECISION,
    ci_low_intvty DOUBLE PRECISION,
    ci_high_intvty DOUBLE PRECISION,
    ci_low_ttft DOUBLE PRECISION,
    ci_high_ttft DOUBLE PRECISION,
    ci_low_tpot DOUBLE PRECISION,
    ci_high_tpot DOUBLE PRECISION,
    ci_low_e2el DOUBLE PRECISION,
    ci_high_e2el DOUBLE PRECISION,
    -- Numbers and intervals without a column, as JSON.
    extra TEXT,
    UNIQUE (run_id, point_key_id, revision)
);
CREATE UNIQUE INDEX point_current ON point (run_id, point_key_id) WHERE valid_to IS NULL;
CREATE INDEX point_series ON point (point_key_id, run_id);

CREATE TABLE eval (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id BIGINT NOT NULL REFERENCES run (id),
    -- The digest of the score's key.
    key_hash BYTEA NOT NULL,
    revision BIGINT NOT NULL,
    valid_from BIGINT NOT NULL REFERENCES change (id),
    valid_to BIGINT REFERENCES change (id),
    digest BYTEA NOT NULL,
    model_prefix TEXT NOT NULL,
    hardware TEXT NOT NULL,
    framework TEXT NOT NULL,
    precision TEXT NOT NULL,
    task TEXT NOT NULL,
    score_name TEXT NOT NULL,
    score DOUBLE PRECISION NOT NULL,
    stderr DOUBLE PRECISION,
    -- The score with its key as JSON.
    document TEXT NOT NULL,
    UNIQUE (run_id, key_hash, revision)
);
CREATE UNIQUE INDEX eval_current ON eval (run_id, key_hash) WHERE valid_to IS NULL;

-- The newest run of each curve on each branch ('' for none), kept by every change: a curve is drawn from one run.
CREATE TABLE curve_latest (
    curve_id BIGINT NOT NULL REFERENCES curve (id),
    branch TEXT NOT NULL,
    run_id BIGINT NOT NULL REFERENCES run (id),
    started_ms BIGINT NOT NULL,
    PRIMARY KEY (curve_id, branch)
);

-- What was not understood: shown, never guessed.
CREATE TABLE quarantine (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    change_id BIGINT NOT NULL REFERENCES change (id),
    source TEXT NOT NULL,
    place TEXT NOT NULL,
    reason TEXT NOT NULL,
    payload TEXT NOT NULL,
    -- Of source digest, place and payload: the same row is kept once.
    digest BYTEA NOT NULL UNIQUE
);
