-- Which curves an entry of the changelog (a record of its run) made the run measure.
CREATE TABLE changelog_curve (
    record_id INTEGER NOT NULL REFERENCES run_record (id),
    curve_id INTEGER NOT NULL REFERENCES curve (id),
    PRIMARY KEY (curve_id, record_id)
) STRICT;

-- What a GPU-hour costs, by provider, kind and day; a correction closes a row and adds one.
CREATE TABLE price (
    id INTEGER PRIMARY KEY,
    valid_from INTEGER NOT NULL REFERENCES change (id),
    valid_to INTEGER REFERENCES change (id),
    hardware TEXT NOT NULL,
    provider TEXT NOT NULL,
    -- on-demand, spot, reserved, estimate
    kind TEXT NOT NULL,
    -- The day from which it holds, 2026-11-30
    price_date TEXT NOT NULL,
    usd_per_gpu_hour REAL NOT NULL,
    -- Where it was read
    source TEXT
) STRICT;
CREATE UNIQUE INDEX price_current ON price (hardware, provider, kind, price_date) WHERE valid_to IS NULL;
