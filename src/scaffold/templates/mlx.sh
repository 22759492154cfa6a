#!/usr/bin/env bash
# MLX's server in the foreground.
set -euo pipefail
exec mlx_lm.server --model "$MODEL" --host 127.0.0.1 --port "$PORT"
