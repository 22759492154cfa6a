//! The HTML page in a real browser: its script runs without a complaint, and an address shows what it says.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::fixture::{Fixture, failed_job, row};

fn page() -> Fixture {
    let fixture = Fixture::new();
    for (conc, hardware) in [(4, "h100"), (16, "h100"), (8, "mi300x")] {
        let mut row = row(conc);
        row["runner"] = hardware.into();
        fixture.measured(&format!("run/{conc}"), &row, 1000.0 * f64::from(conc));
    }
    written(fixture)
}

/// Writes the page of the run.
fn written(fixture: Fixture) -> Fixture {
    let ended = fixture.imax(&["report", "run", "--format", "html", "--costs", "--out", "page.html"], &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    fixture
}

/// Longest wait for a browser.
const PATIENCE: Duration = Duration::from_secs(300);

/// The document after the script has run, and what the console said.
fn opened(fixture: &Fixture, address: &str) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let output = chromium(fixture, address, &profile, &["--virtual-time-budget=5000", "--dump-dom"])
        .output()
        .expect("chromium is installed");
    let document = String::from_utf8_lossy(&output.stdout).into_owned();
    (document, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The browser, with the page at an address.
fn chromium(fixture: &Fixture, address: &str, profile: &TempDir, further: &[&str]) -> Command {
    let mut command = Command::new("chromium");
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
        ])
        .args(["--disable-component-update", "--disable-sync", "--allow-file-access-from-files"])
        .arg("--enable-logging=stderr")
        .args(further)
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}{address}", fixture.path("page.html").display()));
    command
}

fn rows(document: &str) -> (usize, usize) {
    let rows: Vec<&str> = document.split("<tr ").skip(1).filter(|row| row.contains("data-point=")).collect();
    let hidden = rows.iter().filter(|row| row.split('>').next().unwrap().contains("hidden"));
    (rows.len(), hidden.count())
}

#[test]
#[ignore = "needs chromium"]
fn url_fragment_filters_the_page() {
    let fixture = page();
    let (document, console) = opened(&fixture, "");
    assert_eq!(rows(&document), (3, 0));
    assert!(
        document.contains("3 of 3 points") && document.contains("main-svg"),
        "nothing was drawn"
    );
    assert!(
        document.contains("data-title=\"Zoom\"") && !document.contains("data-title=\"Share chart"),
        "the charts must have no button that uploads them"
    );
    assert!(!console.contains("CONSOLE"), "{console}");
    let (document, console) = opened(&fixture, "#hardware=mi300x&x=conc&y=cost&logx=1&logy=1");
    assert_eq!(rows(&document), (3, 2));
    assert!(
        document.contains("1 of 3 points") && document.contains("$/M tok</text>"),
        "the axis is not the one of the address"
    );
    assert!(!console.contains("CONSOLE"), "{console}");
    let (document, _) = opened(&fixture, "#no-hardware=mi300x&model=demo");
    assert_eq!(rows(&document), (3, 1));
}

/// The same in a frame of a phone's width: a window cannot be that narrow.
fn on_a_phone(fixture: &Fixture) {
    fixture.write("whole.html", &fixture.read("page.html"));
    let page = r#"<body style="margin: 0"><iframe src="whole.html" style="width: 390px; height: 3000px; border: 0"></iframe>"#;
    fixture.write("page.html", &format!("{page}</body>"));
}

/// What does not fit into the frame, what lies on the legend, and how high the plots are; said on the console of the page in the frame.
const MEASURER: &str = r#"<script>
const isDrawn = () => [...document.querySelectorAll('section:not([hidden]) > .plot')].every(plot => plot.dataset.drawn);
const whenDrawn = measure => (isDrawn() ? measure() : requestAnimationFrame(() => whenDrawn(measure)));
whenDrawn(() => {
  const box = element => element.getBoundingClientRect();
  const wide = [...document.querySelectorAll('body *')].filter(element => !element.closest('.scroll, svg') && box(element).right > innerWidth + 1);
  const plots = [...document.querySelectorAll('section:not([hidden]) > .plot')];
  const covered = plots.filter(plot => {
    const [legend, axis] = [plot.querySelector('.legend'), plot.querySelector('.xtitle')];
    return legend && axis && box(legend).top < box(axis).bottom;
  });
  const outside = plots.filter(plot => {
    const legend = plot.querySelector('.legend');
    return legend && box(legend).bottom > box(plot).bottom + 1;
  });
  console.log('SEEN ' + JSON.stringify({ width: innerWidth, wide: wide.map(element => element.outerHTML.slice(0, 80)), plots: plots.length,
    covered: covered.length, outside: outside.length, labels: document.querySelectorAll('.textpoint').length }) + ' END');
});</script></body>"#;

/// Names as somebody may choose them.
fn hostile_names(fixture: &Fixture) {
    for (conc, framework) in [
        (4, "<img src=x onerror=console.log(`CONSOLE`)>".to_owned()),
        (8, format!("engine{}", "-long".repeat(30))),
    ] {
        let mut row = row(conc);
        row["framework"] = framework.into();
        fixture.measured(&format!("run/{conc}"), &row, 1000.0 * f64::from(conc));
    }
}

/// Twenty curves of five points.
fn many_points(fixture: &Fixture) {
    for (at, framework) in ["a", "b", "c", "d"].into_iter().enumerate() {
        for tp in [1, 2, 3, 4, 8] {
            for conc in [4, 8, 16, 32, 64] {
                let mut row = row(conc);
                row["framework"] = framework.into();
                row["tp"] = tp.into();
                fixture.measured(&format!("run/{at}-{tp}-{conc}"), &row, 1000.0 * f64::from(conc + tp));
            }
        }
    }
}

#[test]
#[ignore = "needs chromium"]
fn nothing_is_cut_off_or_covered_on_a_phone() {
    for (name, fill, has_labels) in [
        (
            "one point",
            (|fixture: &Fixture| fixture.measured("run/4", &row(4), 4000.0)) as fn(&Fixture),
            true,
        ),
        ("hostile names", hostile_names, true),
        ("many points", many_points, false),
    ] {
        let fixture = Fixture::new();
        fill(&fixture);
        let fixture = written(fixture);
        fixture.write("page.html", &fixture.read("page.html").replace("</body>", MEASURER));
        on_a_phone(&fixture);
        let seen = seen(&fixture, &[]);
        assert_eq!((&seen["width"], &seen["plots"]), (&390.into(), &1.into()), "{name}: {seen}");
        assert_eq!(seen["wide"], serde_json::json!([]), "{name}");
        assert_eq!((&seen["covered"], &seen["outside"]), (&0.into(), &0.into()), "{name}: {seen}");
        assert_eq!(seen["labels"].as_u64() > Some(0), has_labels, "{name}: {seen}");
    }
}

#[test]
#[ignore = "needs chromium"]
fn columns_are_sorted_and_filters_apply_to_lists_and_cards() {
    let fixture = page();
    let reader = r#"<script>
const column = title => [...document.querySelectorAll('section.group th')].find(th => th.textContent.startsWith(title));
const cells = header => [...header.closest('table').tBodies[0].rows].map(row => row.cells[[...header.parentNode.children].indexOf(header)].textContent.trim());
const conc = column('Conc');
const orders = [cells(conc)];
for (let click = 0; click < 2; click += 1) { conc.querySelector('button').click(); orders.push(cells(conc)); }
const before = document.querySelector('.card[data-count="points"] .value').textContent;
document.querySelector('input[value="h100"]').click();
const after = document.querySelector('.card[data-count="points"] .value').textContent;
const failed = [...document.querySelectorAll('ul.changes li')].map(li => li.hidden);
console.log('SEEN ' + JSON.stringify({ orders, sort: conc.getAttribute('aria-sort'), before, after, failed }) + ' END');
</script></body>"#;
    let mut lost = row(32);
    lost["runner"] = "h100".into();
    fixture.write("run/lost/job.json", &failed_job(&lost, "server", "it died").to_string());
    let fixture = written(fixture);
    fixture.write("page.html", &fixture.read("page.html").replace("</body>", reader));
    let seen = seen(&fixture, &[]);
    assert_eq!(
        seen["orders"],
        serde_json::json!([["4", "16", "32"], ["4", "16", "32"], ["32", "16", "4"]]),
        "{seen}"
    );
    assert_eq!(seen["sort"], "descending");
    assert_eq!((&seen["before"], &seen["after"]), (&"4".into(), &"1".into()));
    assert_eq!(
        seen["failed"],
        serde_json::json!([true]),
        "the failed point is of the hidden hardware"
    );
}

#[test]
fn page_says_when_and_with_what_was_measured() {
    let fixture = page();
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let mut job = failed_job(&row(32), "server", "it died");
    job["started"] = "2026-11-30T10:58:31.123Z".into();
    job["ended"] = "2026-11-30T11:20:00.000Z".into();
    job["provenance"] = serde_json::json!({
        "commit": commit, "imax_version": "0.2.0", "gpu_driver": "570.86.15", "gpu_toolkit": "12.8", "runner_name": "h100_0",
        "engine": { "engine_version": "1.2 <b>" }, "gpus": [{ "index": 0, "name": "NVIDIA H100" }, { "index": 1, "name": "NVIDIA H100" }]
    });
    fixture.write("run/lost/job.json", &job.to_string());
    assert_eq!(fixture.imax(&["collect", "run", "--out", "collected"], &[]).code, 0);
    let actions = [("GITHUB_REPOSITORY", "o/r"), ("GITHUB_RUN_ID", "7")];
    for run in ["run", "collected"] {
        let ended = fixture.imax(&["report", run, "--format", "html"], &actions);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        for part in [
            "measured 2026-11-30 10:58 to 11:20 UTC",
            &format!("<a href=\"https://github.com/o/r/commit/{commit}\""),
            "<a href=\"https://github.com/o/r/actions/runs/7\">workflow run</a>",
            "<dd>2 x NVIDIA H100</dd>",
            "<dt>GPU driver</dt><dd>570.86.15</dd>",
            "<dt>CUDA or ROCm</dt><dd>12.8</dd>",
            "<dt>Engine</dt><dd>sim 1.2 &lt;b&gt;</dd>",
            "<dt>imax</dt><dd>0.2.0</dd>",
        ] {
            assert!(ended.stdout.contains(part), "{run}: {part}");
        }
    }
    let without = fixture.imax(&["report", "collected", "--format", "html"], &[]).stdout;
    assert!(without.contains("<code title=") && !without.contains("workflow run"));
}

/// Uses the page as a reader would, and says on the console what came of it, once the exports are there.
const READER: &str = r#"<script>
const address = URL.createObjectURL;
const table = new Promise(done => {
  URL.createObjectURL = blob => {
    if (blob.type === 'text/csv') blob.text().then(done);
    return address.call(URL, blob);
  };
});
const image = new Promise(done => {
  Plotly.downloadImage = (element, options) =>
    Plotly.toImage(element, options).then(url => done(options.filename + ' ' + url.slice(0, 26)));
});
document.querySelector('input[value="mi300x"]').click();
document.querySelector('button[data-y="ttft"]').click();
byId('logy').click();
byId('csv').click();
byId('png').click();
Promise.all([table, image]).then(([file, image]) => {
  const style = getComputedStyle(document.body);
  console.log('SEEN ' + JSON.stringify({ hash: location.hash, file, image, back: style.backgroundColor, text: style.color }) + ' END');
});
</script></body>"#;

/// A browser that is stopped with the test.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What [`READER`] saw.
fn seen_by_reader(fixture: &Fixture, further: &[&str]) -> serde_json::Value {
    fixture.write("page.html", &fixture.read("page.html").replace("</body>", READER));
    seen(fixture, further)
}

/// What the script of the page says it saw. The exports are made by other threads of the browser, so real time is waited for, not the page's own.
fn seen(fixture: &Fixture, further: &[&str]) -> serde_json::Value {
    let profile = tempfile::tempdir().unwrap();
    let mut browser = Browser(chromium(fixture, "", &profile, further).stderr(Stdio::piped()).spawn().unwrap());
    let console = BufReader::new(browser.0.stderr.take().unwrap());
    let (send, lines) = channel();
    std::thread::spawn(move || console.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    let until = Instant::now() + PATIENCE;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let line = lines.recv_timeout(left).expect("the reader says what it has seen");
        if let Some((_, seen)) = line.split_once("SEEN ") {
            let (seen, _) = seen.rsplit_once(" END").unwrap();
            return serde_json::from_str(seen).unwrap();
        }
        assert!(!line.contains("CONSOLE"), "{line}");
    }
}

#[test]
#[ignore = "needs chromium"]
fn selection_is_in_the_url_and_in_the_exports() {
    let seen = seen_by_reader(&page(), &[]);
    let hash = seen["hash"].as_str().unwrap();
    for part in ["no-hardware=mi300x", "x=conc", "y=ttft", "logy=1"] {
        assert!(hash.contains(part), "{part}: {hash}");
    }
    let csv = seen["file"].as_str().unwrap();
    assert_eq!(csv.lines().count(), 3, "a heading and the two points that are shown: {csv}");
    assert!(
        csv.starts_with("model,hardware,framework,precision,sequence,point,") && !csv.contains("mi300x"),
        "{csv}"
    );
    assert_eq!(seen["image"], "demo-1k1k data:image/png;base64,iVBO");
}

#[test]
#[ignore = "needs chromium"]
fn page_follows_the_preferred_colour_scheme() {
    let light = seen_by_reader(&page(), &["--blink-settings=preferredColorScheme=1"]);
    let dark = seen_by_reader(&page(), &["--blink-settings=preferredColorScheme=0"]);
    assert_eq!(
        (&light["back"], &light["text"]),
        (&"rgb(246, 247, 249)".into(), &"rgb(28, 35, 48)".into())
    );
    assert_eq!(
        (&dark["back"], &dark["text"]),
        (&"rgb(20, 23, 28)".into(), &"rgb(230, 233, 238)".into())
    );
}

#[test]
#[ignore = "needs chromium"]
fn legends_render_no_markup() {
    let fixture = Fixture::new();
    for (conc, framework) in [(4, "<a href=\"https://evil.example/\">go</a>"), (8, "%{x} <b>loud</b>")] {
        let mut row = row(conc);
        row["framework"] = framework.into();
        fixture.measured(&format!("run/{conc}"), &row, 1000.0 * f64::from(conc));
    }
    let (document, console) = opened(&written(fixture), "");
    let legend = document
        .split("class=\"legend\"")
        .nth(1)
        .unwrap_or_else(|| panic!("no legend: {console}"));
    let legend = legend.split("</svg>").next().unwrap();
    for text in ["&lt;a href=", "&lt;b&gt;loud&lt;/b&gt;", "%{x}"] {
        assert!(legend.contains(text), "{text} in {legend}");
    }
    assert!(!legend.contains("<a ") && !legend.contains("font-weight: bold"), "{legend}");
}
