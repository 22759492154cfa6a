#!/usr/bin/env bash
# Measures every row of the configs on this machine, one after the other, and compares the run with the history.
set -euo pipefail

results=${RESULTS:-results}
history=${HISTORY:-history}
mkdir -p "$results"

imax check
imax matrix full-sweep --no-evals >"$results/rows.json"
for ((row = 0; row < $(jq length "$results/rows.json"); row++)); do
  status=0
  jq ".[$row]" "$results/rows.json" | imax run --row - --out "$results/jobs/$row" --runner-name "${RUNNER_NAME:-cpu_0}" || status=$?
  # A failed row is a failed point of the report; a signal ends everything.
  if [ "$status" -ge 128 ]; then exit "$status"; fi
done

imax collect "$results/jobs" --out "$results/run"
# The first run has nothing to compare with.
compared=(--baseline "history:$history" --baseline-optional)
imax report "$results/run" "${compared[@]}" --format html --out "$results/report.html"
imax report "$results/run" "${compared[@]}" --format markdown --out "$results/summary.md" ${GITHUB_STEP_SUMMARY:+--job-summary}
if [ "${GITHUB_EVENT_NAME:-}" = pull_request ]; then
  imax comment "$results/run" "${compared[@]}"
else
  # What was measured on a pull request is no baseline. Added after the report: a run does not compare with itself.
  imax collect "$results/jobs" --out "$results/run" --history "$history"
fi
imax report "$results/run" "${compared[@]}" --fail-on regression
