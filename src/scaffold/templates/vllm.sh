#!/usr/bin/env bash
# vLLM in the foreground; the variables come from the matrix row. Random prompts of the next concurrency must not be found in the
# prefix cache, so it is off.
set -euo pipefail
exec vllm serve "$MODEL" --host 0.0.0.0 --port "$PORT" --tensor-parallel-size "$TP" \
  --max-model-len "$MAX_MODEL_LEN" --max-num-seqs "$CONC" --no-enable-prefix-caching
