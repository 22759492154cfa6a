# shellcheck shell=bash
# vLLM in the foreground, its flags from the row's environment. Arguments are passed on. The prefix cache is off: random
# prompts of the next concurrency must not be found in it.
set -euo pipefail

if [[ "$SPEC_DECODING" != none ]]; then
  echo "error: this recipe has no $SPEC_DECODING" >&2
  exit 3
fi
arguments=(--host 0.0.0.0 --port "$PORT" --max-model-len "$MAX_MODEL_LEN" --max-num-seqs "$CONC" --no-enable-prefix-caching
  --pipeline-parallel-size "$PP")
# Data-parallel attention: each GPU has the attention of its own requests, the experts are shared.
if [[ "$DP_ATTENTION" == true ]]; then
  arguments+=(--tensor-parallel-size 1 --data-parallel-size "$TP")
else
  arguments+=(--tensor-parallel-size "$TP")
fi
((EP_SIZE == 1)) || arguments+=(--enable-expert-parallel)
exec vllm serve "$MODEL" "${arguments[@]}" "$@"
