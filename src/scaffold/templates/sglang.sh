#!/usr/bin/env bash
# SGLang in the foreground; the variables come from the matrix row. Random prompts of the next concurrency must not be found in the
# prefix cache, so it is off.
set -euo pipefail
exec python3 -m sglang.launch_server --model-path "$MODEL" --served-model-name "$MODEL" --host 0.0.0.0 --port "$PORT" \
  --tensor-parallel-size "$TP" --context-length "$MAX_MODEL_LEN" --max-running-requests "$CONC" --disable-radix-cache
