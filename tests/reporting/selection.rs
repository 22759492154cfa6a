//! Options of a report: filters, grouping, prices, the cheapest point that meets an objective, Parquet.

use std::fs::File;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::RowAccessor as _;

use crate::fixture::{Fixture, row};

fn fixture() -> Fixture {
    let fixture = Fixture::new();
    fixture.write("configs/runners.yaml", "labels:\n  unheard-of: [unheard-of_0]\n");
    for (conc, hardware) in [(4, "h100"), (16, "h100"), (8, "mi300x"), (2, "unheard-of")] {
        let mut row = row(conc);
        row["runner"] = hardware.into();
        fixture.measured(&format!("run/{conc}"), &row, 1000.0 * f64::from(conc));
    }
    fixture
}

fn lines(csv: &str) -> usize {
    csv.lines().count() - 1
}

#[test]
fn filters_apply_to_every_format() {
    let fixture = fixture();
    for format in ["table", "markdown", "csv", "json", "html", "junit"] {
        let all = fixture.imax(&["report", "run", "--format", format], &[]).stdout;
        let some = fixture.imax(
            &[
                "report",
                "run",
                "--format",
                format,
                "--filter",
                "hardware=h1*",
                "--filter",
                "conc=4",
            ],
            &[],
        );
        assert_eq!(some.code, 0, "{format}: {}", some.stderr);
        // The data of a page have the prices of all hardware.
        let shown = some
            .stdout
            .replace("\"hardware\":\"mi300x\",\"tdp_w\"", "")
            .replace("\"hardware\":\"mi300x\",\"provider\"", "");
        assert!(all.contains("mi300x") && !shown.contains("mi300x"), "{format}");
    }
    let two = ["report", "run", "--format", "csv", "--filter", "conc=4", "--filter", "conc=16"];
    assert_eq!(lines(&fixture.imax(&two, &[]).stdout), 2, "values of one key are alternatives");
    let wrong = fixture.imax(&["report", "run", "--filter", "colour=red"], &[]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("model, hardware, framework"), "{}", wrong.stderr);
}

#[test]
fn group_by_applies_to_every_format() {
    let fixture = fixture();
    let report = |format: &str| {
        let ended = fixture.imax(&["report", "run", "--group-by", "framework,conc", "--format", format], &[]);
        assert_eq!(ended.code, 0, "{format}: {}", ended.stderr);
        ended.stdout
    };
    for format in ["table", "markdown", "html", "csv", "junit"] {
        assert!(report(format).contains("sim, conc 16"), "{format}: {}", report(format));
    }
    let table = report("table");
    assert!(
        table.contains("Hardware") && !table.contains("Conc "),
        "what is in the heading is no column: {table}"
    );
    let csv = report("csv");
    let groups: Vec<_> = csv
        .lines()
        .skip(1)
        .map(|line| line.split("\",").next().unwrap().trim_matches('"'))
        .collect();
    assert_eq!(
        groups,
        ["sim, conc 2", "sim, conc 4", "sim, conc 8", "sim, conc 16"],
        "concurrencies are numbers"
    );
    let json: serde_json::Value = serde_json::from_str(&report("json")).unwrap();
    assert_eq!(json["groups"][3]["by"], serde_json::json!({ "framework": "sim", "conc": "16" }));
    assert_eq!(json["groups"][3]["points"][0]["conc"], 16);
    let wrong = fixture.imax(&["report", "run", "--group-by", "modle"], &[]);
    assert_eq!(
        (wrong.code, wrong.stderr.contains("did you mean `model`?")),
        (2, true),
        "{}",
        wrong.stderr
    );
}

#[test]
fn repository_prices_add_costs_to_reports() {
    let fixture = fixture();
    let has_costs = |arguments: &[&str]| {
        let ended = fixture.imax(&[&["report", "run"], arguments].concat(), &[]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.stdout.contains("$/M tok")
    };
    assert!(!has_costs(&[]), "prices that nobody chose");
    let facts = "facility: { pue: 1, carbon_g_per_kwh: 0 }\nhardware: { h100: { vendor: nvidia } }\n";
    fixture.write("configs/hardware.yaml", facts);
    assert!(!has_costs(&[]), "a file without prices");
    let price = "cost: { tdp_w: 700, host_w: 300, prices: [{ provider: own, date: 2026-11-30, usd_per_gpu_hour: 2 }] }";
    fixture.write(
        "configs/hardware.yaml",
        &facts.replace("vendor: nvidia", &format!("vendor: nvidia, {price}")),
    );
    assert!(has_costs(&[]) && !has_costs(&["--no-costs"]));
}

#[test]
fn cheapest_point_that_meets_the_objective_is_named() {
    let fixture = fixture();
    let ask = ["report", "run", "--slo", "ttft:p99<500", "--best-by", "cost"];
    let ended = fixture.imax(&ask, &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let answer = "Cheapest of demo 1k1k that meets ttft:p99<500: demo fp8 h100 sim 1k1k tp4 conc16 with $";
    assert!(ended.stdout.contains(answer), "{}", ended.stdout);
    assert!(
        ended
            .stdout
            .contains("note: no cost: unheard-of is not in hardware.yaml, which has b200"),
        "{}",
        ended.stdout
    );
    let none = fixture.imax(&["report", "run", "--slo", "ttft:p99<1"], &[]).stdout;
    assert!(none.contains("that meets ttft:p99<1: none of 4 points"), "{none}");
    assert_eq!(fixture.imax(&["report", "run", "--slo", "ttft<1"], &[]).code, 2);
    assert_eq!(fixture.imax(&["report", "run", "--provider", "nobody"], &[]).code, 3);
}

#[test]
fn custom_prices_are_used() {
    let fixture = fixture();
    let yaml = "facility: { pue: 1, carbon_g_per_kwh: 0 }\nhardware:\n  h100: { vendor: n, peak_tflops: {}, hbm_gb: 1, hbm_gb_per_s: 1, cost: { tdp_w: 1, \
                host_w: 0, prices: [{ provider: us, date: 2026-01-01, usd_per_gpu_hour: 3.6 }] } }\n";
    fixture.write("mine.yaml", yaml);
    let csv = ["report", "run", "--hardware", "mine.yaml", "--format", "csv", "--filter", "conc=4"];
    let csv = fixture.imax(&csv, &[]).stdout;
    let (heading, values) = csv.split_once('\n').unwrap();
    let at = heading.split(',').position(|name| name == "usd_per_million_tokens").unwrap();
    let usd: f64 = values.trim().split(',').nth(at).unwrap().parse().unwrap();
    // 0.001 $ a second for 1,000 tokens a second.
    assert!((usd - 1.0).abs() < 1e-9, "{usd}");
}

#[test]
fn parquet_has_the_columns_of_the_csv() {
    let fixture = fixture();
    let ended = fixture.imax(&["report", "run", "--format", "parquet", "--costs", "--out", "run.parquet"], &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let reader = SerializedFileReader::new(File::open(fixture.path("run.parquet")).unwrap()).unwrap();
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4);
    let names: Vec<String> = rows[0].get_column_iter().map(|(name, _)| name.clone()).collect();
    let csv = fixture.imax(&["report", "run", "--format", "csv", "--costs"], &[]).stdout;
    assert_eq!(names, csv.lines().next().unwrap().split(',').collect::<Vec<_>>());
    let at = |name: &str| names.iter().position(|known| known == name).unwrap();
    assert_eq!(rows[0].get_string(at("hardware")).unwrap(), "h100");
    assert!((rows[0].get_double(at("conc")).unwrap() - 4.0).abs() < f64::EPSILON);
    assert_eq!(
        fixture.imax(&["report", "run", "--format", "parquet"], &[]).code,
        2,
        "it is no text"
    );
}
