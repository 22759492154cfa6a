#!/usr/bin/env bash
# A proxy that compares each answer with dist/openapi.json, in front of a real server: requests to every route that reads, and to routes that write.
#
#   tests/serving/prism.sh IMAX [PRISM]    IMAX: the program; PRISM: prism of @stoplight/prism-cli, else npx fetches it
#
# Ends with 1 if an answer differs from the description, or a request that must succeed does not.
set -euo pipefail
imax=$(realpath "${1:?the imax program}")
prism=${2:-npx --yes @stoplight/prism-cli}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=$(mktemp -d)
pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$folder"
}
trap stop EXIT
"$imax" import tests/golden/report/history/history --to "$folder/history.db" >/dev/null
token=$("$imax" token create --history "$folder/history.db" --name prism --scope admin --days 1 | grep -o 'imax_[A-Za-z0-9_-]*' | head -1)
"$imax" serve --history "$folder/history.db" --listen 127.0.0.1:0 --rate-limit 0 --writes >/dev/null 2>"$folder/server.log" &
pids+=($!)
await() {
  for _ in $(seq 600); do
    found=$(grep -oE "$2" "$1" | head -1) || true
    if [ -n "$found" ]; then echo "$found"; return; fi
    sleep 0.1
  done
  cat "$1" >&2
  return 1
}
server=$(await "$folder/server.log" 'http://127\.0\.0\.1:[0-9]+')
# 0 would be any free port, but prism prints it only with colours; a port beside the server's is free in practice.
port=$((${server##*:} + 1))
$prism proxy dist/openapi.json "$server" --errors --host 127.0.0.1 --port "$port" >"$folder/prism.log" 2>&1 &
pids+=($!)
await "$folder/prism.log" 'is listening' >/dev/null
proxy="http://127.0.0.1:$port"
digest=$(curl -fsS "$server/api/v1/points?limit=1&fields=source" | grep -oE '[0-9a-f]{64}')
bad=0 all=0
ask() {
  local expected=$1 path=$2
  shift 2
  status=$(curl -sS -o "$folder/body" -w '%{http_code}' "$@" "$proxy$path")
  all=$((all + 1))
  # With --errors, prism answers 500 with a problem of its own where the server's answer differs from the description.
  if [ "$status" != "$expected" ] || grep -q 'stoplight.io/prism/errors' "$folder/body"; then
    echo "$status instead of $expected: $path"
    head -c 600 "$folder/body"
    echo
    bad=$((bad + 1))
  fi
}
for path in projects runs runs/1 points points/1 curves 'series?branch=main' 'compare?base=run:1&head=run:10' 'frontier?at=100' cheapest facets evals \
  reliability changes annotations hardware prices "files/$digest" mlperf quarantine; do
  ask 200 "/api/v1/$path" -H 'Accept: application/json'
done
ask 200 '/badge/throughput-per-gpu.svg?filter=conc=64'
ask 200 '/card/throughput-per-gpu.png?filter=conc=64'
ask 200 '/chart/ttft.svg'
for path in /healthz /readyz /metrics; do ask 200 "$path"; done
ask 404 /api/v1/runs/999 -H 'Accept: application/json'
authorization="Authorization: Bearer $token"
ask 200 /api/v1/audit -H "$authorization" -H 'Accept: application/json'
ask 200 /api/v1/runs/3/retract -H "$authorization" -H 'Content-Type: application/json' -d '{"reason": "throttled"}'
ask 200 /api/v1/runs/3/restore -H "$authorization" -H 'Content-Type: application/json' -d '{}'
echo "$all requests through the proxy, $bad that differ"
[ "$bad" -eq 0 ]
