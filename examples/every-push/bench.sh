#!/usr/bin/env bash
# Measures every row of the configs on this machine, one after the other, and compares the run with the history. Ends with 5 if
# something got worse.
set -euo pipefail

results=${RESULTS:-results}
history=${HISTORY:-history}
mkdir -p "$results"
rm -rf "$results/jobs" "$results/run"

imax check
imax matrix full-sweep --no-evals >"$results/rows.json"
for ((row = 0; row < $(jq length "$results/rows.json"); row++)); do
  status=0
  jq ".[$row]" "$results/rows.json" | imax run --row - --out "$results/jobs/$row" --runner-name "${RUNNER_NAME:-cpu_0}" || status=$?
  # A failed row is a failed point of the report; a signal ends everything.
  if [ "$status" -ge 128 ]; then exit "$status"; fi
done

imax collect "$results/jobs" --out "$results/run" >/dev/null
# The first run has nothing to compare with.
compared=(--baseline "history:$history" --baseline-optional)
imax report "$results/run" "${compared[@]}" --format html --out "$results/report.html"
imax report "$results/run" "${compared[@]}" --format markdown --out "$results/summary.md" ${GITHUB_STEP_SUMMARY:+--job-summary}
if [ "${GITHUB_EVENT_NAME:-}" = pull_request ]; then imax comment "$results/run" "${compared[@]}"; fi
verdict=0
imax report "$results/run" "${compared[@]}" --fail-on regression || verdict=$?

# Added after the reports, because a run does not compare with itself. Results of a pull request are not a baseline.
if [ "${GITHUB_EVENT_NAME:-}" != pull_request ]; then
  imax collect "$results/jobs" --out "$results/run" --history "$history" \
    --commit "${GITHUB_SHA:-$(git rev-parse HEAD)}" --branch "${GITHUB_REF_NAME:-$(git rev-parse --abbrev-ref HEAD)}" >/dev/null
fi
exit "$verdict"
