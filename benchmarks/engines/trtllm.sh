# shellcheck shell=bash
# TensorRT-LLM in the foreground, its flags from the row's environment. Arguments are passed on. Reuse of KV blocks is off:
# random prompts of the next concurrency must not be found in them.
set -euo pipefail

speculative=""
case "$SPEC_DECODING" in
  none) ;;
  mtp) speculative=$'speculative_config:\n  decoding_type: MTP\n  num_nextn_predict_layers: 3' ;;
  *) echo "error: this recipe has no $SPEC_DECODING" >&2 && exit 3 ;;
esac
options="$(mktemp --suffix .yaml)"
cat > "$options" << YAML
cuda_graph_config:
  enable_padding: true
  max_batch_size: $CONC
enable_attention_dp: $DP_ATTENTION
kv_cache_config:
  dtype: fp8
  free_gpu_memory_fraction: 0.8
  enable_block_reuse: false
$speculative
YAML
# A whole prompt and one token of each other request in one step, in blocks of 64.
max_num_tokens=$(((CONC + ISL + 64 + 63) / 64 * 64))
# Without mpirun it hangs on nodes that Slurm manages.
exec mpirun -n 1 --oversubscribe --allow-run-as-root trtllm-serve "$MODEL" --host 0.0.0.0 --port "$PORT" --backend pytorch \
  --trust_remote_code --tp_size "$TP" --ep_size "$EP_SIZE" --pp_size "$PP" --max_batch_size "$CONC" \
  --max_seq_len "$MAX_MODEL_LEN" --max_num_tokens "$max_num_tokens" --extra_llm_api_options "$options" "$@"
