#!/usr/bin/env bash
# The demo's model on the simulated engine: the image names the engine, the runner's type the GPU.
set -euo pipefail

exec "$IMAX_BIN" sim --config-dir configs --gpu "$RUNNER_TYPE" --engine "$IMAGE" --model "$MODEL_PREFIX" \
  --served-model-name "$MODEL" --precision "$PRECISION" --tp "$TP" --host 127.0.0.1 --port "$PORT"
