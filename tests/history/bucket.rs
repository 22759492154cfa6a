//! A history in object storage, on a real S3 server.

use serde_json::{Value, json};

use crate::engines::Home;
use crate::fixture::{Ended, Fixture, row};
use crate::harness::{Finish as _, Running};
use crate::object_server::{ObjectServer, READER, required};
use crate::{behaviour, harness, killed_writers};

const MANIFEST: &str = "imax-history.json";

/// A server and an empty history on it.
struct Bench<'a> {
    server: &'a ObjectServer,
    home: Home<'a>,
}

impl Bench<'_> {
    /// Publishes a measured point as a workflow run.
    fn publish(&self, run: &str, throughput: f64) -> Ended {
        let folder = format!("run{run}");
        self.home.fixture.measured(&format!("{folder}/a"), &row(4), throughput);
        self.home.imax(&self.arguments(&folder, run))
    }

    fn arguments<'a>(&'a self, folder: &'a str, run: &'a str) -> Vec<&'a str> {
        let to = self.home.address.as_str();
        let mut line = vec![
            "publish",
            folder,
            "--to",
            to,
            "--commit",
            "abc123",
            "--branch",
            "main",
            "--repo",
            "octo/bench",
        ];
        line.extend([
            "--run-id",
            run,
            "--attempt",
            "1",
            "--date",
            "2026-10-01T05:00:00Z",
            "--kind",
            "main",
        ]);
        line
    }

    fn published(&self, run: &str, throughput: f64) {
        let ended = self.publish(run, throughput);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }

    fn refused(&self, arguments: &[&str], code: i32, words: &str) {
        let ended = self.home.imax(arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {}{}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains(words), "{arguments:?}: {}", ended.stderr);
    }

    fn history(&self, command: &str, code: i32, words: &str) {
        self.refused(&["history", command, "--history", &self.home.address], code, words);
    }

    fn problems(&self) -> Vec<String> {
        let ended = self.home.imax(&["history", "verify", "--history", &self.home.address, "--json"]);
        let found: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
        let problems: Vec<String> = serde_json::from_value(found["problems"].clone()).unwrap();
        assert_eq!(ended.code, if problems.is_empty() { 0 } else { 3 });
        problems
    }

    /// The objects of runs.
    fn files(&self) -> Vec<String> {
        let mut objects = self.server.objects(&self.home);
        objects.retain(|object| object != MANIFEST);
        objects
    }

    fn manifest(&self) -> Value {
        serde_json::from_slice(&self.server.read(&self.home, MANIFEST)).unwrap()
    }
}

macro_rules! on_a_server {
    (shared: $($shared:ident::$behaviour:ident),+; own: $($own:ident),+ $(,)?) => {
        /// One server, one bucket for each of these.
        #[test]
        #[ignore = "needs an S3 server, tests/history/fetch_s3.sh"]
        fn object_storage_behaves_as_databases_do() {
            let server = ObjectServer::start();
            $({
                eprintln!("{}", stringify!($behaviour));
                $shared::$behaviour(&server.bucket(stringify!($behaviour), &Fixture::new()));
            })+
            $({
                eprintln!("{}", stringify!($own));
                $own(&Bench { server: &server, home: server.bucket(stringify!($own), &Fixture::new()) });
            })+
        }
    };
}

on_a_server!(
    shared: behaviour::same_content_is_no_change_and_other_content_a_revision,
    behaviour::attempts_of_a_workflow_run_are_runs_of_their_own,
    behaviour::jobs_and_distributions_are_kept,
    behaviour::verdicts_stay_as_they_were_given,
    behaviour::report_job_that_runs_again_adds_nothing,
    behaviour::points_that_attempts_have_in_common_count_once,
    behaviour::verdicts_of_a_report_in_the_folder_are_kept,
    behaviour::entries_of_the_changelog_are_tied_to_curves,
    behaviour::prices_are_kept_with_their_days,
    behaviour::retracted_run_counts_no_more,
    behaviour::comparison_is_that_of_a_folder,
    behaviour::pull_requests_are_no_baseline,
    behaviour::export_and_import_are_byte_stable,
    behaviour::failures_and_scores_are_kept,
    behaviour::dry_run_changes_nothing,
    killed_writers::writers_that_create_a_history_together_all_succeed,
    killed_writers::killed_writers_lose_and_repeat_nothing;
    own: runs_are_parquet_files_that_other_tools_read,
    many_runs_are_named_by_segments,
    earlier_state_is_that_of_the_manifest,
    lost_manifest_is_an_error_and_not_an_empty_history,
    foreign_manifest_is_refused_and_not_replaced,
    damaged_files_are_named_and_stop_no_writer,
    keys_that_may_not_write_are_told_what_they_lack,
    months_of_a_database_are_archived_and_archives_archived,
    tables_of_the_dashboard_are_kept_and_old_ones_said,
);

fn runs_are_parquet_files_that_other_tools_read(bench: &Bench) {
    bench.published("77", 4000.0);
    bench.published("78", 4100.0);
    let files = bench.files();
    assert_eq!(files.len(), 2, "{files:?}");
    assert!(
        files
            .iter()
            .all(|file| file.starts_with("runs/2026-10/20261001T050000Z-abc123-") && file.ends_with(".parquet")),
        "{files:?}"
    );
    let listed: Vec<Value> = bench.manifest()["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["file"].clone())
        .collect();
    assert!(files.iter().all(|file| listed.contains(&json!(file))), "{listed:?}");

    for (at, file) in files.iter().enumerate() {
        std::fs::write(
            bench.home.fixture.path(&format!("{at}.parquet")),
            bench.server.read(&bench.home, file),
        )
        .unwrap();
    }
    let script = "import duckdb; print(duckdb.sql(\"select count(*), sum(tput_per_gpu), max(hardware), max(started) = \
                  timestamp '2026-10-01 05:00:00' from '*.parquet'\").fetchall()[0])";
    let mut duckdb = harness::clean_command(required("IMAX_TEST_DUCKDB_PYTHON"));
    let output = duckdb.current_dir(bench.home.fixture.path("")).args(["-c", script]).finish();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said, "(2, 2025.0, 'h100', True)\n", "{}", String::from_utf8_lossy(&output.stderr));
}

/// The manifest stays small, whatever the number of runs.
fn many_runs_are_named_by_segments(bench: &Bench) {
    let home = &bench.home;
    let document = home_run(0);
    let runs = |numbers: std::ops::Range<u64>| {
        let runs: Vec<Value> = numbers.map(|number| home_run_of(&document, number)).collect();
        json!(runs).to_string()
    };
    let import = |file: &str| home.json(&["import", file, "--to", &home.address, "--json"])["runs"].clone();
    home.fixture.write("first.json", &runs(0..300));
    home.fixture.write("second.json", &runs(290..320));
    assert_eq!(import("first.json"), json!({ "new": 300, "unchanged": 0, "revised": 0 }));
    assert_eq!(import("second.json"), json!({ "new": 20, "unchanged": 10, "revised": 0 }));
    let manifest = bench.manifest();
    let listed = |key: &str| manifest[key].as_array().unwrap().len();
    assert_eq!((listed("runs"), listed("segments")), (20, 1), "{}", manifest["segments"]);
    assert_eq!((home.list(&[]).len(), bench.problems()), (320, Vec::<String>::new()));

    // A comparison reads the newest runs, of which the segment has the last ones.
    let baseline = format!("history:{}", home.address);
    home.fixture.measured("head/a", &row(4), 4000.0);
    home.output(&[
        "report",
        "head",
        "--baseline",
        &baseline,
        "--history-runs",
        "25",
        "--format",
        "json",
    ]);

    let segment = manifest["segments"][0]["file"].as_str().unwrap();
    let whole = bench.server.read(home, segment);
    bench.server.write(home, segment, &whole[..whole.len() - 9]);
    assert!(bench.problems()[0].contains(segment), "{:?}", bench.problems());
    bench.history("list", 3, "restore the object from a version or backup");
    bench.server.write(home, segment, &whole);
    assert_eq!(home.list(&[]).len(), 320);
}

/// A run of one point, as an export has it.
fn home_run(conc: u32) -> Value {
    let curve = json!({
        "model-prefix": "demo", "precision": "fp8", "runner": "h100", "framework": "sim", "spec-decoding": "none", "disagg": false,
        "workload": "agentic-coding", "layout": "tp4"
    });
    let point = json!({
        "key": { "curve": curve, "conc": conc + 1 }, "model": null, "image": null, "gpus": 4,
        "layout": { "single-node": { "tp": 4, "pp": 1, "dcp-size": 1, "pcp-size": 1, "ep": 1, "dp-attn": false } },
        "outcome": { "measured": { "tput_per_gpu": 100.0 } }
    });
    json!({
        "schema": "imax-history/1", "commit": "abc", "date": "2026-10-01T00:00:00Z", "branch": "main", "run_id": "0",
        "context": { "kind": "main", "provider": "github", "repository": "octo/bench", "attempt": 1 }, "run": { "points": [point] }
    })
}

fn home_run_of(document: &Value, number: u64) -> Value {
    let mut run = document.clone();
    run["run_id"] = json!(number.to_string());
    let started = chrono::DateTime::from_timestamp(1_790_000_000 + 3600 * i64::try_from(number).unwrap(), 0).unwrap();
    run["date"] = json!(started.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    run
}

fn earlier_state_is_that_of_the_manifest(bench: &Bench) {
    bench.published("77", 4000.0);
    let export = ["export", "--history", &bench.home.address, "--format", "json"];
    let before = bench.home.output(&export);
    let then = chrono::Utc::now();
    while chrono::Utc::now().timestamp_millis() <= then.timestamp_millis() {
        std::thread::yield_now();
    }
    bench.published("77", 4400.0);
    bench.published("78", 4400.0);
    assert_ne!(bench.home.output(&export), before);
    let then = then.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let mut as_of = export.to_vec();
    as_of.extend(["--as-of", &then]);
    assert_eq!(bench.home.output(&as_of), before);
}

fn lost_manifest_is_an_error_and_not_an_empty_history(bench: &Bench) {
    bench.history("list", 3, "no such history; imax publish --to s3://");
    bench.home.fixture.measured("head/a", &row(4), 4000.0);
    let baseline = format!("history:{}", bench.home.address);
    let report = ["report", "head", "--baseline", &baseline, "--format", "json"];
    bench.home.output(&report);

    bench.published("77", 4000.0);
    let files = bench.files();
    bench.server.remove(&bench.home, MANIFEST);
    let words = "imax-history.json is lost: there are files of runs, such as bench/runs/2026-10/";
    bench.history("list", 3, words);
    bench.refused(&report, 3, words);
    let ended = bench.publish("78", 4100.0);
    assert_eq!(ended.code, 3, "{}", ended.stdout);
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    assert_eq!(bench.server.objects(&bench.home), files, "nothing was written");
    assert!(bench.problems()[0].contains(words));

    // What the message says: the files are whole, and imported under another prefix.
    std::fs::write(bench.home.fixture.path("saved.parquet"), bench.server.read(&bench.home, &files[0])).unwrap();
    let anew = format!("{}-2", bench.home.address);
    bench.home.output(&["import", "saved.parquet", "--to", &anew]);
    let list = bench.home.json(&["history", "list", "--history", &anew, "--json"]);
    assert_eq!((&list[0]["run_id"], &list[0]["points"]), (&json!("77"), &json!(1)));
}

fn foreign_manifest_is_refused_and_not_replaced(bench: &Bench) {
    for (manifest, words) in [
        (
            "{\"schema\": \"imax-history-bucket/9\", \"packs\": []}",
            "has schema \"imax-history-bucket/9\"",
        ),
        ("{\"schema\": \"imax-history-bucket/1\", \"runs\": [", "invalid manifest"),
        (
            "{\"schema\": \"imax-history-bucket/1\", \"runs\": [{\"file\": \"../../other/secret\", \"kind\": \"main\", \"bytes\": 1, \
             \"sha256\": \"00\", \"added_ms\": 0}]}",
            "names \"../../other/secret\"",
        ),
    ] {
        bench.server.write(&bench.home, MANIFEST, manifest.as_bytes());
        bench.history("list", 3, words);
        let ended = bench.publish("77", 4000.0);
        assert_eq!(ended.code, 3, "{}", ended.stdout);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
        assert!(bench.problems()[0].contains(words));
        assert_eq!(bench.server.read(&bench.home, MANIFEST), manifest.as_bytes());
    }
    assert_eq!(bench.files(), Vec::<String>::new());
}

fn damaged_files_are_named_and_stop_no_writer(bench: &Bench) {
    for run in ["71", "72", "73"] {
        bench.published(run, 4000.0);
    }
    let files = bench.files();
    let mut changed = bench.server.read(&bench.home, &files[0]);
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    bench.server.write(&bench.home, &files[0], &changed);
    let cut = bench.server.read(&bench.home, &files[1]);
    bench.server.write(&bench.home, &files[1], &cut[..cut.len() / 2]);
    bench.server.remove(&bench.home, &files[2]);

    let problems = bench.problems();
    assert_eq!(problems.len(), 3, "{problems:?}");
    for (file, words) in files.iter().zip([
        "its SHA-256 differs",
        "bytes, the manifest says",
        "does not exist, but the manifest names it",
    ]) {
        let of_file = problems.iter().find(|problem| problem.contains(file)).unwrap();
        assert!(of_file.contains(words) && of_file.contains("restore the object"), "{of_file}");
    }
    bench.history("list", 3, "restore the object from a version or backup");

    // Publishing the runs again makes the history whole, and nothing new.
    bench.published("74", 4000.0);
    for run in ["71", "72", "73"] {
        bench.published(run, 4000.0);
    }
    assert_eq!(bench.problems(), Vec::<String>::new());
    assert_eq!((bench.files().len(), bench.home.list(&[]).len()), (4, 4));
}

fn keys_that_may_not_write_are_told_what_they_lack(bench: &Bench) {
    bench.published("77", 4000.0);
    let reader = Bench {
        server: bench.server,
        home: Home {
            fixture: bench.home.fixture,
            address: bench.home.address.clone(),
            environment: bench.server.environment(READER),
        },
    };
    assert_eq!(reader.home.list(&[]).len(), 1);
    let ended = reader.publish("78", 4000.0);
    assert_eq!(ended.code, 2, "{}", ended.stdout);
    assert!(
        ended.stderr.contains("need to write the bucket") && ended.stderr.contains("AWS_ACCESS_KEY_ID"),
        "{}",
        ended.stderr
    );
    let nobody = Bench {
        server: bench.server,
        home: Home {
            fixture: bench.home.fixture,
            address: bench.home.address.clone(),
            environment: bench.server.environment("imaxnobody"),
        },
    };
    nobody.history("list", 2, "need to read the bucket");
    bench.refused(&["history", "list", "--history", "s3://no-such-bucket/x"], 2, "no such bucket");
    assert_eq!(bench.home.list(&[]).len(), 1);
}

fn months_of_a_database_are_archived_and_archives_archived(bench: &Bench) {
    let home = &bench.home;
    home.output(&["import", crate::engines::ten_nights().to_str().unwrap(), "--to", "local.db"]);
    let archive = |from: &str, to: &str, more: &[&str]| {
        let mut line = vec![
            "history",
            "archive",
            "--history",
            from,
            "--to",
            to,
            "--before",
            "2999-01-01T00:00:00Z",
            "--json",
        ];
        line.extend(more);
        home.json(&line)["months"].clone()
    };
    let before = archive("local.db", &home.address, &["--dry-run"]);
    assert_eq!(bench.files(), Vec::<String>::new());
    let written = archive("local.db", &home.address, &[]);
    assert_eq!(written, before);
    assert!(
        written.as_array().unwrap().iter().all(|month| month["written"] == json!(true)),
        "{written}"
    );
    let again = archive("local.db", &home.address, &[]);
    assert!(
        again.as_array().unwrap().iter().all(|month| month["written"] == json!(false)),
        "{again}"
    );
    let export = |history: &str| home.output(&["export", "--history", history, "--format", "json"]);
    assert_eq!(export(&home.address), export("local.db"));
    archive(&home.address, "folder", &[]);
    let months = std::fs::read_dir(home.fixture.path("folder")).unwrap().count();
    assert_eq!(months, 2 * written.as_array().unwrap().len());
}

fn tables_of_the_dashboard_are_kept_and_old_ones_said(bench: &Bench) {
    let sample = harness::project().join("tests/golden/import/rhaiis-52.csv");
    let bytes = std::fs::read(&sample).unwrap();
    bench.server.write(&bench.home, "tables/rhaiis.csv", &bytes);
    let bucket = bench
        .home
        .address
        .strip_prefix("s3://")
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    let mut environment = bench.home.environment.clone();
    environment.extend([
        ("S3_BUCKET", bucket),
        ("S3_KEY", "bench/tables/rhaiis.csv".to_owned()),
        ("S3_REGION", "us-east-1".to_owned()),
        ("XDG_CACHE_HOME", bench.home.fixture.path("cache").to_str().unwrap().to_owned()),
    ]);
    let home = |environment: Vec<(&'static str, String)>| Home {
        fixture: bench.home.fixture,
        address: "local.db".to_owned(),
        environment,
    };
    let dashboard = home(environment.clone());
    let import = ["import", "--to", "local.db", "--set", "precision=fp8", "--partial", "--json"];
    let first = dashboard.imax(&import);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let counts: Value = serde_json::from_str(&first.stdout).unwrap();
    assert!(counts["points"]["new"].as_u64().unwrap() > 0, "{counts}");
    assert!(!first.stderr.contains("taking"), "{}", first.stderr);

    // Within five minutes the copy is taken, also where the object has changed.
    bench.server.write(&bench.home, "tables/rhaiis.csv", b"no table");
    let again: Value = serde_json::from_str(&dashboard.output(&import)).unwrap();
    assert_eq!(again["points"]["new"], json!(0), "{again}");

    // Later the object is asked for; an unreachable server is said, with the age of what is taken in its place.
    let objects = bench.home.fixture.path("cache/imax/objects");
    let copy = std::fs::read_dir(&objects)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path()
        .join("rhaiis.csv");
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 86_400);
    std::fs::File::options()
        .append(true)
        .open(&copy)
        .unwrap()
        .set_modified(old)
        .unwrap();
    let mut unreachable = environment.clone();
    unreachable[0].1 = "http://127.0.0.1:9".to_owned();
    // The endpoint is part of a copy's name, so this one has none and takes the local file.
    let ended = home(unreachable.clone()).imax(&import);
    assert_eq!((ended.code, ended.stdout.as_str()), (4, ""), "{}", ended.stderr);
    std::fs::write(bench.home.fixture.path("consolidated_dashboard.csv"), &bytes).unwrap();
    let ended = home(unreachable).imax(&import);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("taking consolidated_dashboard.csv, of 20"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("minutes old"), "{}", ended.stderr);

    let mut denied = environment;
    denied[1].1 = "imaxnobody".to_owned();
    let ended = home(denied).imax(&import);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("access denied") && ended.stderr.contains("rhaiis.csv, of 20"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("3 days old"), "{}", ended.stderr);
    // What was removed is not brought back by a copy, and the other table is optional.
    bench.server.remove(&bench.home, "tables/rhaiis.csv");
    let ended = dashboard.imax(&import);
    assert!(
        ended.stderr.contains("no such object; taking consolidated_dashboard.csv"),
        "{}",
        ended.stderr
    );
}

#[test]
#[ignore = "needs an S3 server, tests/history/fetch_s3.sh"]
fn full_and_unreachable_servers_are_named_and_keep_nothing_in_part() {
    let server = ObjectServer::start_full();
    let fixture = Fixture::new();
    let bench = Bench {
        server: &server,
        home: server.bucket("full", &fixture),
    };
    let ended = bench.publish("77", 4000.0);
    assert_eq!(ended.code, 4, "{}", ended.stdout);
    assert!(ended.stderr.contains("s3://full/bench/imax-history.json: "), "{}", ended.stderr);
    assert!(!ended.stderr.contains("imaxsecret"), "{}", ended.stderr);
    bench.history("list", 3, "no such history");
    let environment = server.environment("imaxwriter");
    drop(server);
    let home = Home {
        fixture: &fixture,
        address: "s3://full/bench".to_owned(),
        environment,
    };
    let ended = home.imax(&["history", "list", "--history", &home.address]);
    assert_eq!(ended.code, 4, "{}", ended.stdout);
    assert!(ended.stderr.contains("s3://full/bench/imax-history.json: "), "{}", ended.stderr);
}

/// Whatever the server was doing when it was killed: what was reported as stored is there, the rest is stored by the next attempt, and nothing is
/// there twice or in part.
#[test]
#[ignore = "needs an S3 server, tests/history/fetch_s3.sh"]
fn server_that_is_killed_at_random_instants_loses_nothing_at_night() {
    let server = ObjectServer::start();
    let fixture = Fixture::new();
    let bench = Bench {
        server: &server,
        home: server.bucket("killed", &fixture),
    };
    let rounds: u64 = std::env::var("IMAX_TEST_ROUNDS").map_or(6, |rounds| rounds.parse().unwrap());
    let mut state = 20_261_130;
    for round in 0..rounds {
        let run = format!("{round}");
        fixture.measured(&format!("run{run}/a"), &row(4), 4000.0);
        let folder = format!("run{run}");
        let line = bench.arguments(&folder, &run);
        let mut command = harness::imax();
        command
            .current_dir(fixture.path(""))
            .args(line)
            .envs(bench.home.environment.clone());
        let mut writer = Running::start(&mut command);
        let looks = killed_writers::random(&mut state) % 300;
        for _ in 0..looks {
            if writer.has_ended() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        server.kill();
        let ended = writer.finish();
        assert!(matches!(ended.code, Some(0 | 4)), "{:?}: {}", ended.code, ended.stderr);
        server.start_again();
        // It says that it is healthy while it still reads its own log.
        harness::wait_until("the server gives objects again", || {
            bench.home.imax(&["history", "list", "--history", &bench.home.address]).code != 4
        });
        if ended.code == Some(0) {
            let there = bench.home.list(&[]);
            assert!(
                there.iter().any(|stored| stored["run_id"] == json!(run)),
                "run {run} was reported as stored"
            );
        }
        bench.published(&run, 4000.0);
        assert_eq!(bench.home.list(&[]).len() as u64, round + 1);
    }
    assert_eq!(bench.problems(), Vec::<String>::new());
}
