#!/usr/bin/env bash
# Builds the dashboards' script and style into OUT/dist, with the packages of package-lock.json in OUT/node_modules. `--check` compares the
# result with what is committed in web/dist; `--commit` writes it there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
out=${1:?usage: build.sh OUT [--check | --commit]}
mkdir -p "$out/web"
out=$(cd "$out" && pwd -P)
if ! cmp --silent "$here/package-lock.json" "$out/web/package-lock.json" || [ ! -x "$out/web/node_modules/.bin/vite" ]; then
  cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$out/web/"
  (cd "$out/web" && npm ci --silent)
fi
rm -rf "$out/web/src" "$out/dist"
cp -r "$here/src" "$here/tsconfig.json" "$here/vite.config.ts" "$here/package.json" "$out/web/"
mkdir -p "$out/dist"
cp "$here/../dist/openapi.json" "$out/dist/openapi.json"
cd "$out/web"
# Types that are not those of the present API fail the build instead of a reader.
node_modules/.bin/openapi-typescript "$out/dist/openapi.json" --output src/api_types.ts >/dev/null
if ! cmp --silent src/api_types.ts "$here/src/api_types.ts" && [ "${2:-}" = --check ]; then
  echo "web/src/api_types.ts is not made from dist/openapi.json; run web/build.sh FOLDER --commit" >&2
  exit 1
fi
node_modules/.bin/tsc --noEmit
node_modules/.bin/vite build --logLevel warn
case "${2:-}" in
  --check)
    # Versions of zlib compress differently: the contents count.
    for name in app.js app.css; do
      cmp <(gzip -dc "dist/$name.gz") <(gzip -dc "$here/dist/$name.gz") || {
        echo "web/dist/$name.gz is not built from web/src; run web/build.sh FOLDER --commit" >&2
        exit 1
      }
    done
    ;;
  --commit)
    cp src/api_types.ts "$here/src/api_types.ts"
    cp dist/app.js.gz dist/app.css.gz "$here/dist/"
    ;;
esac
