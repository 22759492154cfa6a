#!/usr/bin/env bash
# Starts a small Slurm cluster of this machine alone, in a folder: munge with a key of its own, the controller, one daemon
# for each of its nodes, fake GPUs (character devices that are /dev/null). Needs root and the Debian packages slurm-wlm,
# slurm-client and munge. The cluster ends with `stop.sh` of the folder.
#
#   tests/slurm/start.sh FOLDER
#
# partition   nodes        for
# main        node-[0-1]   jobs that run
# fail        node-2       nodes that fail
# full        node-3       jobs that wait
# low, high   node-4       jobs of `high` take the node from those of `low`
set -euo pipefail

dir=$1
mkdir -p "$dir/state" "$dir/spool" "$dir/log" "$dir/munge"
chmod 0711 "$dir/munge"

# A range of ports on which nothing listens.
base=0
while [ "$base" = 0 ]; do
  base=$((20000 + RANDOM % 10000))
  for port in $(seq "$base" $((base + 9))); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then base=0; fi
  done
done

for gpu in 0 1 2 3; do
  [ -e "$dir/nvidia$gpu" ] || mknod "$dir/nvidia$gpu" c 1 3
done

cat >"$dir/cgroup.conf" <<END
CgroupAutomount=no
END
cat >"$dir/gres.conf" <<END
NodeName=node-[0-4] Name=gpu Type=h100 File=$dir/nvidia[0-3] Flags=nvidia_gpu_env
END
cat >"$dir/slurm.conf" <<END
ClusterName=imax-test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$((base + 9))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
CryptoType=crypto/munge
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/spool/%n.pid
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldLogFile=$dir/log/slurmctld
SlurmdLogFile=$dir/log/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
ReturnToService=2
PropagateResourceLimits=NONE
KillWait=30
MessageTimeout=60
TCPTimeout=30
BatchStartTimeout=120
END
for node in 0 1 2 3 4; do
  echo "NodeName=node-$node NodeHostName=localhost NodeAddr=127.0.0.1 Port=$((base + node)) CPUs=8 Sockets=1 CoresPerSocket=8 ThreadsPerCore=1 RealMemory=8000 Gres=gpu:h100:4"
done >>"$dir/slurm.conf"
cat >>"$dir/slurm.conf" <<END
PartitionName=main Nodes=node-[0-1] Default=YES MaxTime=08:00:00
PartitionName=fail Nodes=node-2 MaxTime=08:00:00
PartitionName=full Nodes=node-3 MaxTime=08:00:00
PartitionName=low Nodes=node-4 PriorityTier=1 MaxTime=08:00:00
PartitionName=high Nodes=node-4 PriorityTier=2 MaxTime=08:00:00
END

cat >"$dir/stop.sh" <<END
#!/usr/bin/env bash
for pid in $dir/slurmd.*.pid $dir/slurmctld.pid $dir/munge/pid; do
  [ -e "\$pid" ] && kill -KILL "\$(cat "\$pid")" 2>/dev/null
done
true
END
chmod +x "$dir/stop.sh"

head -c 1024 /dev/urandom >"$dir/munge/key"
chmod 0600 "$dir/munge/key"
munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" \
  --log-file="$dir/munge/log" --seed-file="$dir/munge/seed"

export SLURM_CONF=$dir/slurm.conf
slurmctld
for _ in $(seq 1800); do
  if scontrol ping 2>/dev/null | grep -q 'is UP'; then break; fi
  sleep 0.1
done
# As on machines of their own, what runs on one node cannot be seen from another, and goes when its daemon's machine goes: each
# has a namespace of process numbers, whose first process takes the exit statuses of orphans. Its number is that of the node.
for node in 0 1 2 3 4; do
  unshare --pid --fork --kill-child --mount-proc bash -c "slurmd -D -N node-$node; exit" </dev/null >/dev/null 2>&1 &
  echo $! >"$dir/slurmd.node-$node.pid"
done
for _ in $(seq 1800); do
  if [ "$(sinfo --noheader --Node --format=%T | sort -u)" = idle ]; then exit 0; fi
  sleep 0.1
done
echo "the cluster is not ready:" >&2
sinfo >&2
exit 1
