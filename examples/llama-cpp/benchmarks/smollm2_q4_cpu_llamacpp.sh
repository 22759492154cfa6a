#!/usr/bin/env bash
# Starts llama.cpp's server for one row and stays in the foreground; imax waits until it is ready, measures it and stops it.
set -euo pipefail

source_of_model=(--hf-repo "$MODEL")
if [[ -n "${LLAMA_MODEL:-}" ]]; then source_of_model=(--model "$LLAMA_MODEL"); fi
# Each of the parallel slots needs room for a whole request.
exec "${LLAMA_SERVER:-llama-server}" "${source_of_model[@]}" --alias "$MODEL" --host 127.0.0.1 --port "$PORT" \
  --parallel "$CONC" --ctx-size "$((MAX_MODEL_LEN * CONC))" --threads "$(nproc)" --metrics
