#!/usr/bin/env python3
"""Scans of a whole history by DuckDB over its archive, which is what the archive is for.

    benches/archive.py target/release/imax --python PYTHON_WITH_DUCKDB [--points 1000000] [--times 10] [--folder FOLDER]

Fills a SQLite history, writes its months with `imax history archive`, and lets DuckDB read the Parquet files `--times` times in one query, as a
history that many times as long would have them: by default ten million points. Prints the best of five wall times of each query, with the start of
Python and without it. FOLDER keeps the archive; a million points need about 1 GB while it runs.
"""

import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile
import time

import history

QUERIES = {
    "mean by hardware": "select hardware, count(*), avg(tput_per_gpu) from {files} group by hardware order by hardware",
    "best point of each model": "select model_prefix, max(tput_per_gpu), min(median_ttft) from {files} group by model_prefix order by 1",
    "percentiles": "select quantile_cont(p99_ttft, [0.5, 0.9, 0.99]) from {files} where outcome = 'measured'",
}

SCRIPT = """
import json, sys, time, duckdb
files, queries = json.load(sys.stdin)
found = {}
for name, query in queries.items():
    best = float("inf")
    for _ in range(5):
        began = time.monotonic()
        rows = duckdb.sql(query.format(files=f"read_parquet({files})")).fetchall()
        best = min(best, time.monotonic() - began)
    found[name] = (best, len(rows))
found["rows"] = (0, duckdb.sql(f"select count(*) from read_parquet({files})").fetchall()[0][0])
print(json.dumps(found))
"""


def archived(imax, points, folder):
    """The Parquet files of a history with this number of points."""
    path = os.path.join(folder, "history.db")
    first = os.path.join(folder, "first.json")
    with open(first, "w") as file:
        json.dump(history.night(1), file)
    subprocess.run([imax, "import", first, "--to", path], check=True, stdout=subprocess.DEVNULL)
    history.fill(path, False, points)
    began = time.monotonic()
    to = os.path.join(folder, "archive")
    line = [imax, "history", "archive", "--history", path, "--to", to, "--before", "2999-01-01T00:00:00Z"]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
    os.remove(path)
    # DuckDB reads these alone.
    for document in glob.glob(os.path.join(to, "*.json")):
        os.remove(document)
    files = sorted(glob.glob(os.path.join(to, "*.parquet")))
    size = sum(os.path.getsize(file) for file in files)
    print(f"archived in {time.monotonic() - began:.0f} s: {len(files)} files of {size / 1e6:.0f} MB")
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("imax")
    parser.add_argument("--python", default=sys.executable, help="a Python that has DuckDB, such as that of tests/history/fetch_s3.sh")
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        files = archived(os.path.abspath(arguments.imax), arguments.points, folder)
        began = time.monotonic()
        asked = json.dumps([files * arguments.times, QUERIES])
        output = subprocess.run([arguments.python, "-c", SCRIPT], input=asked, check=True, stdout=subprocess.PIPE, text=True).stdout
        whole = time.monotonic() - began
    found = json.loads(output)
    print(f"{found.pop('rows')[1]} points, all queries five times with the start of Python {whole:.2f} s")
    for name, (seconds, rows) in found.items():
        print(f"{name:30} {seconds * 1000:8.0f} ms, {rows} rows")


if __name__ == "__main__":
    main()
