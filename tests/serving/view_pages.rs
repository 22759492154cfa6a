//! The pages about changes, pull requests, points and machines in a real browser: what an address shows, and what a reader can write.

use serde_json::{Value, json};

use crate::client::{Served, sqlite, ten_nights};
use crate::dashboards::{assert_clean, walk};
use crate::fixture::Fixture;

const TEXT: &str = "document.querySelector('main').textContent";

/// The text of the page once it has some words: what is written is read again after the answer.
fn told(words: &str) -> String {
    let words = json!(words);
    format!(
        "new Promise((done) => {{ let left = 2400; const look = () => {{ const text = {TEXT}; \
         if (text.includes({words}) || (left -= 1) < 0) done(text); else setTimeout(look, 50); }}; look(); }})"
    )
}

/// A night as the files of the history have it, changed by a test.
pub fn night(change: impl FnOnce(&mut Value)) -> Value {
    let path = std::fs::read_dir(ten_nights())
        .unwrap()
        .map(|night| night.unwrap().path())
        .max()
        .unwrap();
    let mut run: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    change(&mut run);
    run
}

/// Ten nights, a pull request's run, and the records of a night's point.
pub fn history(fixture: &Fixture) -> String {
    let history = sqlite(fixture);
    let pull = night(|run| {
        run["commit"] = json!("aac0ffeec0ffeec0ffeec0ffeec0ffeec0ffee");
        run["date"] = json!("2026-11-12T05:00:00Z");
        run["branch"] = json!("faster");
        run["context"] = json!({ "kind": "pull-request", "pull_request": 7 });
    });
    fixture.write("more/20261112T050000Z-aac0ffeec0ff.json", &pull.to_string());
    let recorded = night(|run| {
        run["commit"] = json!("bbc0ffeec0ffeec0ffeec0ffeec0ffeec0ffee");
        run["date"] = json!("2026-11-13T05:00:00Z");
        let point = &mut run["run"]["points"][0];
        point["provenance"] = json!({ "engine_version": "3", "runtime_args": "--max-num-seqs 256" });
        let measured = point["outcome"]["measured"].as_object_mut().unwrap();
        measured.extend([("peak_temp_c".to_owned(), json!(91.0)), ("avg_power_w".to_owned(), json!(600.0))]);
        let key = point["key"].clone();
        run["run"]["records"] = json!([
            { "record": "distributions", "point": key, "ttft": { "bins": [[-115, 8], [-100, 2]] },
              "slices": [
                { "second": 0, "seconds": 1, "completed": 2, "failed": 0, "chunks": 40, "mean_ttft_ms": 104.0, "in_flight": 4 },
                { "second": 1, "seconds": 1, "completed": 2, "failed": 0, "chunks": 44, "mean_ttft_ms": 101.0, "in_flight": 4 }] },
            { "record": "job", "job_id": "imax-1", "curve": key["curve"], "concurrencies": [4], "outcome": "server", "reason": "out of memory",
              "seconds": 1860.0, "attempts": 2, "runner": "h100-node1", "phases": [{ "phase": "load", "seconds": 1800.0, "ending": "failed" }] }
        ]);
    });
    fixture.write("more/20261113T050000Z-bbc0ffeec0ff.json", &recorded.to_string());
    let imported = fixture.imax(&["import", "more", "--to", "history.db"], &[]);
    assert_eq!(imported.code, 0, "{}", imported.stderr);
    history
}

/// The address of the point whose run has records.
fn recorded_point(served: &Served) -> String {
    let point = served.json("/api/v1/points?filter=conc=4&commit=bbc0ffeec0ffeec0ffeec0ffeec0ffeec0ffee&fields=run,curve");
    let (run, curve) = (&point["data"][0]["run"], point["data"][0]["curve"].as_str().unwrap());
    format!("/point?run={run}&curve={}&conc=4", &curve[..16])
}

#[test]
#[ignore = "needs chromium, node and the packages of web/"]
fn views_are_accessible_in_every_state() {
    let fixture = Fixture::new();
    let served = Served::start(&history(&fixture), &[]);
    let pull = &served.json("/api/v1/runs?limit=2")["data"][1]["id"];
    let addresses = [
        "/trends?of=mean".to_owned(),
        "/trends?of=curve&at=100&by=image".to_owned(),
        "/trends?by=version".to_owned(),
        "/compare?base=run:5&head=run:6&and=run:7".to_owned(),
        "/details?group=hardware".to_owned(),
        "/inbox?state=all".to_owned(),
        format!("/performance?unofficial={pull}"),
        recorded_point(&served),
    ];
    let phone = json!({ "width": 390, "height": 844 });
    let plan = addresses.iter().flat_map(|address| {
        [
            json!({ "name": address, "address": address, "axe": true }),
            json!({ "name": format!("{address} dark"), "address": address, "axe": true, "scheme": "dark" }),
            json!({ "name": format!("{address} phone"), "address": address, "viewport": phone }),
        ]
    });
    let seen = walk(&fixture, &served, &plan.collect());
    assert_clean(&seen);
    for address in addresses {
        assert_eq!(seen[format!("{address} phone")]["width"], 390, "{address} is wider than a phone");
    }
}

#[test]
#[ignore = "needs chromium, node and the packages of web/"]
fn address_names_lines_sets_and_groups() {
    let fixture = Fixture::new();
    let served = Served::start(&history(&fixture), &[]);
    let lines =
        "[...document.querySelectorAll('.legend button.line')].map(line => [line.textContent.trim(), line.getAttribute('aria-pressed')])";
    let stamp =
        "[document.querySelector('.frame svg').textContent.includes('NOT OFFICIAL'), document.querySelectorAll('.unofficial').length]";
    let pull = &served.json("/api/v1/runs?limit=2")["data"][1]["id"];
    let overlay = format!("/performance?unofficial={pull}");
    let images = "[...document.querySelectorAll('.frame svg')].map(chart => chart.textContent.includes('engine:')).slice(0, 1)";
    let seen = walk(
        &fixture,
        &served,
        &json!([
            { "name": "hidden", "address": "/performance?lines=layout%2Bversion&unofficial=11", "read": lines, "steps": [["click", "button.line", ""]] },
            { "name": "shown", "address": "/performance?lines=layout%2Bversion&unofficial=11", "read": lines, "steps": [["click", "button.line", ""], ["click", "button.line", ""]] },
            { "name": "overlay", "address": overlay, "read": stamp },
            { "name": "official", "address": "/performance", "read": stamp },
            { "name": "images", "address": "/trends?by=image", "read": images },
            { "name": "sets", "address": "/compare?base=run:5&head=run:6", "read": "document.querySelectorAll('table').length > 0",
              "steps": [["fill", "input[placeholder='add a set']", "run:7"], ["press", "input[placeholder='add a set']", "Enter"]] },
            { "name": "grouped", "address": "/details?group=hardware", "read": "document.querySelector('[aria-label=\"Points by Hardware\"] tbody').textContent" },
            { "name": "member", "address": "/details?group=hardware", "steps": [["click", "[aria-label='Points by Hardware'] tbody a", ""]] },
        ]),
    );
    assert_clean(&seen);
    assert!(seen["hidden"]["address"].as_str().unwrap().contains("hide="), "{}", seen["hidden"]);
    assert_eq!(seen["hidden"]["read"][0][1], "false");
    assert!(!seen["shown"]["address"].as_str().unwrap().contains("hide="));
    assert_eq!(
        (&seen["overlay"]["read"], &seen["official"]["read"]),
        (&json!([true, 1]), &json!([false, 0]))
    );
    assert_eq!(seen["images"]["read"], json!([true]));
    assert_eq!(seen["sets"]["address"], "/compare?base=run:5&head=run:6&and=run:7");
    assert!(
        seen["grouped"]["read"].as_str().unwrap().starts_with("h1003"),
        "{}",
        seen["grouped"]["read"]
    );
    assert_eq!(seen["member"]["address"], "/details?hardware=h100");
}

#[test]
#[ignore = "needs chromium, node and the packages of web/"]
fn point_shows_what_its_run_keeps() {
    let fixture = Fixture::new();
    let served = Served::start(&history(&fixture), &[]);
    let point = recorded_point(&served);
    let seen = walk(
        &fixture,
        &served,
        &json!([{ "name": "point", "address": point, "read": TEXT }, { "name": "machines", "address": "/reliability", "read": TEXT }]),
    );
    assert_clean(&seen);
    let text = seen["point"]["read"].as_str().unwrap();
    for part in [
        "over 83 °C",
        "Distribution of TTFT",
        "Requests in flight",
        "argument max-num-seqs",
        "out of memory",
        "h100-node1",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = seen["machines"]["read"].as_str().unwrap();
    assert!(text.contains("h100-node1") && text.contains("Failed jobs"), "{text}");
}

#[test]
#[ignore = "needs chromium, node and the packages of web/"]
fn closed_reads_take_a_token_that_is_in_no_address() {
    let fixture = Fixture::new();
    let history = history(&fixture);
    let token = |scope: &str| {
        let created = fixture.imax(&["token", "create", "--history", &history, "--name", "jane", "--scope", scope], &[]);
        assert_eq!(created.code, 0, "{}", created.stderr);
        created.stdout.trim().to_owned()
    };
    let (annotate, wrong) = (token("annotate"), format!("imax_{}", "A".repeat(43)));
    let served = Served::start(&history, &["--closed", "--writes"]);
    let read = "[document.querySelector('main').textContent.includes('h100'), document.querySelectorAll('section.token').length]";
    let enter = |token: &str| json!([["fill", "section.token input", token], ["click", "section.token button", ""]]);
    let write = json!([
        ["fill", "section.token input", annotate],
        ["click", "section.token button", ""],
        ["click", "article summary:has-text('Acknowledge')", ""],
        ["fill", "article input[name=text]", "looked at by jane"],
        ["click", "article form button", ""],
        ["choose", ".controls select", "acknowledged"]
    ]);
    let seen = walk(
        &fixture,
        &served,
        &json!([
            { "name": "wrong", "address": "/performance", "steps": enter(&wrong), "read": read, "refused": true },
            { "name": "right", "address": "/performance", "steps": enter(&annotate), "read": read, "refused": true },
            { "name": "written", "address": "/inbox", "steps": write, "read": told("looked at by jane"), "refused": true },
        ]),
    );
    assert_clean(&seen);
    assert_eq!(
        (&seen["wrong"]["read"], &seen["right"]["read"]),
        (&json!([false, 1]), &json!([true, 0]))
    );
    assert_eq!(seen["right"]["address"], "/performance");
    let text = seen["written"]["read"].as_str().unwrap();
    assert!(text.contains("looked at by jane") && text.contains("jane"), "{text}");
    assert_eq!(seen["written"]["address"], "/inbox?state=acknowledged");
}
