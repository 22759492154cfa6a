#!/usr/bin/env bash
# Starts SGLang for one row and stays in the foreground. The prefix cache is off: prompts are random, and none may be found there.
set -euo pipefail

exec python3 -m sglang.launch_server --model-path "$MODEL" --served-model-name "$MODEL" --quantization "$PRECISION" \
  --host 0.0.0.0 --port "$PORT" --tensor-parallel-size "$TP" --context-length "$MAX_MODEL_LEN" \
  --max-running-requests "$CONC" --disable-radix-cache
