# shellcheck shell=bash
# ATOM in the foreground, its flags from the row's environment. Arguments are passed on. The prefix cache is off: random
# prompts of the next concurrency must not be found in it.
set -euo pipefail

arguments=(--model "$MODEL" --host 0.0.0.0 --server-port "$PORT" --trust-remote-code --tensor-parallel-size "$TP"
  --kv_cache_dtype fp8 --max-model-len "$MAX_MODEL_LEN" --max-num-seqs "$CONC" --no-enable_prefix_caching)
((EP_SIZE == 1)) || arguments+=(--enable-expert-parallel)
[[ "$DP_ATTENTION" != true ]] || arguments+=(--enable-dp-attention)
case "$SPEC_DECODING" in
  none) ;;
  mtp) arguments+=(--method mtp --num-speculative-tokens 3) ;;
  *) echo "error: this recipe has no $SPEC_DECODING" >&2 && exit 3 ;;
esac
exec python3 -m atom.entrypoints.openai_server "${arguments[@]}" "$@"
