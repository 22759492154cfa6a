#!/usr/bin/env bash
# A/A test of the verdicts: how often two measurements of the same thing are called better or worse. At most one comparison in
# twenty may be.
#
#   benches/aa.sh [--busy] [-n DEMOS] [--keep DIR] [IMAX]
#
# Runs `imax demo --unchanged` DEMOS times (default 10), each of which measures two equal commits and compares them; then compares
# single runs of all of them with each other, without a history, as a newcomer does. --busy keeps one core busy meanwhile.
set -euo pipefail

demos=10 busy='' keep='' imax=target/release/imax
while [ $# -gt 0 ]; do
  case $1 in
    --busy) busy=1 ;;
    -n) demos=$2; shift ;;
    --keep) keep=$2; shift ;;
    -*) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    *) imax=$1 ;;
  esac
  shift
done
imax=$(realpath "$imax")
folder=${keep:-$(mktemp -d)}
mkdir -p "$folder"
spinner=
cleanup() {
  if [ -n "$spinner" ]; then kill "$spinner"; fi
  if [ -z "$keep" ]; then rm -rf "$folder"; fi
}
trap cleanup EXIT
if [ -n "$busy" ]; then
  (trap - EXIT; while :; do :; done) &
  spinner=$!
fi

# Of points and curves, their metrics not counted.
alarms() { grep -cE '^ {4,8}"verdict": "(better|worse|failed)"' || true; }

wrong=0
for demo in $(seq "$demos"); do
  "$imax" demo --unchanged --dir "$folder/$demo" >"$folder/$demo.log" 2>&1 || { cat "$folder/$demo.log" >&2; exit 1; }
  found=$(alarms <"$folder/$demo/comparison.json")
  [ "$found" = 0 ] || wrong=$((wrong + 1))
  echo "demo $demo: $found false alarms (load $(cut -d' ' -f1 /proc/loadavg))"
done
echo "demos with a false alarm: $wrong of $demos"

pairs=0 wrong_pairs=0
runs=("$folder"/*/first "$folder"/*/second)
for i in "${!runs[@]}"; do
  for j in "${!runs[@]}"; do
    [ "$i" -lt "$j" ] || continue
    found=$("$imax" compare "${runs[$i]}" "${runs[$j]}" --format json | alarms)
    pairs=$((pairs + 1))
    [ "$found" = 0 ] || { wrong_pairs=$((wrong_pairs + 1)); echo "${runs[$i]#"$folder/"} and ${runs[$j]#"$folder/"}: $found false alarms"; }
  done
done
echo "pairs of single runs with a false alarm: $wrong_pairs of $pairs"
[ $((20 * wrong)) -le "$demos" ] && [ $((20 * wrong_pairs)) -le "$pairs" ]
