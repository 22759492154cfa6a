#!/usr/bin/env bash
# Bundles the two stand-in actions into the given folder: ./build.sh OUT gives OUT/upload-artifact, OUT/download-artifact.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
out=${1:?usage: build.sh OUT}
mkdir -p "$out"
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$out/"
cp -r "$here/upload-artifact" "$here/download-artifact" "$out/"
cd "$out"
npm ci --silent
for action in upload-artifact download-artifact; do
  # An ES module has no `require`; the client library's CommonJS parts need one.
  npx esbuild "$action/index.mjs" --bundle --platform=node --target=node20 --format=esm --keep-names --log-level=warning \
    --banner:js='import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' \
    --outfile="$action/bundle.mjs"
  mv "$action/bundle.mjs" "$action/index.mjs"
done
