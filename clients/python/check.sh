#!/usr/bin/env bash
# Checks the client against an imax: generated files, version, types, lints, and its tests with a real server.
#
#   check.sh FOLDER --install     makes the environment in FOLDER
#   check.sh FOLDER               the checks, with the program of IMAX_BINARY
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
venv=${1:?usage: check.sh FOLDER [--install]}
if ! cmp --silent "$here/requirements.txt" "$venv/requirements.txt"; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/"
fi
if [ "${2:-}" = --install ]; then exit; fi
venv=$(cd "$venv" && pwd -P)
bin=$venv/bin
cd "$here"

wanted=$(sed -n 's/^version = "\(.*\)"$/\1/p' ../../Cargo.toml | head -n 1)
if ! grep -qx "VERSION = \"$wanted\"" src/imax_results/version.py; then
  echo "src/imax_results/version.py does not have the version of Cargo.toml, $wanted" >&2
  exit 1
fi
cmp LICENSE ../../LICENSE
"$bin/python" generate.py --check
"$bin/ruff" format --quiet --check --no-cache .
"$bin/ruff" check --quiet --no-cache .
"$bin/mypy" --cache-dir "$venv/mypy"
# The package as users install it, not the folder: what pyproject.toml leaves out is missing here too.
"$bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation --force-reinstall .
PYTHONDONTWRITEBYTECODE=1 "$bin/pytest" -p no:cacheprovider
