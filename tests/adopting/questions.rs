//! The questions of `imax init` at a terminal.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::harness::{AtTerminal, Repository, Simulator, Terminal, imax};

/// `imax init` at a terminal, on a machine without programs.
fn init(repository: &Repository, arguments: &[&str]) -> Terminal {
    let mut command: Command = imax();
    command
        .current_dir(repository.folder())
        .env("PATH", repository.folder())
        .arg("init")
        .args(arguments);
    Terminal::start(command)
}

/// Ends the line that a question proposes, and answers.
fn instead(text: &str) -> String {
    format!("{}{text}\r", "\u{7f}".repeat(8))
}

#[test]
fn answers_lead_to_a_checked_repository() {
    let repository = Repository::new();
    let mut init = init(&repository, &[]);
    // Servers that happen to run on this machine are above the engines: from the last line, another server, upwards.
    init.answer("What is measured", "kkkkkk\r");
    init.answer("How do runners start vLLM", "j\r");
    init.answer("Model: its name on the hub, or a file", "org/Model-8B-FP8\r");
    init.answer("Label of the runners", "a/b\r");
    init.answer("hardware a/b: expected ASCII letters", &instead("h100"));
    init.answer("GPUs for the engine", "many\r");
    init.answer("invalid digit", &instead("0"));
    init.answer("0: expected 1 to", &instead("2"));
    init.answer("What starts a sweep", "jj\r");
    let AtTerminal { code, text, is_restored } = init.finish();
    assert_eq!((code, is_restored), (Some(0), true), "{text}");
    assert!(text.contains("0 errors, 0 warnings") && text.contains("imax sweep"), "{text}");
    let profile = repository.read("runners/h100.yaml");
    assert!(profile.contains("launcher: docker"), "{profile}");
    let config = repository.read("configs/benchmarks-master.yaml");
    assert!(config.contains("model-8b-fp8-h100-vllm:") && config.contains("tp: 2"), "{config}");
    assert!(repository.read("imax.yaml").contains("schedule-config-keys"));
}

#[test]
fn engine_on_kubernetes_is_measured_by_the_url_of_its_service() {
    let simulator = Simulator::start(&["--served-model-name", "served/model"]);
    let repository = Repository::new();
    let mut init = init(&repository, &["--engine", "vllm", "--hardware", "h100", "--trigger", "release"]);
    init.answer("How do runners start vLLM", "jjj\r");
    init.await_text("imax does not start engines there yet");
    init.press("https://engine\r");
    init.answer("over TLS", &format!("{}{}/v1/\r", "\u{7f}".repeat(20), simulator.url()));
    let AtTerminal { code, text, .. } = init.finish();
    assert_eq!(code, Some(0), "{text}");
    let profile = repository.read("runners/h100.yaml");
    assert!(profile.contains(&format!("url: \"{}\"", simulator.url())), "{profile}");
    let config = repository.read("configs/benchmarks-master.yaml");
    assert!(config.contains("served/model") && !config.contains("vllm"), "{config}");
}

#[test]
fn interrupted_questions_write_nothing_and_restore_the_terminal() {
    for (name, end, code) in [
        ("Ctrl-C", (|init: &mut Terminal| init.press("\u{3}")) as fn(&mut Terminal), 130),
        ("SIGINT", |init| init.signal(Signal::SIGINT), 130),
        ("SIGTERM", |init| init.signal(Signal::SIGTERM), 143),
    ] {
        for question in ["How do runners start", "Model: its name"] {
            let repository = Repository::new();
            let mut init = init(&repository, &["--engine", "vllm"]);
            init.await_text("How do runners start");
            if question == "Model: its name" {
                init.press("\r");
                init.await_text(question);
            }
            end(&mut init);
            let ended = init.finish();
            assert_eq!((ended.code, ended.is_restored), (Some(code), true), "{name}: {}", ended.text);
            assert!(ended.text.contains("nothing was written"), "{name}: {}", ended.text);
            let (hidden, shown) = (ended.text.rfind("\u{1b}[?25l"), ended.text.rfind("\u{1b}[?25h"));
            assert!(shown >= hidden, "{name}: the cursor is hidden: {:?}", ended.text);
            assert!(!repository.path("configs").exists());
        }
    }
}

#[test]
fn closed_terminal_is_an_error_that_names_the_remedy() {
    let repository = Repository::new();
    let mut init = init(&repository, &["--engine", "vllm"]);
    init.await_text("How do runners start");
    init.close();
    let ended = init.finish();
    assert_eq!(ended.code, Some(2), "{}", ended.text);
    assert!(ended.text.contains("with --yes nothing is asked"), "{}", ended.text);
    assert!(!repository.path("configs").exists());
}

#[test]
fn files_are_overwritten_after_a_yes_alone() {
    let repository = Repository::new();
    let own = "policy: { drafts: true }\n";
    repository.write("imax.yaml", own);
    let all = [
        "--engine",
        "vllm",
        "--launcher",
        "local",
        "--model",
        "org/m",
        "--hardware",
        "cpu",
        "--trigger",
        "nightly",
    ];
    for (answer, is_kept) in [("n", true), ("y", false)] {
        let mut init = init(&repository, &all);
        init.answer("Overwrite imax.yaml?", answer);
        let ended = init.finish();
        assert_eq!(ended.code, Some(0), "{}", ended.text);
        assert_eq!(repository.read("imax.yaml") == own, is_kept, "{}", ended.text);
        assert_eq!(repository.path("configs").exists(), !is_kept);
    }
}
