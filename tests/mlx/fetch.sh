#!/usr/bin/env bash
# Apple's MLX server on the processor, and a tiny model, for the tests: after fetch.sh OUT, OUT/mlx-server starts the server and
# OUT/tiny is the model's folder.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$(realpath -m "${1:?usage: fetch.sh OUT}")
mkdir -p "$out"

if [ ! -x "$out/mlx-server" ]; then
  rm -rf "$out/venv"
  python3 -m venv "$out/venv"
  "$out/venv/bin/pip" install --quiet --disable-pip-version-check 'mlx[cpu]==0.32.4' mlx-lm==0.32.2
  # HF_HUB_OFFLINE: the server looks up model names on the hub otherwise.
  # shellcheck disable=SC2016 # "$@" is the script's
  printf '#!/bin/sh\nHF_HUB_OFFLINE=1 exec "%s/venv/bin/python" -m mlx_lm server "$@"\n' "$out" >"$out/mlx-server.new"
  chmod +x "$out/mlx-server.new"
  "$out/venv/bin/python" -c 'import mlx_lm'
  mv "$out/mlx-server.new" "$out/mlx-server"
fi
if [ ! -e "$out/tiny/model.safetensors" ]; then
  rm -rf "$out/tiny.new"
  "$out/venv/bin/python" "$here/tiny_model.py" "$here/../../benchmarks/demo/tokenizer.json" "$out/tiny.new"
  mv "$out/tiny.new" "$out/tiny"
fi
echo "MLX's server: $("$out/venv/bin/pip" list --format freeze 2>/dev/null | grep -E '^mlx' | tr '\n' ' ')"
