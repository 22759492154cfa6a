//! Submissions as golden values.

use super::*;
use crate::fleet::launcher::launch_rules;
use crate::job::{RunnerProfile, resolve};
use crate::model::{JobId, Secret};
use serde_json::{Value, json};

fn single_node() -> Value {
    json!({
        "image": "nvcr.io/org/engine:1", "model": "m", "model-prefix": "demo", "precision": "fp8", "framework": "sim", "runner": "h200",
        "isl": 64, "osl": 16, "tp": 4, "ep": 1, "dp-attn": false, "spec-decoding": "none", "conc": 2, "max-model-len": 128, "exp-name": "e"
    })
}

fn multi_node() -> Value {
    let worker = |number: u32, tp: u32| json!({ "num-worker": number, "tp": tp, "ep": 1, "dp-attn": false });
    json!({
        "image": "nvcr.io/org/engine:1", "model": "m", "model-prefix": "demo", "precision": "fp8", "framework": "sim", "runner": "h200",
        "isl": 64, "osl": 16, "prefill": worker(2, 4), "decode": worker(1, 8), "spec-decoding": "none", "conc": [2, 4],
        "max-model-len": 128, "exp-name": "e", "disagg": true
    })
}

fn request(row: Value, slurm: &str) -> BatchRequest {
    let yaml = format!("launcher: slurm\nvendor: nvidia\nhf-cache: /data/hf\nslurm: {slurm}\n");
    let profile = RunnerProfile::load("p", "runners", &|name| (name == "p.yaml").then(|| yaml.clone()), &launch_rules()).unwrap();
    let settings: SlurmSettings = profile.launch.read().unwrap();
    let names = ["demo_fp8_h200_sim.sh", "multi_node/demo_fp8_h200_sim.sh"];
    let read = |path: &str| names.contains(&path).then(|| "exec engine".to_owned());
    let row = serde_json::from_value(row).unwrap();
    let spec = resolve(
        JobId::from_unique(1),
        row,
        "h200_0".parse().unwrap(),
        profile,
        "benchmarks",
        &read,
        &launch_rules(),
    )
    .unwrap();
    let environment = [
        Variable::plain("PATH", "/opt:/usr/bin"),
        Variable::plain("LD_LIBRARY_PATH", "/of/the/node"),
        Variable::plain("CUDA_VISIBLE_DEVICES", "7"),
        Variable::plain("TP", "4"),
        Variable::plain("IMAX_OUT", "/repo/out"),
        Variable::secret("HF_TOKEN", Secret::new("hf_secret".to_owned())),
    ];
    let folders = BatchFolders {
        repository: Path::new("/repo"),
        recipes: Path::new("/repo/bench marks"),
        runners: Path::new("/repo/runners"),
        out: Path::new("/repo/out"),
        binary: Path::new("/opt/imax"),
        log: Path::new("/repo/out/server.log"),
        secrets: Some(Path::new("/home/u/imax-1.env")),
    };
    let request = batch_request(&spec, &settings, &environment, 8888, folders).unwrap();
    assert!(!format!("{request:?}").contains("hf_secret"), "{request:?}");
    request
}

fn head() -> String {
    let functions = include_str!("../functions.sh");
    format!(
        "#!/usr/bin/env bash
# imax-1 of imax.
set -u
job=imax-1
watcher_step=imax-watcher
{functions}fail() {{ echo \"imax: $2\" >&2; exit \"$1\"; }}
[ -r /home/u/imax-1.env ] || fail 241 \"$(hostname) does not see\"/home/u/imax-1.env
. /home/u/imax-1.env
rm -f /home/u/imax-1.env
if (exec 3<>/dev/tcp/127.0.0.1/8888) 2>/dev/null; then fail 242 \"port 8888 is taken on $(hostname)\"; fi
"
    )
}

const EXAMINE: &str = "examine() {
  for _ in 1 2 3 4 5 6; do
    timeout 60 /opt/imax doctor --inside-job --profile=p --runner-dir=/repo/runners --gpus=4 --format=json >/repo/out/node-\"$SLURMD_NODENAME.json\"
    [ \"$?\" = 4 ] || return 0
    sleep 5
  done
  return 4
}
";
const FIT: &str = "[ \"$?\" != 4 ] || fail 244 \"a node is not fit\"\n";

#[test]
fn job_without_container() {
    let request = request(
        single_node(),
        "{partition: gpu, account: bench, qos: high, reservation: r1, exclusive: true, time-limit: 90s, exclude: 'n[1-2]', nodelist: n7, \
          constraint: h200, gpus-option: '--gpus-per-node={gpus}', extra-options: [--mem=0, --cpus-per-task=32]}",
    );
    let expected = [
        "--parsable",
        "--job-name=imax-1",
        "--comment=imax-1",
        "--no-requeue",
        "--export=ALL",
        "--chdir=/repo",
        "--output=/repo/out/server.log",
        "--open-mode=append",
        "--nodes=1",
        "--ntasks-per-node=1",
        "--time=2",
        "--partition=gpu",
        "--account=bench",
        "--qos=high",
        "--reservation=r1",
        "--exclude=n[1-2]",
        "--nodelist=n7",
        "--constraint=h200",
        "--exclusive",
        "--gpus-per-node=4",
        "--mem=0",
        "--cpus-per-task=32",
    ];
    assert_eq!(request.arguments, expected);
    assert_eq!(
        request.script,
        format!(
            "{}{EXAMINE}examine\n{FIT}run bash '/repo/bench marks/demo_fp8_h200_sim.sh'\n",
            head()
        )
    );
    let environment = [
        ("PATH", "/opt:/usr/bin"),
        ("LD_LIBRARY_PATH", "/of/the/node"),
        ("TP", "4"),
        ("IMAX_OUT", "/repo/out"),
    ];
    assert_eq!(
        request.environment,
        environment.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[test]
fn job_with_pyxis() {
    let request = request(
        single_node(),
        "{container: pyxis, remap-root: true, mounts: ['/models:/models:ro'], step-options: [--mpi=pmix]}",
    );
    let step = "--container-image=nvcr.io#org/engine:1 '--container-mounts=/repo:/workspace,/repo/bench marks:/imax/recipes:ro,\
                /repo/out:/imax/out,/opt/imax:/imax/bin/imax:ro,/data/hf:/mnt/hf_hub_cache,/models:/models:ro' \
                --container-workdir=/workspace --container-env=TP,IMAX_BIN,IMAX_OUT,GITHUB_WORKSPACE,HF_HUB_CACHE,HF_TOKEN \
                --no-container-mount-home --no-container-entrypoint --container-remap-root --mpi=pmix";
    assert_eq!(
        request.script,
        format!(
            "{}{EXAMINE}examine\n{FIT}run srun --nodes=1 --ntasks=1 --cpu-bind=none {step} bash /imax/recipes/demo_fp8_h200_sim.sh\n",
            head()
        )
    );
    // Variables that only make sense on the node are not passed to the container.
    let names: Vec<&str> = request.environment.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["PATH", "TP", "IMAX_BIN", "IMAX_OUT", "GITHUB_WORKSPACE", "HF_HUB_CACHE"]);
    assert!(request.arguments.contains(&"--gres=gpu:4".to_owned()), "{:?}", request.arguments);
}

#[test]
fn job_with_imported_image() {
    let request = request(single_node(), "{container: pyxis, image-cache: /images}");
    assert!(
        request.script.contains(
            "\nimage=$(/opt/imax import-image --image docker://nvcr.io#org/engine:1 --cache /images) || fail 243 \"no image\"\n\
             run srun --nodes=1 --ntasks=1 --cpu-bind=none \"--container-image=$image\" "
        ),
        "{}",
        request.script
    );
}

#[test]
fn job_with_enroot() {
    let request = request(single_node(), "{container: enroot, image-cache: /images}");
    let last = request.script.lines().last().unwrap();
    assert_eq!(
        last,
        "run enroot start --rw --rc \"${image%/*}/imax-entry.sh\" --mount /repo:/workspace:none:x-create=auto,rbind \
         --mount '/repo/bench marks:/imax/recipes:none:x-create=auto,rbind,ro' --mount /repo/out:/imax/out:none:x-create=auto,rbind \
         --mount /opt/imax:/imax/bin/imax:none:x-create=auto,rbind,ro --mount /data/hf:/mnt/hf_hub_cache:none:x-create=auto,rbind \
         --env TP --env IMAX_BIN --env IMAX_OUT --env GITHUB_WORKSPACE --env HF_HUB_CACHE --env HF_TOKEN \"$image\" \
         bash /imax/recipes/demo_fp8_h200_sim.sh"
    );
}

#[test]
fn job_over_several_nodes_has_roles() {
    let request = request(multi_node(), "{gpus-per-node: 4, container: pyxis}");
    assert!(request.arguments.contains(&"--nodes=4".to_owned()) && request.arguments.contains(&"--gres=gpu:4".to_owned()));
    let roles = "mapfile -t hosts < <(scontrol show hostnames \"$SLURM_JOB_NODELIST\")
join() { local IFS=,; echo \"$*\"; }
IMAX_NODES=$(join \"${hosts[@]}\")
IMAX_PREFILL_NODES=$(join \"${hosts[@]:0:2}\")
IMAX_DECODE_NODES=$(join \"${hosts[@]:2:2}\")
export IMAX_NODES IMAX_PREFILL_NODES IMAX_DECODE_NODES
export PREFILL_NODES=2 DECODE_NODES=2 GPUS_PER_NODE=4
watch_others
";
    let step = "export -f examine
srun --quiet --overlap --nodes=4 --ntasks=4 --ntasks-per-node=1 --cpus-per-task=1 --mpi=none --input=none \\
  bash -c examine
";
    let options = "export IMAX_CONTAINER_OPTIONS=\"--container-image=nvcr.io#org/engine:1 ";
    assert!(
        request.script.contains(&format!("{roles}{EXAMINE}{step}{FIT}{options}")),
        "{}",
        request.script
    );
    assert!(
        request
            .script
            .ends_with("\nrun bash '/repo/bench marks/multi_node/demo_fp8_h200_sim.sh'\n"),
        "{}",
        request.script
    );
    assert!(request.environment.iter().any(|(name, _)| name == "LD_LIBRARY_PATH"));
}

#[test]
fn secrets_file_quotes_its_values() {
    let environment = [
        Variable::plain("TP", "4"),
        Variable::secret("HF_TOKEN", Secret::new("it's $HOME".to_owned())),
    ];
    assert_eq!(
        crate::fleet::launcher::slurm::secrets_file(&environment).unwrap(),
        "export HF_TOKEN='it'\\''s $HOME'\n"
    );
    assert_eq!(crate::fleet::launcher::slurm::secrets_file(&environment[..1]), None);
}
