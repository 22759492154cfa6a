# shellcheck shell=bash
# Functions for recipes that start an engine, wait for it and load it by themselves. Each is a call of imax: the recipe
# stays as it is, the work is done by the same code as for recipes that only start their engine.
# `imax run` sets IMAX_BIN; outside of it the program is taken from PATH. A container that a launch script starts has neither: there it
# is in the repository, where `imax run` puts it for that time.

# Recipes read these without a default. The first keeps Python's files, which containers write as root, out of the checkout.
export PYTHONDONTWRITEBYTECODE=1
export PORT="${PORT:-8888}"
GPU_METRICS_CSV="${GPU_METRICS_CSV:-gpu_metrics.csv}"
export GPU_METRICS_CSV
# Where the repository is: at /workspace in a container, which GITHUB_WORKSPACE of the runner does not lead to.
for _imax_place in "${INFMAX_CONTAINER_WORKSPACE:-}" "${GITHUB_WORKSPACE:-}" /workspace "$(dirname "${BASH_SOURCE[0]}")/.."; do
  [[ ! -d "$_imax_place" ]] || break
done
INFMAX_CONTAINER_WORKSPACE="$(cd "$_imax_place" && pwd)"
if ! command -v "${IMAX_BIN:-imax}" >/dev/null && [[ -x "$INFMAX_CONTAINER_WORKSPACE/.imax/imax" ]]; then
  export IMAX_BIN="$INFMAX_CONTAINER_WORKSPACE/.imax/imax"
fi
# A replay of sessions has the whole context of its model, whatever the environment says.
[[ "${IS_AGENTIC:-0}" != 1 && "${SCENARIO_TYPE:-}" != agentic-coding ]] || unset MAX_MODEL_LEN

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

# wait_for_ready --endpoint URL --log FILE --pid PID [--sleep-interval SECONDS] [--timeout SECONDS]: returns when the URL answers with
# success; ends the recipe where the process dies, or after the timeout. It is for servers other than engines: routers, cache servers.
wait_for_ready() {
  local url="" log="" pid="" pause=5 limit=0 begin=$SECONDS
  while (($#)); do
    case "$1" in
      --endpoint) url="$2" ;;
      --log) log="$2" ;;
      --pid) pid="$2" ;;
      --sleep-interval) pause="$2" ;;
      --timeout) limit="$2" ;;
      *) _imax_refuse wait_for_ready "$1" ;;
    esac
    shift 2
  done
  until curl --silent --fail --max-time 10 --output /dev/null "$url"; do
    kill -0 "$pid" 2>/dev/null || _imax_unready "the process $pid ended before $url answered" "$log"
    ((limit == 0 || SECONDS - begin < limit)) || _imax_unready "$url has not answered within $limit s" "$log"
    sleep "$pause"
  done
}

_imax_unready() {
  [[ ! -r "$2" ]] || tail -n 40 "$2" >&2
  echo "error: $1; see $2" >&2
  exit 1
}

# run_benchmark_serving --model M --port P --backend B --input-len N --output-len N --random-range-ratio R --num-prompts N
#   --max-concurrency N --result-filename NAME --result-dir DIR [--endpoint PATH] [--tokenizer T] [--trust-remote-code]
#   [--use-chat-template] [--dsv4] [--tokenizer-mode MODE] [--bench-serving-dir DIR] [--server-pid PID] [--num-warmups N]: loads the
#   engine and writes DIR/NAME.json.
run_benchmark_serving() {
  if [[ "${EVAL_ONLY:-false}" == true ]]; then
    echo "the row asks for an evaluation alone: nothing is measured"
    return
  fi
  local arguments=() concurrency=1 warmups="" prompts="" folder="" takes
  [[ -z "${IMAX_TOKENIZER:-}" ]] || arguments+=(--tokenizer "$IMAX_TOKENIZER")
  while (($#)); do
    takes=2
    case "$1" in
      --model | --backend | --endpoint | --random-range-ratio | --tokenizer) arguments+=("$1" "$2") ;;
      --port) arguments+=(--base-url "http://127.0.0.1:$2") ;;
      --input-len) arguments+=(--random-input-len "$2") ;;
      --output-len) arguments+=(--random-output-len "$2") ;;
      --max-concurrency) concurrency="$2" ;;
      --num-warmups) warmups="$2" ;;
      --num-prompts) prompts="$2" ;;
      --result-filename) arguments+=(--result-filename "$2.json") ;;
      --result-dir) folder="$2" ;;
      # No Python runs here, so there is nothing to trust or to find; and a dead engine ends the load by itself.
      --trust-remote-code) takes=1 ;;
      --bench-serving-dir | --server-pid | --tokenizer-mode) ;;
      --use-chat-template | --dsv4)
        arguments+=("$1")
        takes=1
        ;;
      *) _imax_refuse run_benchmark_serving "$1" ;;
    esac
    shift "$takes"
  done
  # The folder that containers have their workspace at is not there where the recipe runs without one.
  [[ -d "$folder" ]] || folder="$(_imax_out)"
  if [[ "${PROFILE:-}" == 1 ]]; then
    # Each request adds to the trace.
    arguments+=(--profile)
    prompts="$concurrency"
  fi
  [[ -z "$prompts" ]] || arguments+=(--num-prompts "$prompts")
  # A client that could not keep up is a doubt in the result, not a reason to fail: `imax run` marks such results itself.
  "${IMAX_BIN:-imax}" bench "${arguments[@]}" --dataset-name random --ignore-eos --max-concurrency "$concurrency" \
    --allow-saturated-client --num-warmups "${warmups:-$((2 * concurrency))}" --save-result --result-dir "$folder"
}

# The folder for results: IMAX_OUT, which a container may not have, else the repository.
_imax_out() {
  if [[ -d "${IMAX_OUT:-}" ]]; then echo "$IMAX_OUT"; else echo "$INFMAX_CONTAINER_WORKSPACE"; fi
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

# agentic_pip_install ARGUMENT...: installs what a recipe needs into the image's own Python.
agentic_pip_install() {
  local arguments=()
  ! python3 -m pip install --help 2>/dev/null | grep -q -e --break-system-packages || arguments+=(--break-system-packages)
  python3 -m pip install "${arguments[@]}" "$@"
}

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
    --num-warmups "$((2 * CONC))" --save-result --result-dir "$(_imax_out)" --result-filename "$RESULT_FILENAME.json" \
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

# compute_eval_context_length MODEL [CONTEXT]: prints the context of an evaluation, CONTEXT but at most what the model has, and sets
# EVAL_MAX_MODEL_LEN. Without either it is MAX_MODEL_LEN, or 16384.
compute_eval_context_length() {
  local native context="${2:-0}"
  native="$(_imax_native_context "${MODEL_PATH:-$1}")"
  ((context > 0)) || context="$native"
  ((native == 0 || context <= native)) || context="$native"
  ((context > 0)) || context="${MAX_MODEL_LEN:-16384}"
  EVAL_MAX_MODEL_LEN="$context"
  echo "$context"
}

# What the model's configuration says, or 0. The hub's models are looked up by the image's own transformers.
_imax_native_context() {
  local found=""
  if [[ -r "$1/config.json" ]]; then
    found="$(grep -oE '"(max_position_embeddings|max_sequence_length|seq_length|n_positions)": *[0-9]+' "$1/config.json" | head -n 1)"
    found="${found##*[!0-9]}"
  elif [[ ! -d "$1" ]]; then
    found="$(IMAX_MODEL="$1" python3 -c '
import os
from transformers import AutoConfig
config = AutoConfig.from_pretrained(os.environ["IMAX_MODEL"], trust_remote_code=True)
names = ["max_position_embeddings", "max_sequence_length", "seq_length", "n_positions"]
print(next((getattr(config, name) for name in names if getattr(config, name, None)), 0))' 2>/dev/null)" || found=""
  fi
  if [[ "$found" =~ ^[0-9]+$ ]]; then echo "$found"; else echo 0; fi
}

# setup_eval_context: sets EVAL_MAX_MODEL_LEN, the context that the engine gets where the row asks for an evaluation alone.
# Rows of recorded sessions have no lengths.
setup_eval_context() {
  compute_eval_context_length "$MODEL" "$((ISL + OSL > 0 ? ISL + OSL + 256 : 0))" >/dev/null
  export EVAL_MAX_MODEL_LEN
}

# `imax run` has chosen a free port, or was told one and found it free.
select_available_server_port() { :; }

# Bash calls this for a name that is neither a function nor a program: a recipe that needs a newer library is told so.
command_not_found_handle() {
  echo "error: $1: command not found: neither a program here nor a function of this version's benchmark_lib.sh" >&2
  return 127
}

# start_gpu_monitor [--output FILE] [--interval SECONDS]: samples power, temperature, clocks and use of the GPUs until
# stop_gpu_monitor. `imax run` reads the table where it does not sample the GPUs itself, as for launch scripts.
start_gpu_monitor() {
  local interval=1
  while (($#)); do
    case "$1" in
      --output) GPU_METRICS_CSV="$2" ;;
      --interval) interval="$2" ;;
      *) _imax_refuse start_gpu_monitor "$1" ;;
    esac
    shift 2
  done
  if command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu="$_imax_gpu_query" --format=csv --loop="$interval" >"$GPU_METRICS_CSV" 2>/dev/null &
  elif command -v amd-smi >/dev/null; then
    # It repeats its heading, after words about itself.
    PYTHONUNBUFFERED=1 amd-smi metric --power --clock --temperature --usage --watch "$interval" --csv 2>/dev/null |
      awk '/^timestamp,/ { if (found++) next } found { print; fflush() }' >"$GPU_METRICS_CSV" &
  else
    echo "no GPU tool (nvidia-smi, amd-smi): the GPUs are not sampled"
    return 0
  fi
  _imax_monitor=$!
}
_imax_monitor=""
_imax_gpu_query=timestamp,index,power.draw,temperature.gpu,clocks.current.sm,clocks.current.memory,utilization.gpu,utilization.memory

# The power of a load needs a sample after its end.
stop_gpu_monitor() {
  [[ -n "$_imax_monitor" ]] || return 0
  sleep 3
  kill "$_imax_monitor" 2>/dev/null || true
  wait "$_imax_monitor" 2>/dev/null || true
  _imax_monitor=""
  # What was being written when it was stopped is half a line.
  [[ -z "$(tail -c 1 "$GPU_METRICS_CSV" 2>/dev/null)" ]] || sed -i '$d' "$GPU_METRICS_CSV"
}

# wait_for_amd_gpu_clean: returns when no GPU has more than a tenth of its memory in use, because an earlier job may still release
# it; fails after 15 minutes.
wait_for_amd_gpu_clean() {
  local begin=$SECONDS used
  while ((SECONDS - begin < 900)); do
    used="$(rocm-smi --showmemuse 2>/dev/null | awk -F: '/VRAM%/ { if ($NF + 0 > most) most = $NF + 0 } END { print most + 0 }')"
    ((used > 10)) || return 0
    echo "a GPU has $used % of its memory in use"
    sleep 10
  done
  echo "error: the GPUs still have memory in use after 15 minutes; is another job on them?" >&2
  return 1
}

# stop_background_process_tree PID [NAME] [GRACE SECONDS]: stops a process and all that it started. Workers that outlive it would keep
# the job's step alive.
stop_background_process_tree() {
  local root="${1:-}" name="${2:-process}" grace="${3:-30}" all pid begin=$SECONDS
  _imax_runs "$root" || return 0
  # Those that it started lose their parent when it ends.
  all="$root $(_imax_descendants "$root")"
  echo "stopping $name (process $root)"
  kill -TERM "$root" 2>/dev/null || true
  while _imax_runs "$root" && ((SECONDS - begin < grace)); do sleep 1; done
  for pid in $all; do
    ! _imax_runs "$pid" || kill -KILL "$pid" 2>/dev/null || true
  done
  wait "$root" 2>/dev/null || true
}

# A process that has ended stays in the table until it is waited for.
_imax_runs() {
  local state
  [[ "$1" =~ ^[1-9][0-9]*$ ]] || return 1
  state="$(ps -o stat= -p "$1" 2>/dev/null)"
  [[ -n "$state" && "$state" != Z* ]]
}

_imax_descendants() {
  local child
  for child in $(ps -o pid= --ppid "$1" 2>/dev/null); do
    echo "$child"
    _imax_descendants "$child"
  done
}

# write_command FILE WORD... and append_command FILE WORD...: a command as a line that a shell can run again; the first prints it, too.
write_command() {
  : >"$1"
  append_command "$@"
  cat "$1"
}
append_command() {
  local file="$1"
  shift
  { printf '%q ' "$@" && echo; } >>"$file"
}

# run_eval [--framework lm-eval] [--port PORT] [--concurrent-requests N] [--num-fewshot N] [--limit N] [--tasks FILE,...]: evaluates
# the engine and writes results_*.json, samples_*.jsonl and meta_env.json to IMAX_OUT. `--framework lm-eval` names the form of
# the results; the work is done by imax. Tasks: IMAX_EVAL_TASKS, or benchmarks/evals/gsm8k.yaml, or the shipped one. EVAL_CONCURRENT_REQUESTS has the
# concurrency, or several, each with results of its own; EVAL_LIMIT the number of questions.
run_eval() {
  local arguments=() port="$PORT" concs="${EVAL_CONCURRENT_REQUESTS:-${CONC:-32}}" limit="${IMAX_EVAL_LIMIT:-${EVAL_LIMIT:-}}"
  local tasks="${IMAX_EVAL_TASKS:-}" files=()
  while (($#)); do
    case "$1" in
      --framework) [[ "$2" == lm-eval ]] || _imax_refuse run_eval "$1 $2" ;;
      --port) port="$2" ;;
      --concurrent-requests) concs="$2" ;;
      --num-fewshot) arguments+=("$1" "$2") ;;
      --limit) limit="$2" ;;
      --tasks) tasks="$2" ;;
      *) _imax_refuse run_eval "$1" ;;
    esac
    shift 2
  done
  if [[ -z "$tasks" ]]; then
    tasks="$(dirname "${BASH_SOURCE[0]}")/evals/gsm8k.yaml"
    [[ -e "$tasks" ]] || tasks=gsm8k
  fi
  IFS=, read -ra files <<<"$tasks"
  [[ -z "$limit" || "$limit" == full ]] || arguments+=(--limit "$limit")
  arguments+=(--base-url "http://127.0.0.1:$port" --model "$MODEL" --tasks "${files[@]}")
  read -r concs <<<"$concs" # without spaces around
  if [[ "$concs" != *' '* ]]; then
    "${IMAX_BIN:-imax}" eval "${arguments[@]}" --concurrent-requests "$concs" --output "$(_imax_out)"
  else
    _imax_eval_batch "$(_imax_out)" "$concs" "${arguments[@]}"
  fi
}

# _imax_eval_batch FOLDER CONCS ARGUMENT...: evaluates at each concurrency. The names of the results end with it, and meta_env.json has
# the lists.
_imax_eval_batch() {
  local out="$1" concs="$2" concurrency folder file completed="" failed="" status=0
  shift 2
  for concurrency in $concs; do
    folder="$(mktemp -d)" || return
    if CONC="$concurrency" "${IMAX_BIN:-imax}" eval "$@" --concurrent-requests "$concurrency" --output "$folder"; then
      completed="$completed, $concurrency"
    else
      status=$?
      failed="$failed, $concurrency"
    fi
    for file in "$folder"/results*.json; do [[ ! -e "$file" ]] || mv "$file" "$out/$(basename "$file" .json)_conc$concurrency.json"; done
    for file in "$folder"/samples*.jsonl; do [[ ! -e "$file" ]] || mv "$file" "$out/$(basename "$file" .jsonl)_conc$concurrency.jsonl"; done
    [[ ! -e "$folder/meta_env.json" ]] || sed \
      "1s/{/{ \"eval_concs\": [${concs// /, }], \"completed_eval_concs\": [${completed#, }], \"failed_eval_concs\": [${failed#, }],/" \
      "$folder/meta_env.json" >"$out/meta_env.json"
    rm -rf "$folder"
  done
  return "$status"
}

# meta_env.json and the results lie where they are collected already.
append_lm_eval_summary() { :; }

_imax_refuse() {
  echo "error: $1: \`$2\` is not supported by this version of imax" >&2
  exit 3
}
