#!/usr/bin/env bash
# Installs GitHub's OpenAPI description and Prism into the given folder.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
out=${1:?usage: build.sh OUT}
mkdir -p "$out"
if cmp --silent "$here/package-lock.json" "$out/package-lock.json" && [ -x "$out/node_modules/.bin/prism" ]; then exit 0; fi
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$out/"
cd "$out"
npm ci --silent
