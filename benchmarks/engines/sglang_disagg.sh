# shellcheck shell=bash
# SGLang with one prefill and one decode worker, each over as many nodes as it needs, and its router on PORT of the first node.
# Flags from the row's environment; arguments are passed on to both workers. Ends as soon as one of the three does.
# https://docs.sglang.io/advanced_features/pd_disaggregation.html
set -euo pipefail

((PREFILL_NUM_WORKERS == 1 && DECODE_NUM_WORKERS == 1)) || { echo "error: this recipe has one worker a role" >&2 && exit 3; }
[[ "$SPEC_DECODING" == none ]] || { echo "error: this recipe has no $SPEC_DECODING" >&2 && exit 3; }
read -ra container <<<"${IMAX_CONTAINER_OPTIONS:-}"

# step NODES COUNT COMMAND...: one task on each node of a role, in the row's container.
step() {
  srun --nodelist="$1" --nodes="$2" --ntasks="$2" --ntasks-per-node=1 --overlap "${container[@]}" "${@:3}"
}

# worker MODE NODES COUNT LISTEN TP EP DP_ATTN FLAG...: a worker; its first node serves on LISTEN and is where the others meet.
worker() {
  local mode=$1 nodes=$2 count=$3 listen=$4 tp=$5 ep=$6 dp_attn=$7
  local first=${nodes%%,*}
  local flags=(--model-path "$MODEL" --served-model-name "$MODEL" --host 0.0.0.0 --port "$listen" --trust-remote-code
    --tensor-parallel-size "$tp" --context-length "$MAX_MODEL_LEN" --max-running-requests "$CONC" --disable-radix-cache
    --disaggregation-mode "$mode" --disaggregation-transfer-backend "$KV_P2P_TRANSFER"
    --nnodes "$count" --dist-init-addr "$first:$((listen + 1000))")
  ((ep == 1)) || flags+=(--expert-parallel-size "$ep")
  [[ "$dp_attn" != true ]] || flags+=(--enable-dp-attention --data-parallel-size "$tp")
  # shellcheck disable=SC2016 # the node's rank is known on the node
  step "$nodes" "$count" bash -c 'exec python3 -m sglang.launch_server --node-rank "$SLURM_PROCID" "$@"' worker "${flags[@]}" "${@:8}"
}

worker prefill "$IMAX_PREFILL_NODES" "$PREFILL_NODES" 30000 "$PREFILL_TP" "$PREFILL_EP" "$PREFILL_DP_ATTN" "$@" &
worker decode "$IMAX_DECODE_NODES" "$DECODE_NODES" 32000 "$DECODE_TP" "$DECODE_EP" "$DECODE_DP_ATTN" "$@" &
# How long the workers may load is the job's own deadline, not the router's.
step "${IMAX_NODES%%,*}" 1 python3 -m sglang_router.launch_router --pd-disaggregation --host 0.0.0.0 --port "$PORT" --worker-startup-timeout-secs 86400 \
  --prefill "http://${IMAX_PREFILL_NODES%%,*}:30000" --decode "http://${IMAX_DECODE_NODES%%,*}:32000" &
wait -n
