# shellcheck shell=bash
# The functions of a batch script, after `job=<id>` and `watcher_step=<name>`.
#
# The script outlives a SIGTERM that its command takes time to obey, and exits with the command's status. Slurm itself sends
# SIGKILL only after the site's KillWait, so SIGUSR1 to the script ends everything of the job at once.
#
# Where Slurm tracks processes by their parents (proctrack/linuxproc) or by their groups (proctrack/pgid), it does not see
# processes in the background in a session of their own. Those still carry the job's id, so the user's own processes with that id
# are ended when the script ends: here, and on the job's other nodes by a step that has waited there since the beginning. A step
# started at the end would come too late: a job that Slurm is ending gets no more steps, and on a busy cluster one takes seconds.

# sweep SIGNAL: sends it to the job's processes on this node. Fails where there are none.
sweep() {
  local pid pids=()
  # shellcheck disable=SC2013,SC2154 # these paths have no blanks; the script sets job
  for pid in $(grep -lszFx "IMAX_JOB_ID=$job" /proc/[0-9]*/environ); do
    pid=${pid#/proc/}
    pid=${pid%/environ}
    [ "$pid" = "$$" ] || [ ! -O "/proc/$pid" ] || pids+=("$pid")
  done
  kill "-$1" "${pids[@]}" 2>/dev/null
}
# A process may start another between the look and the signal, and one that is just being executed shows no environment: so it
# takes two looks without a process.
kill_all() {
  local looks=0
  for _ in {1..40}; do
    if sweep KILL; then looks=0; else looks=$((looks + 1)); fi
    [ "$looks" -lt 2 ] || return 0
    sleep 0.05
  done
}
# tidy TERM|KILL: ends the job's processes on this node; after SIGTERM they have a second.
tidy() {
  if sweep "$1"; then echo "imax: ended what the job left on ${SLURMD_NODENAME:-its node}" >&2; fi
  if [ "$1" = TERM ]; then
    for _ in {1..10}; do
      sweep 0 || break
      sleep 0.1
    done
  fi
  kill_all
}
# What runs on the other nodes: it says that it is there, and tidies when it is told how or when the script is gone. Slurm sends
# SIGTERM to all steps of a job that it ends, long before its processes must be gone.
wait_and_tidy() {
  local how
  trap "" TERM
  echo "waits"
  IFS= read -r how || how=TERM
  tidy "$how"
}
# watch_others: starts that step. Its mark is another one, which keeps it from being ended as a leftover; its environment is
# empty, because srun takes the options of sbatch (SLURM_GPUS_PER_NODE) for its own, which a step without GPUs cannot satisfy.
# srun ends its step when it gets SIGTERM, so it hides from Slurm in a session of its own, as leftovers do; it goes with its step.
# Slurm with control groups loses sight of nothing and needs no such step.
watcher=
# shellcheck disable=SC2154 # the script sets watcher_step
watch_others() {
  local count=$((${SLURM_JOB_NUM_NODES:-1} - 1)) _
  [ "$count" -gt 0 ] || return 0
  [[ $(scontrol show config 2>/dev/null) != *proctrack/cgroup* ]] || return 0
  coproc WATCHER {
    exec env -i PATH="$PATH" HOME="${HOME:-/}" ${SLURM_CONF:+"SLURM_CONF=$SLURM_CONF"} IMAX_JOB_ID="$job-sweep" \
      setsid --fork srun --quiet --job-name="$watcher_step" --jobid="$SLURM_JOB_ID" --overlap --relative=1 --nodes="$count" \
      --ntasks="$count" --ntasks-per-node=1 --mem=0 --gres=none --mpi=none \
      bash -c "job=$job; $(declare -f sweep kill_all tidy wait_and_tidy); wait_and_tidy"
  }
  # Copies, because Bash closes and forgets its own when the coprocess has ended.
  exec {watcher_output}<&"${WATCHER[0]}" {watcher}>&"${WATCHER[1]}"
  while [ "$count" -gt 0 ] && IFS= read -r -t 30 -u "$watcher_output" _; do count=$((count - 1)); done
  [ "$count" = 0 ] || echo "imax: cannot watch the job's other nodes: what it leaves there in the background may stay" >&2
}
# tidy_all TERM|KILL: ends the job's processes on all its nodes at once.
tidy_all() {
  [ -z "$watcher" ] || { trap "" PIPE && echo "$1" >&"$watcher" && exec {watcher}>&-; } 2>/dev/null
  tidy "$1"
  [ -n "$watcher" ] || return 0
  # The step's output ends with it.
  IFS= read -r -t 10 -u "$watcher_output" _
  [ "$?" -le 128 ] || echo "imax: could not look for what the job left on its other nodes" >&2
}
trap : TERM
trap 'trap "" USR1; tidy_all KILL; kill -KILL 0' USR1
trap 'tidy_all TERM' EXIT
run() {
  {
    [ -z "$watcher" ] || exec {watcher}>&- {watcher_output}<&-
    exec "$@"
  } &
  while :; do
    wait "$!"
    status=$?
    kill -0 "$!" 2>/dev/null || exit "$status"
  done
}
