#!/usr/bin/env bash
# llama.cpp's server on the CPU. MODEL is a GGUF file, or a repository of the hub that llama.cpp downloads.
set -euo pipefail

source_of_model=(--hf-repo "$MODEL")
[[ -f "$MODEL" ]] && source_of_model=(--model "$MODEL")
# Each of the parallel slots needs room for a whole request.
exec "${LLAMA_SERVER:-llama-server}" "${source_of_model[@]}" --alias "$MODEL" --host 127.0.0.1 --port "$PORT" \
  --parallel "$CONC" --ctx-size "$((MAX_MODEL_LEN * CONC))" --threads "$(nproc)" --metrics
