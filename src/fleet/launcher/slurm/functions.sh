# shellcheck shell=bash
# The functions of a batch script, after `job=<id>`.
#
# The script outlives a SIGTERM that its command takes time to obey, and exits with the command's status. Slurm itself sends
# SIGKILL only after the site's KillWait, so SIGUSR1 to the script ends everything of the job at once.
#
# Where Slurm tracks processes by their parents (proctrack/linuxproc), it does not see processes in the background in a session of
# their own. Those still carry the job's id, so the user's own processes with that id are ended when the script ends: here and, by a
# step that overlaps other steps, on the job's other nodes. That step has a mark of its own, which keeps it from being ended as a
# leftover, and an empty environment, because srun takes the options of sbatch (SLURM_GPUS_PER_NODE) for its own, which a step
# without GPUs cannot satisfy. A job that Slurm itself is ending gets no more steps.
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
tidy() {
  sweep "$1" || return 0
  echo "imax: ended what the job left on ${SLURMD_NODENAME:-its node}" >&2
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    sleep 0.1
    sweep 0 || return 0
  done
  sweep KILL || return 0
}
others() {
  local count=$((${SLURM_JOB_NUM_NODES:-1} - 1)) step
  [ "$count" -gt 0 ] || return 0
  env -i PATH="$PATH" HOME="${HOME:-/}" ${SLURM_CONF:+"SLURM_CONF=$SLURM_CONF"} IMAX_JOB_ID="$job-sweep" \
    srun --quiet --jobid="$SLURM_JOB_ID" --overlap --relative=1 --nodes="$count" --ntasks="$count" --ntasks-per-node=1 --mem=0 \
    --gres=none --mpi=none --input=none bash -c "job=$job; $(declare -f sweep tidy); tidy $1" &
  step=$!
  for _ in {1..100}; do
    kill -0 "$step" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$step" 2>/dev/null
  wait "$step" 2>/dev/null || echo "imax: could not look for what the job left on its other nodes" >&2
}
trap : TERM
trap 'trap "" USR1; sweep KILL; others KILL; kill -KILL 0' USR1
trap 'tidy TERM; others TERM' EXIT
run() {
  "$@" &
  while :; do
    wait "$!"
    status=$?
    kill -0 "$!" 2>/dev/null || exit "$status"
  done
}
