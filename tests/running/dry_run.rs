//! `imax run --dry-run` for each kind of launcher: what would be started is printed, nothing is started, no file is written.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::fixture::Fixture;

/// Whatever is started leaves a file.
const MUST_NOT_RUN: &str = "touch ran; exec sleep @MARK@";
const TOKEN: &str = "hf_secret-of-the-test";
const COMMON: &str = "hooks: { pre: [touch pre-hook], post: [touch post-hook] }\ndeadlines: { ready: 90s }\n";

/// Every file and folder below a folder, with the contents of the files.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let contents = if path.is_dir() { Vec::new() } else { fs::read(&path).unwrap() };
            found.insert(path.display().to_string(), contents);
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}

/// A fixture whose Slurm tools leave a file too.
fn fixture(profile: &str) -> Fixture {
    let fixture = Fixture::with_recipe(MUST_NOT_RUN);
    fixture.write("runners/h100-a.yaml", &format!("{profile}{COMMON}"));
    fixture.write("runners/start.sh", MUST_NOT_RUN);
    for tool in ["bash", "sbatch", "squeue", "srun", "docker"] {
        let path = format!("tools/{tool}");
        fixture.write(&path, &format!("#!/bin/sh\ntouch {}\n", fixture.path("ran").display()));
        fs::set_permissions(fixture.path(&path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let tools = fixture.path("tools").display().to_string();
    let home = fixture.path("home").display().to_string();
    fixture
        .arguments(&["--dry-run", "--port", "8123"])
        .environment("PATH", &tools)
        .environment("HOME", &home)
        .environment("HF_TOKEN", TOKEN)
}

#[test]
fn each_launcher_is_shown_and_nothing_is_started() {
    let docker =
        "launcher: docker\ndocker: { mounts: ['/data:/mnt/data:ro'], socket: /nowhere.sock, host-network: false, memory-mib: 64 }\n";
    let pyxis = "launcher: slurm\nslurm: { partition: gpu, container: pyxis, mounts: ['/data:/mnt/data'] }\n";
    let expected_of_each: [(&str, &[&str]); 6] = [
        (
            "launcher: local\n",
            &["bash @/benchmarks/demo_fp8_h100_sim.sh", "IMAX_OUT=@/out", "host_metrics.csv"],
        ),
        ("launcher: script\nscript: start.sh\n", &["bash @/runners/start.sh", "TP=1"]),
        (
            docker,
            &[
                "bash /imax/recipes/demo_fp8_h100_sim.sh",
                "image: sim:1",
                "Memory: 67108864",
                "PortBindings: ",
                "@/out on /imax/out (read-write)",
                "/data on /mnt/data (read-only)",
            ],
        ),
        (
            "launcher: slurm\nslurm: { partition: gpu }\n",
            &["sbatch --parsable", "--partition=gpu", "queue: 6h", "#!/usr/bin/env bash"],
        ),
        (
            pyxis,
            &[
                "--container-image=sim:1",
                "/data on /mnt/data (read-write)",
                "home/.local/state/imax/secrets/",
            ],
        ),
        (
            "launcher: endpoint\nendpoint: { url: 'http://engine:9000' }\n",
            &["none: the server runs already", "url: http://engine:9000"],
        ),
    ];
    for (profile, expected) in expected_of_each {
        let fixture = fixture(profile);
        let before = tree(&fixture.path(""));
        let ended = fixture.run();
        assert_eq!(ended.code, Some(0), "{profile}: {}", ended.stderr);
        assert_eq!(tree(&fixture.path("")), before, "{profile}");
        let always = ["ready: 90s", "touch pre-hook", "touch post-hook", "@/out/job.json", "@/state/imax-"];
        for text in expected.iter().chain(&always) {
            let text = text.replace('@', fixture.path("").display().to_string().trim_end_matches('/'));
            assert!(ended.stdout.contains(&text), "{profile}, {text}: {}", ended.stdout);
        }
        assert!(!format!("{}{}", ended.stdout, ended.stderr).contains(TOKEN), "{profile}");
        let has_environment = !profile.contains("endpoint");
        assert_eq!(
            ended.stdout.contains("HF_TOKEN=***"),
            has_environment,
            "{profile}: {}",
            ended.stdout
        );
    }
}

#[test]
fn row_that_would_be_refused_is_refused() {
    for (profile, code, sentence) in [
        ("launcher: script\nscript: missing.sh\n", 4, "missing.sh does not exist"),
        ("launcher: none-such\n", 3, "none-such"),
    ] {
        let fixture = fixture(profile);
        let before = tree(&fixture.path(""));
        let ended = fixture.run();
        assert_eq!(ended.code, Some(code), "{profile}: {}", ended.stderr);
        assert!(ended.stderr.contains(sentence), "{profile}: {}", ended.stderr);
        assert_eq!(tree(&fixture.path("")), before, "{profile}");
    }
}

#[test]
fn control_characters_of_a_row_are_escaped() {
    let fixture = fixture("launcher: local\n");
    fixture.change_row(|row| row["exp-name"] = "a\u{1b}[31m\nfiles:".into());
    let ended = fixture.run();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.contains("EXP_NAME=a\\u{1b}[31m\\nfiles:"), "{}", ended.stdout);
}
