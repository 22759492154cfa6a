#!/usr/bin/env python3
"""Times of a history: a million points of 12 nights in SQLite, and in PostgreSQL where an address is given.

    benches/history.py target/release/imax [--points 1000000] [--postgres postgres://USER@HOST/DATABASE]

Fills a new history, then runs commands of imax as a user would and prints the best of five wall times, with and without the start of the
process (`imax --version`), the processor time and the largest resident memory. psql must be installed for PostgreSQL, whose database must be empty.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time

NIGHTS = 12
CONCURRENCIES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
MODELS, HARDWARE = 20, 10
RUN_POINTS = 1800

# Statements that both engines understand; {points} and {curves} are numbers, {hash} and {series} differ.
FILL = [
    "INSERT INTO change (at_ms, action, imax_version) SELECT 1700000000000 + n, 'import', 'bench' FROM {nights}",
    """INSERT INTO run (project_id, provider, repository, external_id, attempt)
       SELECT 1, 'github', 'octo/bench', 'night-' || n, 1 FROM {nights}""",
    """INSERT INTO run_revision (run_id, revision, valid_from, kind, branch, commit_sha, started_ms, document, digest)
       SELECT r.id, 1, 1, 'main', 'main', 'abc', 1760000000000 + r.id * 86400000,
       '{{"schema":"imax-history/1","commit":"abc","date":"2026-01-01T00:00:00Z","run":{{"points":[]}}}}', {hash_run}
       FROM run r WHERE r.external_id LIKE 'night-%'""",
    """INSERT INTO curve (project_id, key_hash, key_version, document, model_prefix, precision, hardware, framework, spec_decoding, disagg,
       scenario, isl, osl, layout)
       SELECT 1, {hash_curve}, 1, '{{"model-prefix":"m' || (n % {models}) || '","precision":"fp8","runner":"g' || ((n / {models}) % {hardware})
       || '","framework":"f' || n || '","spec-decoding":"none","disagg":false,"workload":"agentic-coding","layout":"tp4"}}',
       'm' || (n % {models}), 'fp8', 'g' || ((n / {models}) % {hardware}), 'f' || n, 'none', 0, 'agentic-coding', NULL, NULL, 'tp4' FROM {curves}""",
    """INSERT INTO point_key (curve_id, load_kind, load) SELECT c.id, 'concurrency', l.load FROM curve c
       CROSS JOIN (SELECT 1 AS load {loads}) l WHERE c.framework LIKE 'f%'""",
    """INSERT INTO point (run_id, point_key_id, revision, valid_from, digest, layout, gpus, outcome, {metrics})
       SELECT r.id, k.id, 1, 1, {hash_point},
       '{{"single-node":{{"tp":4,"pp":1,"dcp-size":1,"pcp-size":1,"ep":1,"dp-attn":false}}}}', 4, 'measured', {values}
       FROM run r CROSS JOIN point_key k JOIN curve c ON c.id = k.curve_id WHERE r.external_id LIKE 'night-%' AND c.framework LIKE 'f%'""",
    """INSERT INTO run_count (run_id, points, measured)
       SELECT p.run_id, count(*), count(*) FROM point p JOIN run r ON r.id = p.run_id WHERE r.external_id LIKE 'night-%' GROUP BY p.run_id""",
    """INSERT INTO curve_latest (curve_id, branch, run_id, started_ms)
       SELECT c.id, 'main', (SELECT max(id) FROM run WHERE external_id LIKE 'night-%'), 1760000000000 FROM curve c WHERE c.framework LIKE 'f%'""",
]
METRICS = ["tput_per_gpu", "output_tput_per_gpu", "input_tput_per_gpu"] + [
    f"{statistic}_{latency}"
    for latency in ["ttft", "tpot", "intvty", "itl", "e2el"]
    for statistic in ["mean", "median", "std", "p90", "p95", "p99", "p99_9"]
]


def night(points):
    """A file of a history with a run of so many points."""
    def point(index):
        curve = {"model-prefix": f"n{index // 10 % MODELS}", "precision": "fp8", "runner": f"g{index // 200}", "framework": "sim",
                 "spec-decoding": "none", "disagg": False, "workload": "agentic-coding", "layout": "tp4"}
        layout = {"single-node": {"tp": 4, "pp": 1, "dcp-size": 1, "pcp-size": 1, "ep": 1, "dp-attn": False}}
        numbers = {name.replace("p99_9", "p99.9"): 100.0 + index for name in METRICS}
        return {"key": {"curve": curve, "conc": CONCURRENCIES[index % 10]}, "model": None, "image": None, "layout": layout, "gpus": 4,
                "outcome": {"measured": numbers}}
    run = {"points": [point(index) for index in range(points)]}
    return {"schema": "imax-history/1", "commit": "abc", "date": "2026-11-01T00:00:00Z", "branch": "main", "run": run}


def statements(postgres, points):
    count = max(1, points // NIGHTS // len(CONCURRENCIES))
    if postgres:
        numbers, digest = "generate_series(1, {0}) AS s(n)", "sha256(({0})::text::bytea)"
    else:
        numbers, digest = "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {0}) SELECT n FROM s)", "randomblob(32)"
    loads = " ".join(f"UNION ALL SELECT {load}" for load in CONCURRENCIES[1:])
    return [
        text.format(
            nights=numbers.format(NIGHTS), curves=numbers.format(count), models=MODELS, hardware=HARDWARE, loads=loads,
            hash_run=digest.format("r.id"), hash_curve=digest.format("n"), hash_point=digest.format("k.id * 100 + r.id"),
            metrics=", ".join(METRICS), values=", ".join(f"{at + 1} + k.id % 97 + r.id * 0.01" for at in range(len(METRICS))),
        )
        for text in FILL
    ]


def fill(address, postgres, points):
    began = time.monotonic()
    if postgres:
        for statement in statements(True, points) + ["ANALYZE"]:
            subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", address, "-c", statement], check=True)
    else:
        database = sqlite3.connect(address)
        for statement in statements(False, points):
            database.execute(statement)
        database.commit()
        database.execute("ANALYZE")
        database.close()
    print(f"filled with {points} points in {time.monotonic() - began:.0f} s")


def measure(arguments, times=5):
    """The best wall time and processor time, seconds, and the largest memory, MB."""
    best, busy, most = float("inf"), float("inf"), 0
    for _ in range(times):
        began = time.monotonic()
        child = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        if status != 0:
            sys.exit(f"{' '.join(arguments)}: {said.decode()}")
        best, most = min(best, time.monotonic() - began), max(most, usage.ru_maxrss / 1024)
        busy = min(busy, usage.ru_utime + usage.ru_stime)
    return best, busy, most


def bench(imax, address, postgres, points, folder):
    def write(name, count, date):
        path = os.path.join(folder, name)
        with open(path, "w") as file:
            json.dump(night(count) | {"date": date}, file)
        return path

    first = write("first.json", 1, "2026-10-01T00:00:00Z")
    subprocess.run([imax, "import", first, "--to", address], check=True, stdout=subprocess.DEVNULL)
    fill(address, postgres, points)
    start, _, _ = measure([imax, "--version"])
    ingests = [measure([imax, "import", write("run.json", RUN_POINTS, f"2026-11-{day:02}T00:00:00Z"), "--to", address], 1) for day in range(1, 6)]
    runs = json.loads(subprocess.run([imax, "history", "list", "--history", address, "--newest", "1", "--json"], check=True,
                                     stdout=subprocess.PIPE).stdout)
    of = ["--history", address]
    cases = {
        "newest curves of a model on a hardware": ["history", "curves", *of, "--branch", "main", "--filter", "model=m3", "--filter", "hardware=g2", "--json"],
        "series of a point": ["history", "series", *of, "--branch", "main", "--filter", "model=m3", "--filter", "framework=f43", "--filter", "conc=64", "--json"],
        f"whole run of {RUN_POINTS} points": ["history", "show", str(runs[0]["id"]), *of, "--format", "json"],
        "list of runs": ["history", "list", *of, "--json"],
    }
    print(f"{'':42} {'wall':>9} {'less start':>11} {'processor':>12} {'memory':>9}")
    measured = {f"ingest of {RUN_POINTS} points": min(ingests)} | {name: measure([imax, *line]) for name, line in cases.items()}
    for name, (wall, busy, memory) in measured.items():
        print(f"{name:42} {wall * 1000:6.0f} ms {(wall - start) * 1000:8.1f} ms {busy * 1000:9.0f} ms {memory:6.0f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("imax")
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--postgres")
    arguments = parser.parse_args()
    imax = os.path.abspath(arguments.imax)
    with tempfile.TemporaryDirectory() as folder:
        print("SQLite")
        path = os.path.join(folder, "history.db")
        bench(imax, path, False, arguments.points, folder)
        print(f"file of {os.path.getsize(path) / 1e6:.0f} MB")
        if arguments.postgres:
            print("PostgreSQL")
            bench(imax, arguments.postgres, True, arguments.points, folder)


if __name__ == "__main__":
    main()
