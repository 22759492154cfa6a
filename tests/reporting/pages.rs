//! The HTML page in a real browser: its script runs without a complaint, and an address shows what it says.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::fixture::{Fixture, row};

fn page() -> Fixture {
    let fixture = Fixture::new();
    for (conc, hardware) in [(4, "h100"), (16, "h100"), (8, "mi300x")] {
        let mut row = row(conc);
        row["runner"] = hardware.into();
        fixture.measured(&format!("run/{conc}"), &row, 1000.0 * f64::from(conc));
    }
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

/// What the reader saw. The exports are made by other threads of the browser, so real time is waited for, not the page's own.
fn seen(fixture: &Fixture, further: &[&str]) -> serde_json::Value {
    fixture.write("page.html", &fixture.read("page.html").replace("</body>", READER));
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
    let seen = seen(&page(), &[]);
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
    let light = seen(&page(), &["--blink-settings=preferredColorScheme=1"]);
    let dark = seen(&page(), &["--blink-settings=preferredColorScheme=0"]);
    assert_eq!(
        (&light["back"], &light["text"]),
        (&"rgb(246, 247, 249)".into(), &"rgb(28, 35, 48)".into())
    );
    assert_eq!(
        (&dark["back"], &dark["text"]),
        (&"rgb(20, 23, 28)".into(), &"rgb(230, 233, 238)".into())
    );
}
