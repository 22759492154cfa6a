//! The functions of `benchmark_lib.sh`, called as recipes call them: in bash, with real processes, and stand-ins of the vendors' tools alone.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::harness::{Finish as _, Simulator, clean_command, program, project};

/// What the library and the scripts here use of the system. Nothing else is on PATH: a machine with GPUs has the real tools.
const TOOLS: [&str; 20] = [
    "awk", "basename", "bash", "cat", "curl", "dirname", "env", "grep", "head", "ls", "mkdir", "mktemp", "mv", "ps", "rm", "sed", "sleep",
    "tail", "touch", "wc",
];

/// A repository of a recipe: a working folder, and programs on PATH.
struct Shell {
    folder: TempDir,
}

impl Shell {
    fn new() -> Self {
        let shell = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for folder in ["bin", "work", "tmp"] {
            fs::create_dir(shell.path(folder)).unwrap();
        }
        for tool in TOOLS {
            let found = ["/usr/bin", "/bin"].map(|folder| PathBuf::from(folder).join(tool));
            let found = found
                .iter()
                .find(|path| path.exists())
                .unwrap_or_else(|| panic!("{tool} is not installed"));
            symlink(found, shell.path("bin").join(tool)).unwrap();
        }
        symlink(program(), shell.path("bin/imax")).unwrap();
        shell
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds a program, in bash.
    fn tool(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        let _ = fs::remove_file(&path);
        fs::write(&path, format!("#!/bin/bash\n{script}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, script: &str) -> Ended {
        self.run_with(script, &[])
    }

    /// Runs a script that has sourced the library.
    fn run_with(&self, script: &str, variables: &[(&str, &str)]) -> Ended {
        let library = project().join("benchmarks/benchmark_lib.sh");
        let mut command = clean_command("/bin/bash");
        command
            .args(["-uo", "pipefail", "-c", &format!("source '{}'\n{script}", library.display())])
            .current_dir(self.path("work"))
            .env("PATH", self.path("bin"))
            .env("TMPDIR", self.path("tmp"))
            .env("INFMAX_CONTAINER_WORKSPACE", self.path("work"))
            .envs(variables.iter().copied());
        let output: Output = command.finish();
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("work").join(name)).unwrap()
    }
}

#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

const NVIDIA_SMI: &str = r#"echo "$$" > smi.pid; echo "$*" > smi.arguments
echo "timestamp, index, power.draw [W]"
trap 'printf "2026/11/30 10:00:00.000, 0, 6"; exit' TERM
while :; do echo "2026/11/30 10:00:00.000, 0, 600.00 W"; sleep 0.02; done
"#;

/// Starts a monitor, waits for samples, stops it twice, and says whether the tool is still there.
const MONITOR: &str = r#"
start_gpu_monitor --output samples.csv --interval 2
until [[ "$(wc -l < samples.csv)" -ge 4 ]]; do sleep 0.02; done
stop_gpu_monitor
stop_gpu_monitor
while kill -0 "$(cat smi.pid)" 2>/dev/null; do sleep 0.02; done
echo "stopped, table in $GPU_METRICS_CSV"
"#;

#[test]
fn monitor_samples_until_it_is_stopped() {
    let shell = Shell::new();
    shell.tool("nvidia-smi", NVIDIA_SMI);
    let ended = shell.run(MONITOR);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "stopped, table in samples.csv\n"),
        "{ended:?}"
    );
    let arguments = shell.read("smi.arguments");
    assert!(
        arguments.contains("--query-gpu=timestamp,index,power.draw,") && arguments.contains("--loop=2"),
        "{arguments}"
    );
    // What was being written at the stop is left out.
    let samples = shell.read("samples.csv");
    assert!(samples.ends_with("600.00 W\n"), "{samples}");
    assert!(samples.lines().count() >= 4, "{samples}");
}

#[test]
fn monitor_of_amd_keeps_one_heading() {
    let shell = Shell::new();
    let tool = r#"echo "$$" > smi.pid; echo "$*" > smi.arguments
echo "WATCH: every 2 s"
while :; do echo "timestamp,gpu,socket_power"; echo "1796077999,0,750"; sleep 0.02; done
"#;
    shell.tool("amd-smi", tool);
    let ended = shell.run(MONITOR);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(shell.read("smi.arguments").contains("--watch 2 --csv"));
    let samples = shell.read("samples.csv");
    let headings = samples.lines().filter(|line| line.starts_with("timestamp,")).count();
    assert_eq!(
        (headings, samples.lines().next()),
        (1, Some("timestamp,gpu,socket_power")),
        "{samples}"
    );
    assert!(samples.ends_with("1796077999,0,750\n") && !samples.contains("WATCH"), "{samples}");
}

#[test]
fn machine_without_gpu_tools_is_not_sampled() {
    let shell = Shell::new();
    let ended = shell.run("start_gpu_monitor && stop_gpu_monitor && ls");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, "no GPU tool (nvidia-smi, amd-smi): the GPUs are not sampled\n");
}

/// Refuses the concurrency 4, and is imax for all others.
const REFUSING: &str = r#"[[ " $* " != *" --concurrent-requests 4 "* ]] || { echo "refused" >&2; exit 7; }
exec imax "$@"
"#;

#[test]
fn batch_has_results_of_each_concurrency_and_says_which_failed() {
    let answers = project().join("benchmarks/evals/sums.jsonl");
    let engine = Simulator::start(&["--model", "demo", "--answers", answers.to_str().unwrap()]);
    let shell = Shell::new();
    shell.tool("refusing-imax", REFUSING);
    let variables = [
        ("MODEL", "demo"),
        ("CONC", "8"),
        ("EVAL_CONCURRENT_REQUESTS", " 2 4 8 "),
        ("IMAX_EVAL_TASKS", "sums"),
        ("EVAL_LIMIT", "3"),
        ("IMAX_BIN", "refusing-imax"),
    ];
    let script = format!(
        "run_eval --framework lm-eval --port {}; status=$?; append_lm_eval_summary; exit $status",
        engine.port()
    );
    let ended = shell.run_with(&script, &variables);
    assert_eq!(ended.code, Some(7), "the code of the one that failed: {ended:?}");

    let mut results: Vec<String> = fs::read_dir(shell.path("work"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    results.sort();
    let count = |start: &str, end: &str| results.iter().filter(|name| name.starts_with(start) && name.ends_with(end)).count();
    for conc in [2, 8] {
        let found = [
            count("results_", &format!("_conc{conc}.json")),
            count("samples_sums_", &format!("_conc{conc}.jsonl")),
        ];
        assert_eq!(found, [1, 1], "{results:?}");
    }
    assert_eq!(count("results_", ""), 2, "{results:?}");
    let meta: Value = serde_json::from_str(&shell.read("meta_env.json")).unwrap();
    let lists = ["eval_concs", "completed_eval_concs", "failed_eval_concs"].map(|name| meta[name].clone());
    assert_eq!(lists, [json!([2, 4, 8]), json!([2, 8]), json!([4])]);
    assert_eq!(fs::read_dir(shell.path("tmp")).unwrap().count(), 0, "a temporary folder is left");
}

#[test]
fn one_concurrency_is_evaluated_in_place() {
    let answers = project().join("benchmarks/evals/sums.jsonl");
    let engine = Simulator::start(&["--model", "demo", "--answers", answers.to_str().unwrap()]);
    let shell = Shell::new();
    let script = format!(
        "run_eval --framework lm-eval --port {} --concurrent-requests 2 --num-fewshot 1 --limit 3 --tasks sums && ls",
        engine.port()
    );
    let ended = shell.run_with(&script, &[("MODEL", "demo")]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.lines().any(|name| name.starts_with("results_")), "{ended:?}");
    assert!(!shell.read("meta_env.json").contains("eval_concs"));
}

#[test]
fn process_tree_is_stopped_to_its_leaves() {
    let shell = Shell::new();
    // The worker outlives its parent and ignores SIGTERM.
    let script = r#"
bash -c 'bash -c "trap \"\" TERM; echo \$\$ > worker; while :; do sleep 0.05; done" & echo $$ > root; wait' &
root=$!
until [[ -s worker && -s root ]]; do sleep 0.02; done
stop_background_process_tree "$root" engine 1
runs() { [[ "$(ps -o stat= -p "$1")" == [!Z]* ]]; }
while runs "$(cat worker)" || runs "$root"; do sleep 0.02; done
stop_background_process_tree "$root" engine && stop_background_process_tree "" && stop_background_process_tree 1x && echo "nothing left"
"#;
    let ended = shell.run(script);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("stopping engine (process "), "{ended:?}");
    assert!(
        ended.stdout.ends_with(")\nnothing left\n"),
        "what has ended is not stopped again: {ended:?}"
    );
}

#[test]
fn clean_gpus_are_waited_for() {
    let shell = Shell::new();
    // A GPU that releases its memory from one look to the next.
    shell.tool(
        "rocm-smi",
        "touch looked.$(ls looked.* 2>/dev/null | wc -l); used=55; [[ ! -e looked.2 ]] || used=9\n\
         echo \"GPU[0] : GPU Memory Allocated (VRAM%): 3\"; echo \"GPU[1] : GPU Memory Allocated (VRAM%): $used\"",
    );
    shell.tool("sleep", "exec /bin/sleep 0.01");
    let ended = shell.run("wait_for_amd_gpu_clean && ls looked.*");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said = "a GPU has 55 % of its memory in use\n";
    assert_eq!(ended.stdout, format!("{said}{said}looked.0\nlooked.1\nlooked.2\n"));
}

#[test]
fn offloading_that_a_recipe_cannot_do_ends_it() {
    let shell = Shell::new();
    for (offloading, backend, call, code, said) in [
        ("none", "", "agentic_kv_offload_enabled", 1, ""),
        ("dram", "lmcache", "agentic_kv_offload_enabled", 0, ""),
        ("none", "", "require_agentic_kv_offload_none", 0, ""),
        (
            "dram",
            "lmcache",
            "require_agentic_kv_offload_none",
            3,
            "KV_OFFLOADING=dram, expected none",
        ),
        ("none", "", "require_agentic_kv_offload_backend lmcache", 1, ""),
        ("dram", "lmcache", "require_agentic_kv_offload_backend lmcache", 0, ""),
        (
            "dram",
            "hicache",
            "require_agentic_kv_offload_backend lmcache",
            3,
            "KV_OFFLOAD_BACKEND=hicache, expected lmcache",
        ),
    ] {
        let ended = shell.run_with(call, &[("KV_OFFLOADING", offloading), ("KV_OFFLOAD_BACKEND", backend)]);
        assert_eq!(ended.code, Some(code), "{call} with {offloading}: {ended:?}");
        assert!(ended.stderr.contains(said), "{call}: {ended:?}");
    }
}

#[test]
fn replay_needs_sessions() {
    let shell = Shell::new();
    let ended = shell.run("install_agentic_deps; build_replay_cmd out; resolve_trace_source; echo unreachable");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{ended:?}");
    assert!(ended.stderr.contains("name a file of them in `load.sessions`"), "{ended:?}");
    let named = shell.run_with(
        "resolve_trace_source && write_agentic_result_json out && build_replay_cmd out && echo \"$REPLAY_CMD\"",
        &[("IMAX_SESSIONS", "sessions.jsonl")],
    );
    assert_eq!((named.code, named.stdout.as_str()), (Some(0), "_imax_replay\n"), "{named:?}");
    let whole = shell.run_with("echo \"${MAX_MODEL_LEN-unset}\"", &[("IS_AGENTIC", "1"), ("MAX_MODEL_LEN", "2048")]);
    assert_eq!(whole.stdout, "unset\n", "a replay has the whole context");
}

#[test]
fn packages_are_installed_into_the_images_own_python() {
    let shell = Shell::new();
    for (help, expected) in [
        (
            "  --break-system-packages  Allow it",
            "-m pip install --break-system-packages a 'b c'",
        ),
        ("  --user", "-m pip install a 'b c'"),
    ] {
        let script = format!(
            "if [[ \"$*\" == *--help ]]; then echo '{help}'; else for word; do [[ \"$word\" != *' '* ]] || word=\"'$word'\"; \
             printf '%s ' \"$word\"; done; fi"
        );
        shell.tool("python3", &script);
        let ended = shell.run("agentic_pip_install a 'b c'");
        assert_eq!((ended.code, ended.stdout.trim()), (Some(0), expected), "{ended:?}");
    }
}

#[test]
fn context_of_an_evaluation_is_at_most_that_of_the_model() {
    let shell = Shell::new();
    fs::create_dir(shell.path("work/model")).unwrap();
    let config = "{ \"hidden_size\": 8, \"max_position_embeddings\": 4096 }";
    fs::write(shell.path("work/model/config.json"), config).unwrap();
    for (model, asked, length, expected) in [
        ("model", "9000", "", "4096"),
        ("model", "100", "", "100"),
        ("model", "", "", "4096"),
        // Neither known nor asked for.
        ("org/unknown", "", "2048", "2048"),
        ("org/unknown", "", "", "16384"),
        ("org/unknown", "700", "", "700"),
    ] {
        let variables = [("MAX_MODEL_LEN", length)];
        let ended = shell.run_with(&format!("compute_eval_context_length {model} {asked}"), &variables);
        assert_eq!((ended.code, ended.stdout.trim()), (Some(0), expected), "{model} {asked}: {ended:?}");
    }
    let lengths = [("MODEL", "model"), ("ISL", "1024"), ("OSL", "512")];
    let ended = shell.run_with("setup_eval_context; env | grep EVAL_MAX_MODEL_LEN", &lengths);
    assert_eq!(ended.stdout, "EVAL_MAX_MODEL_LEN=1792\n", "{ended:?}");
}

#[test]
fn commands_are_written_so_that_a_shell_can_run_them_again() {
    let shell = Shell::new();
    let ended = shell.run("write_command run.sh echo 'a  b' \"it's\" '$HOME'; append_command run.sh echo more; bash run.sh");
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let printed: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(&printed[1..], ["a  b it's $HOME", "more"], "{ended:?}");
    assert_eq!(shell.read("run.sh").lines().next(), printed.first().copied());
}

#[test]
fn unknown_flags_functions_and_variables_are_named() {
    let shell = Shell::new();
    for (call, code, said) in [
        ("check_env_vars BASH NOT_SET NOR_THIS", 1, "the environment lacks NOT_SET NOR_THIS"),
        ("check_env_vars BASH", 0, ""),
        ("start_gpu_monitor --power", 3, "start_gpu_monitor: `--power` is not supported"),
        (
            "wait_for_server_ready --ports 1",
            3,
            "wait_for_server_ready: `--ports` is not supported",
        ),
        ("wait_for_ready --url x", 3, "wait_for_ready: `--url` is not supported"),
        (
            "run_benchmark_serving --lora x",
            3,
            "run_benchmark_serving: `--lora` is not supported",
        ),
        ("run_eval --framework helm", 3, "run_eval: `--framework helm` is not supported"),
        ("select_available_server_port", 0, ""),
        ("a_newer_function", 127, "a_newer_function: command not found"),
    ] {
        let ended = shell.run(call);
        assert_eq!(ended.code, Some(code), "{call}: {ended:?}");
        assert!(ended.stderr.contains(said), "{call}: {ended:?}");
    }
}

#[test]
fn row_that_is_evaluated_alone_is_not_measured() {
    let shell = Shell::new();
    let ended = shell.run_with("run_benchmark_serving --model demo --port 1", &[("EVAL_ONLY", "true")]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("nothing is measured"), "{ended:?}");
}

#[test]
fn router_that_ends_or_never_answers_ends_the_recipe() {
    let shell = Shell::new();
    shell.tool("ends", "echo 'no route' > router.log");
    let script =
        "ends & router=$!; wait \"$router\"; wait_for_ready --endpoint http://127.0.0.1:1/ --log router.log --pid \"$router\"; echo on";
    let ended = shell.run(script);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(
        ended.stderr.contains("no route") && ended.stderr.contains("ended before http://127.0.0.1:1/ answered; see router.log"),
        "{ended:?}"
    );
    let script = "wait_for_ready --endpoint http://127.0.0.1:1/ --log none --pid $$ --sleep-interval 0.05 --timeout 1; echo on";
    let ended = shell.run(script);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("has not answered within 1 s"), "{ended:?}");
}

/// A function that recipes may call and no test does would be missed here.
#[test]
fn each_function_has_a_test() {
    let library = fs::read_to_string(project().join("benchmarks/benchmark_lib.sh")).unwrap();
    let functions = library.lines().filter_map(|line| line.split_once("() {").map(|(name, _)| name));
    let functions: Vec<&str> = functions
        .filter(|name| !name.starts_with('_') && !name.contains(char::is_whitespace))
        .collect();
    assert!(functions.len() > 20, "{functions:?}");
    let tests = ["recipe_library", "self_contained", "agentic", "sessions"]
        .map(|name| fs::read_to_string(project().join(format!("tests/running/{name}.rs"))).unwrap());
    let tests = tests.concat();
    // Bash itself calls this one, for `a_newer_function`.
    let uncalled: Vec<&&str> = functions
        .iter()
        .filter(|name| **name != "command_not_found_handle" && !tests.contains(&format!("{name} ")) && !tests.contains(&format!("{name};")))
        .filter(|name| !tests.contains(&format!("\"{name}\"")))
        .collect();
    assert!(uncalled.is_empty(), "{uncalled:?}");
}
