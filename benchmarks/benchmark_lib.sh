# shellcheck shell=bash
# Functions for recipes that start an engine, wait for it and load it by themselves. Each is a call of imax: the recipe
# stays as it is, the work is done by the same code as for recipes that only start their engine.
# `imax run` sets IMAX_BIN; outside of it the program is taken from PATH.

# check_env_vars NAME...: ends the recipe where a variable is not set or empty, and names all of them.
check_env_vars() {
  local name missing=()
  for name in "$@"; do
    [[ -n "${!name:-}" ]] || missing+=("$name")
  done
  if ((${#missing[@]})); then
    echo "error: the environment lacks ${missing[*]}; \`imax run\` sets them from the row" >&2
    exit 1
  fi
}

# wait_for_server_ready --port PORT --server-log FILE --server-pid PID [--sleep-interval SECONDS]: returns when the engine
# answers its health check and gives one token; ends the recipe where the engine dies or the deadline comes
# (IMAX_READY_DEADLINE, one hour by default).
wait_for_server_ready() {
  local arguments=()
  while (($#)); do
    case "$1" in
      --port) arguments+=(--port "$2") ;;
      --server-log) arguments+=(--log "$2") ;;
      --server-pid) arguments+=(--pid "$2") ;;
      --sleep-interval) ;; # imax looks several times a second
      *) _imax_refuse wait_for_server_ready "$1" ;;
    esac
    shift 2
  done
  "${IMAX_BIN:-imax}" ready "${arguments[@]}" --model "${MODEL:-}" --deadline "${IMAX_READY_DEADLINE:-1h}" || exit
}

# run_benchmark_serving --model M --port P --backend B --input-len N --output-len N --random-range-ratio R --num-prompts N
#   --max-concurrency N --result-filename NAME --result-dir DIR [--endpoint PATH] [--tokenizer T] [--trust-remote-code]
#   [--bench-serving-dir DIR] [--server-pid PID] [--num-warmups N]: loads the engine and writes DIR/NAME.json.
run_benchmark_serving() {
  if [[ "${EVAL_ONLY:-false}" == true ]]; then
    echo "the row asks for an evaluation alone: nothing is measured"
    return
  fi
  local arguments=() concurrency=1 warmups="" folder="" takes
  [[ -z "${IMAX_TOKENIZER:-}" ]] || arguments+=(--tokenizer "$IMAX_TOKENIZER")
  while (($#)); do
    takes=2
    case "$1" in
      --model | --backend | --endpoint | --random-range-ratio | --num-prompts | --tokenizer) arguments+=("$1" "$2") ;;
      --port) arguments+=(--base-url "http://127.0.0.1:$2") ;;
      --input-len) arguments+=(--random-input-len "$2") ;;
      --output-len) arguments+=(--random-output-len "$2") ;;
      --max-concurrency) concurrency="$2" ;;
      --num-warmups) warmups="$2" ;;
      --result-filename) arguments+=(--result-filename "$2.json") ;;
      --result-dir) folder="$2" ;;
      # No Python runs here, so there is nothing to trust or to find; and a dead engine ends the load by itself.
      --trust-remote-code) takes=1 ;;
      --bench-serving-dir | --server-pid) ;;
      *) _imax_refuse run_benchmark_serving "$1" ;;
    esac
    shift "$takes"
  done
  # The folder that containers have their workspace at is not there where the recipe runs without one.
  [[ -d "$folder" ]] || folder="${IMAX_OUT:-$folder}"
  # A client that could not keep up is a doubt in the result, not a reason to fail: `imax run` marks such results itself.
  "${IMAX_BIN:-imax}" bench "${arguments[@]}" --dataset-name random --ignore-eos --max-concurrency "$concurrency" \
    --allow-saturated-client --num-warmups "${warmups:-$((2 * concurrency))}" --save-result --result-dir "$folder"
}

# Agentic recipes play recorded sessions. Here they are those of IMAX_SESSIONS, which `imax run` sets from `load.sessions` of the
# runner profile, played by `imax bench`: not AIPerf and not its traces. A repository that wants those keeps its own library.
resolve_trace_source() {
  [[ -z "${IMAX_SESSIONS:-}" ]] || return 0
  echo "error: ${FUNCNAME[0]}: this library has no recorded sessions of its own; name a file of them in \`load.sessions\` of the" \
    "runner profile, or keep the repository's own benchmark_lib.sh" >&2
  exit 3
}
install_agentic_deps() { :; } # imax needs nothing else

# build_replay_cmd DIR: sets REPLAY_CMD. What a recipe adds to it are flags for `imax bench`, which refuses those that it does not know.
build_replay_cmd() { REPLAY_CMD=_imax_replay; }

# run_agentic_replay_and_write_outputs DIR: plays the sessions with CONC users for DURATION seconds and writes the raw result.
run_agentic_replay_and_write_outputs() {
  # shellcheck disable=SC2086 # a command and its flags
  $REPLAY_CMD
}
write_agentic_result_json() { :; } # the result is whole already

_imax_replay() {
  local arguments=()
  [[ -z "${IMAX_TOKENIZER:-}" ]] || arguments+=(--tokenizer "$IMAX_TOKENIZER")
  resolve_trace_source
  "${IMAX_BIN:-imax}" bench --model "$MODEL" --base-url "http://127.0.0.1:${PORT:-8888}" --backend openai-chat --ignore-eos \
    --allow-saturated-client --dataset-name recorded --dataset-path "$IMAX_SESSIONS" --max-concurrency "$CONC" --duration "$DURATION" \
    --num-warmups "$((2 * CONC))" --save-result --result-dir "${IMAX_OUT:-.}" --result-filename "$RESULT_FILENAME.json" \
    "${arguments[@]}" "$@"
}

# Whether the row wants KV blocks offloaded; and that it wants none, or if any then with this backend.
agentic_kv_offload_enabled() { [[ "${KV_OFFLOADING:-none}" != none ]]; }
require_agentic_kv_offload_none() { ! agentic_kv_offload_enabled || _imax_unfit KV_OFFLOADING none; }
require_agentic_kv_offload_backend() {
  agentic_kv_offload_enabled || return 1
  [[ "${KV_OFFLOAD_BACKEND:-}" == "$1" ]] || _imax_unfit KV_OFFLOAD_BACKEND "$1"
}

_imax_unfit() {
  echo "error: the row has $1=${!1:-}, expected $2: this recipe can do nothing else" >&2
  exit 3
}

# setup_eval_context: sets EVAL_MAX_MODEL_LEN, the context that the engine gets where the row asks for an evaluation alone.
# Rows of recorded sessions have no lengths. A model whose own context is shorter is refused by its engine, which says so.
setup_eval_context() { export EVAL_MAX_MODEL_LEN="$((ISL + OSL > 0 ? ISL + OSL + 256 : 16384))"; }

# `imax run` has chosen a free port, or was told one and found it free.
select_available_server_port() { :; }

# Bash calls this for a name that is neither a function nor a program: a recipe that needs a newer library is told so.
command_not_found_handle() {
  echo "error: $1: command not found: neither a program here nor a function of this version's benchmark_lib.sh" >&2
  return 127
}

# GPUs are sampled by `imax run` itself.
start_gpu_monitor() { :; }
stop_gpu_monitor() { :; }

# run_eval [--framework lm-eval] [--port PORT] [--concurrent-requests N] [--num-fewshot N] [--limit N] [--tasks FILE,...]: evaluates
# the engine and writes results_*.json, samples_*.jsonl and meta_env.json to IMAX_OUT. `--framework lm-eval` names the form of
# the results; the work is done by imax. Tasks: IMAX_EVAL_TASKS, or benchmarks/evals/gsm8k.yaml.
run_eval() {
  local arguments=() port="${PORT:-8888}" concurrency="${CONC:-32}" tasks="${IMAX_EVAL_TASKS:-}" files=()
  while (($#)); do
    case "$1" in
      --framework) [[ "$2" == lm-eval ]] || _imax_refuse run_eval "$1 $2" ;;
      --port) port="$2" ;;
      --concurrent-requests) concurrency="$2" ;;
      --num-fewshot | --limit) arguments+=("$1" "$2") ;;
      --tasks) tasks="$2" ;;
      *) _imax_refuse run_eval "$1" ;;
    esac
    shift 2
  done
  IFS=, read -ra files <<<"${tasks:-$(dirname "${BASH_SOURCE[0]}")/evals/gsm8k.yaml}"
  [[ -z "${IMAX_EVAL_LIMIT:-}" ]] || arguments+=(--limit "$IMAX_EVAL_LIMIT")
  "${IMAX_BIN:-imax}" eval --base-url "http://127.0.0.1:$port" --model "$MODEL" --concurrent-requests "$concurrency" \
    --tasks "${files[@]}" --output "${IMAX_OUT:-.}" "${arguments[@]}"
}

# meta_env.json and the results lie where they are collected already.
append_lm_eval_summary() { :; }

_imax_refuse() {
  echo "error: $1: \`$2\` is not supported by this version of imax" >&2
  exit 3
}
