#!/usr/bin/env bash
# Ollama in the foreground. The model is pulled as soon as the server answers.
set -euo pipefail
export OLLAMA_HOST="0.0.0.0:$PORT" OLLAMA_NUM_PARALLEL="$CONC"
pull() {
  until ollama list >/dev/null 2>&1; do sleep 0.2; done
  ollama pull "$MODEL"
}
pull &
exec ollama serve
