//! How every page looks: in light and dark, on a desktop and a phone, beside the pictures in `pictures/`. `IMAX_RENEW_PICTURES=1` makes these anew.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::addresses::{NOW, everything};
use crate::client::Served;
use crate::dashboards::{tools, walk};
use crate::fixture::Fixture;
use crate::harness::project;

/// Pages by the names of their pictures. Each has data in it.
const PAGES: [(&str, &str); 15] = [
    ("overview", "/?since=0"),
    ("performance", "/performance"),
    ("trends", "/trends"),
    ("compare", "/compare?base=run:5&head=run:6"),
    ("regressions", "/inbox"),
    ("pull-requests", "/pulls"),
    ("details", "/details?sort=-tput_per_gpu"),
    ("cost", "/cost?ttft=100000"),
    ("accuracy", "/accuracy"),
    ("rhaiis", "/rhaiis"),
    ("llm-d", "/llm-d"),
    ("mlperf", "/mlperf?benchmark=llama2-70b-99&scenario=Server"),
    ("reliability", "/reliability"),
    ("coverage", "/coverage"),
    ("point", "/point?run=12&conc=4&hardware=h100&precision=fp8"),
];

/// The largest mean difference of a picture's blocks, and the largest share of blocks that differ by a tenth. The same build on the same machine
/// differs by 0.004 and nothing; text without hinting and subpixels, which breaks a line of a phone elsewhere, by 0.014 and 0.036; another page by a
/// share of 0.08 to 0.2.
const MOST_MEAN: f64 = 0.02;
const MOST_SHARE: f64 = 0.06;
/// A page that is compared with the picture of another one.
const OTHER: &str = "another page";

#[test]
#[ignore = "needs chromium, node and the packages of web/"]
fn every_page_looks_as_its_picture() {
    let fixture = Fixture::new();
    let served = Served::start(&everything(&fixture), &[]);
    let kept = project().join("tests/serving/pictures");
    let (mut plan, mut pairs) = (Vec::new(), Vec::new());
    fs::create_dir_all(fixture.path("pictures")).unwrap();
    for (page, address) in PAGES {
        for scheme in ["light", "dark"] {
            for (device, width, height) in [("desktop", 1280, 1200), ("phone", 390, 1200)] {
                let name = format!("{page}-{device}-{scheme}");
                let picture = fixture.path(&format!("pictures/{name}.png"));
                plan.push(json!({ "name": name, "address": address, "viewport": { "width": width, "height": height }, "scheme": scheme, "now": NOW,
                    "picture": picture, "isPart": true }));
                pairs.push(json!({ "name": name, "picture": picture, "kept": kept.join(format!("{name}.webp")) }));
            }
        }
    }
    pairs.push(
        json!({ "name": OTHER, "picture": fixture.path("pictures/trends-desktop-light.png"), "kept": kept.join("performance-desktop-light.webp") }),
    );
    walk(&fixture, &served, &Value::Array(plan));
    let renewed = std::env::var_os("IMAX_RENEW_PICTURES").is_some();
    if renewed {
        // Another page's picture is only compared.
        pairs.pop();
    }
    fixture.write("pairs.json", &json!(pairs).to_string());
    let mut compare = Command::new("node");
    compare.arg(project().join("web/tests/compare.mjs"));
    if renewed {
        fs::create_dir_all(&kept).unwrap();
        compare.arg("--renew");
    }
    let output = compare
        .arg(fixture.path("pairs.json"))
        .env("IMAX_WEB_TOOLS", tools())
        .stdin(Stdio::null())
        .output()
        .expect("node is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        renewed || changed(OTHER, &found[OTHER]).is_some(),
        "the bounds do not tell pages apart"
    );
    let pages = found.as_object().unwrap().iter().filter(|(name, _)| *name != OTHER);
    let changed: Vec<String> = pages.filter_map(|(name, found)| changed(name, found)).collect();
    assert!(
        changed.is_empty(),
        "pages look otherwise than their pictures in tests/serving/pictures; look at them, and renew the pictures with IMAX_RENEW_PICTURES=1 if that is \
         meant:\n{}",
        changed.join("\n")
    );
}

/// How a picture differs by more than fonts do.
fn changed(name: &str, found: &Value) -> Option<String> {
    let part = |name: &str| found[name].as_f64().unwrap_or(1.0);
    let (mean, share) = (part("mean"), part("share"));
    (mean > MOST_MEAN || share > MOST_SHARE).then(|| format!("{name}: mean difference {mean:.4}, {:.1} % of the blocks", share * 100.0))
}
