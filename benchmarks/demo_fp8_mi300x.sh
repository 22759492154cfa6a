#!/usr/bin/env bash
# The demo's model on the simulated engine: the image names the engine, the runner's type the GPU. It knows most answers of
# the small sums that the demo evaluates.
set -euo pipefail

exec "$IMAX_BIN" sim --config-dir configs --gpu "$RUNNER_TYPE" --engine "$IMAGE" --model "$MODEL_PREFIX" \
  --served-model-name "$MODEL" --precision "$PRECISION" --tp "$TP" \
  --answers benchmarks/evals/sums.jsonl --answer-accuracy 0.95 --host 127.0.0.1 --port "$PORT"
