#!/usr/bin/env bash
# Requests made from dist/openapi.json against a real server: no answer is a 5xx, none differs from the description.
#
#   tests/serving/schemathesis.sh IMAX [EXAMPLES] [SECONDS]    IMAX: the program; EXAMPLES for each operation (400), at most SECONDS (900)
#
# Installs schemathesis into target/ci-tools/schemathesis, or where SCHEMATHESIS says, if it is not there. Reads and writes are both
# called: the server has a history of its own, which is thrown away. Ends with 1 for a finding, and with 2 if fewer than 10,000 requests
# were made in the usual number of examples.
set -euo pipefail
imax=$(realpath "${1:?the imax program}")
examples=${2:-400}
seconds=${3:-900}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tools=$(realpath -m "${SCHEMATHESIS:-target/ci-tools/schemathesis}")
if [ ! -x "$tools/bin/schemathesis" ]; then
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check 'schemathesis>=4,<5'
fi
folder=$(mktemp -d)
server=
stop() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap stop EXIT
"$imax" import tests/golden/report/history/history --to "$folder/history.db" >/dev/null
token=$("$imax" token create --history "$folder/history.db" --name schemathesis --scope admin --days 1 | grep -o 'imax_[A-Za-z0-9_-]*' | head -1)
"$imax" serve --history "$folder/history.db" --listen 127.0.0.1:0 --rate-limit 0 --writes >/dev/null 2>"$folder/server.log" &
server=$!
address=
for _ in $(seq 300); do
  address=$(grep -o 'listening on http://[0-9.:]*' "$folder/server.log" | head -1 | sed 's/listening on //') || true
  [ -n "$address" ] && break
  kill -0 "$server" || { cat "$folder/server.log"; exit 1; }
  sleep 0.1
done
code=0
# It keeps what failed in the folder in which it runs.
cd "$folder"
timeout --signal=INT "$seconds" "$tools/bin/schemathesis" run "$address/api/openapi.json" --header "Authorization: Bearer $token" \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance \
  --phases "${SCHEMATHESIS_PHASES:-examples,coverage,fuzzing}" --max-examples "$examples" --request-timeout 60 --generation-database none --seed 1 --no-color \
  >"$folder/report" 2>&1 || code=$?
sed -n "/= \(FAILURES\|SUMMARY\)/,\$p" "$folder/report" | head -n 300
kill -0 "$server" || { echo "the server ended"; tail "$folder/server.log"; exit 1; }
made=$(curl -fsS "$address/metrics" | awk '/^imax_http_requests_total/ { sum += $NF } END { print sum + 0 }')
failed=$(curl -fsS "$address/metrics" | awk '/^imax_http_requests_total.*status="5(00|0[124-9])"/ { sum += $NF } END { print sum + 0 }')
echo "$made requests, $failed answers with 5xx"
if [ "$code" -ne 0 ] || [ "$failed" -ne 0 ]; then exit 1; fi
if [ "$examples" -ge 400 ] && [ "$made" -lt 10000 ]; then echo "fewer than 10,000 requests"; exit 2; fi
