#!/usr/bin/env bash
# Exports against the programs that others run: MLflow's tracking server, OpenTelemetry's messages, Weights & Biases' package.
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
PYTHONDONTWRITEBYTECODE=1 exec "$venv/bin/python" "$here/check.py"
