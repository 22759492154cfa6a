#!/usr/bin/env bash
# Starts vLLM for one row and stays in the foreground. The prefix cache is off: prompts are random, and none may be found there.
set -euo pipefail

exec vllm serve "$MODEL" --host 0.0.0.0 --port "$PORT" --tensor-parallel-size "$TP" \
  --max-model-len "$MAX_MODEL_LEN" --max-num-seqs "$CONC" --no-enable-prefix-caching
