# shellcheck shell=bash
# SGLang in the foreground, its flags from the row's environment. Arguments are passed on. The prefix cache is off: random
# prompts of the next concurrency must not be found in it.
set -euo pipefail

arguments=(--model-path "$MODEL" --served-model-name "$MODEL" --host 0.0.0.0 --port "$PORT" --trust-remote-code
  --tensor-parallel-size "$TP" --pipeline-parallel-size "$PP" --context-length "$MAX_MODEL_LEN"
  --max-running-requests "$CONC" --cuda-graph-max-bs "$CONC" --disable-radix-cache)
((EP_SIZE == 1)) || arguments+=(--expert-parallel-size "$EP_SIZE")
[[ "$DP_ATTENTION" != true ]] || arguments+=(--enable-dp-attention --data-parallel-size "$TP")
case "$SPEC_DECODING" in
  none) ;;
  mtp) arguments+=(--speculative-algorithm EAGLE --speculative-num-steps 3 --speculative-eagle-topk 1 --speculative-num-draft-tokens 4) ;;
  *) echo "error: this recipe has no $SPEC_DECODING" >&2 && exit 3 ;;
esac
exec python3 -m sglang.launch_server "${arguments[@]}" "$@"
