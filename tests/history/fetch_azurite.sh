#!/usr/bin/env bash
# Azure's own emulator of its object storage for the nightly tests: after fetch_azurite.sh OUT, OUT/node_modules/azurite is it. Needs Node.
set -euo pipefail
out=$(realpath -m "${1:?usage: fetch_azurite.sh OUT}")
mkdir -p "$out"
if [ -e "$out/complete" ]; then exit 0; fi

rm -rf "$out/node_modules"
npm install --prefix "$out" --no-save --no-audit --no-fund --silent azurite@3.35.0
node "$out/node_modules/azurite/dist/src/blob/main.js" --version
touch "$out/complete"
