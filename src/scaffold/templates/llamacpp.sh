#!/usr/bin/env bash
# llama.cpp's server in the foreground. MODEL is a GGUF file, or a repository of the hub that llama.cpp downloads. Each parallel slot
# needs room for a whole request.
set -euo pipefail
source_of_model=(--hf-repo "$MODEL")
[[ -f "$MODEL" ]] && source_of_model=(--model "$MODEL")
exec llama-server "${source_of_model[@]}" --alias "$MODEL" --host 0.0.0.0 --port "$PORT" \
  --parallel "$CONC" --ctx-size "$((MAX_MODEL_LEN * CONC))"
