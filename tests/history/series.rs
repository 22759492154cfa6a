//! Series, levels, newest curves and annotations, whatever the engine.

use serde_json::{Value, json};

use crate::engines::{Home, ten_nights};
use crate::fixture::row;

fn import_nights(home: &Home) {
    home.output(&["import", ten_nights().to_str().unwrap(), "--to", &home.address]);
}

/// The command for the series of a point on main.
fn command<'a>(home: &'a Home, point: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let line = [
        "history",
        "series",
        "--history",
        &home.address,
        "--filter",
        point,
        "--branch",
        "main",
    ];
    [&line, more].concat()
}

/// The series of the point at 64, whose level falls on the sixth night.
fn series(home: &Home, more: &[&str]) -> Value {
    home.json(&[command(home, "conc=64", &["--json"]).as_slice(), more].concat())
}

fn levels(series: &Value) -> Vec<(&Value, &Value)> {
    let levels = series[0]["levels"].as_array().unwrap();
    levels.iter().map(|level| (&level["from_run"], &level["runs"])).collect()
}

pub fn series_has_values_and_the_levels_that_were_kept(home: &Home) {
    import_nights(home);
    let found = series(home, &[]);
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    let values = found[0]["values"].as_array().unwrap();
    assert_eq!(
        (values.len(), &values[0]["value"], &values[0]["commit"]),
        (10, &json!(6024.0), &json!("01c0ffeec0ffeec0ffeec0ffeec0ffeec0ffee"))
    );
    assert_eq!(levels(&found), [(&json!(1), &json!(5)), (&json!(6), &json!(5))]);
    assert_eq!(found[0]["method"], json!("pelt-1"));
    assert_eq!(
        series(home, &["--since", "2026-11-09T00:00:00Z"])[0]["values"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(series(home, &["--filter", "model=other"]), json!([]));
    let steady = home.json(&command(home, "conc=4", &["--json"]));
    assert_eq!(levels(&steady), [(&json!(1), &json!(10))]);
    let table = home.output(&command(home, "conc=64", &[]));
    assert!(
        table.contains("2026-11-06T05:00:00Z") && table.contains("from here, 5 runs"),
        "{table}"
    );
}

pub fn levels_follow_retractions_of_their_runs(home: &Home) {
    import_nights(home);
    for run in ["9", "10"] {
        home.output(&[
            "history",
            "retract",
            run,
            "--history",
            &home.address,
            "--reason",
            "warm",
            "--author",
            "jane",
        ]);
    }
    assert_eq!(levels(&series(home, &[])), [(&json!(1), &json!(5)), (&json!(6), &json!(3))]);
    home.output(&["history", "restore", "9", "--history", &home.address, "--author", "jane"]);
    assert_eq!(levels(&series(home, &[])), [(&json!(1), &json!(5)), (&json!(6), &json!(4))]);
}

pub fn pull_requests_are_in_no_series(home: &Home) {
    import_nights(home);
    let before = series(home, &[]);
    home.fixture.measured("run/64", &row(64), 4000.0);
    home.output(&[
        "publish",
        "run",
        "--to",
        &home.address,
        "--commit",
        "a",
        "--kind",
        "pull-request",
        "--branch",
        "main",
    ]);
    assert_eq!(series(home, &[]), before);
}

pub fn newest_curve_is_of_one_run_and_borrowed_points_say_so(home: &Home) {
    let publish = |date: &str| {
        home.output(&[
            "publish",
            "run",
            "--to",
            &home.address,
            "--commit",
            "a",
            "--branch",
            "main",
            "--kind",
            "main",
            "--date",
            date,
        ]);
    };
    for conc in [4, 8] {
        home.fixture.measured(&format!("run/{conc}"), &row(conc), 4000.0);
    }
    publish("2026-10-01T05:00:00Z");
    std::fs::remove_dir_all(home.fixture.path("run/4")).unwrap();
    home.fixture.measured("run/8", &row(8), 4100.0);
    publish("2026-10-02T05:00:00Z");
    let curves = |more: &[&str]| {
        let mut line = vec!["history", "curves", "--history", &home.address, "--branch", "main", "--json"];
        line.extend(more);
        home.json(&line)
    };
    let points = |curves: &Value| -> Vec<(Value, Value)> {
        let points = curves[0]["points"].as_array().unwrap();
        points
            .iter()
            .map(|point| (point["point"]["key"]["conc"].clone(), point["borrowed_from"].clone()))
            .collect()
    };
    assert_eq!(points(&curves(&[])), [(json!(8), Value::Null)]);
    let borrowed = curves(&["--borrow"]);
    assert_eq!(points(&borrowed), [(json!(4), json!(1)), (json!(8), Value::Null)]);
    assert_eq!(
        (&borrowed[0]["run"], &borrowed[0]["date"]),
        (&json!(2), &json!("2026-10-02T05:00:00Z"))
    );
    assert_eq!(curves(&["--filter", "model=other"]), json!([]));
    let table = home.output(&["history", "curves", "--history", &home.address, "--branch", "main", "--borrow"]);
    assert!(table.contains("borrowed from run 1"), "{table}");
}

pub fn annotations_are_shown_with_what_they_concern(home: &Home) {
    import_nights(home);
    let annotate = |more: &[&str]| {
        let mut line = vec!["history", "annotate", "--history", &home.address, "--author", "jane", "--json"];
        line.extend(more);
        home.json(&line)
    };
    let would = annotate(&["--text", "nothing", "--dry-run"]);
    assert_eq!(would, json!({ "id": null, "stored": false }));
    let driver = [
        "--text",
        "new driver",
        "--kind",
        "environment",
        "--filter",
        "hardware=h*",
        "--from",
        "2026-11-06T00:00:00Z",
    ];
    assert_eq!(annotate(&driver), json!({ "id": 1, "stored": true }));
    annotate(&["--text", "of another point", "--filter", "conc=4"]);
    annotate(&["--text", "GPU 3 was warm", "--run", "7", "--link", "https://example.org/1"]);
    annotate(&["--text", "before the first night", "--to", "2026-10-01T00:00:00Z"]);
    let texts = |series: &Value| -> Vec<String> {
        let all = series[0]["annotations"].as_array().unwrap();
        all.iter()
            .map(|annotation| annotation["text"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(texts(&series(home, &[])), ["new driver", "GPU 3 was warm"]);
    assert_eq!(annotate(&["--withdraw", "1"]), json!({ "id": 1, "withdrawn": true }));
    assert_eq!(texts(&series(home, &[])), ["GPU 3 was warm"]);
    assert_eq!(
        home.json(&["history", "annotations", "--history", &home.address, "--json"])
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let unknown = ["history", "annotate", "--history", &home.address, "--author", "jane"];
    for (more, words) in [(["--withdraw", "1"], "annotation 1 is not in"), (["--run", "99"], "--text")] {
        let mut line = unknown.to_vec();
        line.extend(more);
        let ended = home.imax(&line);
        assert!(ended.code == 2 && ended.stderr.contains(words), "{}", ended.stderr);
    }
    let mut line = unknown.to_vec();
    line.extend(["--run", "99", "--text", "no such run"]);
    let ended = home.imax(&line);
    assert!(ended.code == 2 && ended.stderr.contains("run 99 is not in"), "{}", ended.stderr);
    home.verify();
}

pub fn exports_are_filtered_and_read_by_other_tools(home: &Home) {
    import_nights(home);
    let export = |format: &str, out: &str| {
        home.output(&[
            "export",
            "--history",
            &home.address,
            "--format",
            format,
            "--filter",
            "conc=64",
            "--out",
            out,
        ]);
    };
    export("csv", "points.csv");
    assert_eq!(home.fixture.read("points.csv").lines().count(), 11);
    export("parquet", "points.parquet");
    let bytes = std::fs::read(home.fixture.path("points.parquet")).unwrap();
    assert_eq!(parquet_rows(&home.fixture.path("points.parquet")), (10, 6024.0));
    export("parquet", "points.parquet");
    assert_eq!(
        std::fs::read(home.fixture.path("points.parquet")).unwrap(),
        bytes,
        "the same points are the same bytes"
    );

    export("pytorch-v3", "records.json");
    let records = home.fixture.read("records.json");
    let first: Value = serde_json::from_str(records.lines().next().unwrap()).unwrap();
    assert_eq!(
        (
            &first["benchmark"]["name"],
            &first["metric"]["name"],
            &first["metric"]["benchmark_values"],
            &first["head_sha"]
        ),
        (
            &json!("imax"),
            &json!("tput_per_gpu"),
            &json!([6024.0]),
            &json!("01c0ffeec0ffeec0ffeec0ffeec0ffeec0ffee")
        )
    );
    let counts = home.json(&["import", "records.json", "--to", "records.db", "--json"]);
    assert_eq!(counts["published"]["new"], json!(records.lines().count()));
}

/// The number of rows, and the throughput of the first.
fn parquet_rows(path: &std::path::Path) -> (usize, f64) {
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::RowAccessor as _;

    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let columns: Vec<String> = reader
        .metadata()
        .file_metadata()
        .schema_descr()
        .columns()
        .iter()
        .map(|column| column.name().to_owned())
        .collect();
    let at = columns.iter().position(|name| name == "tput_per_gpu").unwrap();
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    (rows.len(), rows[0].get_double(at).unwrap())
}

pub fn archive_has_the_months_and_is_imported_again(home: &Home) {
    import_nights(home);
    let archive = |before: &str, more: &[&str]| {
        let mut line = vec![
            "history",
            "archive",
            "--history",
            &home.address,
            "--to",
            "archive",
            "--before",
            before,
            "--json",
        ];
        line.extend(more);
        home.json(&line)
    };
    let month = |written: bool| json!({ "months": [{ "month": "2026-11", "runs": 10, "written": written }] });
    assert_eq!(
        archive("2026-11-20T00:00:00Z", &[]),
        json!({ "months": [] }),
        "the month has not ended"
    );
    assert_eq!(archive("2026-12-01T00:00:00Z", &["--dry-run"]), month(true));
    assert!(!home.fixture.path("archive").exists());
    assert_eq!(archive("2026-12-01T00:00:00Z", &[]), month(true));
    assert_eq!(parquet_rows(&home.fixture.path("archive/2026-11.parquet")), (30, 803.2));
    assert_eq!(
        archive("2026-12-01T00:00:00Z", &[]),
        month(false),
        "the same runs are the same files"
    );
    home.output(&["import", "archive/2026-11.json", "--to", "again.db"]);
    assert_eq!(
        home.output(&["export", "--history", "again.db", "--format", "json"]),
        home.output(&["export", "--history", &home.address, "--format", "json"])
    );
    // A late run of the month is added to its files.
    home.output(&[
        "history",
        "retract",
        "1",
        "--history",
        &home.address,
        "--reason",
        "warm",
        "--author",
        "jane",
    ]);
    assert_eq!(
        archive("2026-12-01T00:00:00Z", &[])["months"][0],
        json!({ "month": "2026-11", "runs": 9, "written": true })
    );
}

pub fn prune_moves_old_raw_data_and_no_point(home: &Home) {
    import_nights(home);
    home.fixture.write("bad.json", "[{\"schema\": \"imax-history/1\", \"run\": 7}]");
    home.output(&["import", "bad.json", "--to", &home.address, "--partial"]);
    let prune = |more: &[&str]| {
        let mut line = vec!["history", "prune", "--history", &home.address, "--archive", "raw", "--json"];
        line.extend(more);
        home.json(&line)
    };
    assert_eq!(
        prune(&[]),
        json!({ "quarantined": 0, "archive": null, "distributions": 0, "distributions_archive": null }),
        "it is younger than 30 days"
    );
    let moved = json!({
        "quarantined": 1, "archive": "raw/quarantine-1-1.jsonl", "distributions": 0, "distributions_archive": null
    });
    assert_eq!(prune(&["--raw-days", "0", "--dry-run"]), moved);
    assert!(!home.fixture.path("raw").exists());
    assert_eq!(prune(&["--raw-days", "0"]), moved);
    let line: Value = serde_json::from_str(&home.fixture.read("raw/quarantine-1-1.jsonl")).unwrap();
    assert!(line["payload"].as_str().unwrap().contains("imax-history/1"), "{line}");
    assert_eq!(
        home.json(&["history", "quarantine", "--history", &home.address, "--json"]),
        json!([])
    );
    assert_eq!(home.list(&[]).len(), 10);
    home.verify();
}

pub fn prune_moves_old_distributions_of_requests(home: &Home) {
    home.fixture.measured("run/4", &row(4), 4000.0);
    let mut raw = home.fixture.json("run/4/raw.json");
    raw["ttfts"] = json!([0.1, 0.2]);
    home.fixture.write("run/4/raw.json", &raw.to_string());
    home.output(&["publish", "run", "--to", &home.address, "--commit", "a"]);
    let records = || home.json(&["history", "records", "1", "--history", &home.address, "--json"])["distributions"].clone();
    assert_eq!(records().as_array().unwrap().len(), 1);
    let prune = |more: &[&str]| {
        let line = ["history", "prune", "--history", &home.address, "--archive", "raw"];
        home.output(&[&line[..], more].concat())
    };
    assert_eq!(prune(&[]), "nothing to remove\n", "it is younger than 90 days");
    let would = prune(&["--request-days", "0", "--dry-run"]);
    assert!(would.starts_with("1 distributions would be moved to raw/distributions-"), "{would}");
    assert_eq!(records().as_array().unwrap().len(), 1);
    assert_eq!(prune(&["--request-days", "0"]), would.replace("would be moved", "moved"));
    assert_eq!(records(), json!([]));
    let file = would.trim_end().rsplit(' ').next().unwrap();
    let line: Value = serde_json::from_str(&home.fixture.read(file)).unwrap();
    assert_eq!(
        (&line["record"]["record"], &line["record"]["point"]["conc"]),
        (&json!("distributions"), &json!(4))
    );
    assert_eq!(home.list(&[])[0]["points"], json!(1));
    home.verify();
}
