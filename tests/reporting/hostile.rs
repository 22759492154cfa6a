//! Names and reasons come from outside, and stay text in every format.

use serde_json::json;

use crate::fixture::{Fixture, failed_job, row};

const SCRIPT: &str = "</script><script>alert(1)</script>";

fn fixture() -> Fixture {
    let fixture = Fixture::new();
    let mut hostile = row(4);
    hostile["image"] = json!(format!("{SCRIPT}<img src=x onerror=alert(2)>"));
    hostile["model"] = json!("@everyone [click](http://evil.example) | **bold**");
    hostile["framework"] = json!("<b>sim</b>");
    fixture.measured("run/a", &hostile, 4000.0);
    fixture.measured("run/b", &row(8), 4000.0);
    fixture.write(
        "run/c/job.json",
        &failed_job(&row(16), "server", "=HYPERLINK(\"http://evil.example\")\n| @octocat closes #777").to_string(),
    );
    fixture
}

#[test]
fn page_contains_no_foreign_tag_or_script() {
    let page = fixture().imax(&["report", "run", "--format", "html"], &[]).stdout;
    let body = page.split("<body>").nth(1).unwrap();
    let (text, scripts) = body.split_once("<script").unwrap();
    assert_eq!(
        scripts.matches("</script>").count(),
        4,
        "a name ended a script: three of data, one that runs"
    );
    let data: String = scripts.split("<script type=\"module\"").next().unwrap().to_owned();
    assert!(!data.contains("<img") && !data.contains("<b>"), "a name is markup in the data");
    let body = text;
    for tag in ["<script", "<img", "<b>"] {
        assert!(!body.contains(tag), "{tag} in the page");
    }
}

#[test]
fn comment_contains_no_foreign_markup_mention_or_link() {
    let markdown = fixture().imax(&["report", "run", "--format", "markdown"], &[]).stdout;
    for markup in ["<b>", "<img", "](http", "http://", "@everyone", "@octocat", "#777", "**bold**"] {
        assert!(!markdown.contains(markup), "{markup} in {markdown}");
    }
    // A pipe of a name would add a cell to its row.
    let mut cells = None;
    let mut rows = 0;
    for line in markdown.lines() {
        match line.starts_with('|') {
            true if line.contains("tok/s/GPU |") => cells = Some(line.matches('|').count()),
            true => {
                rows += usize::from(cells.is_some());
                assert!(cells.is_none_or(|cells| line.matches('|').count() == cells), "{line} in {markdown}");
            }
            false => cells = None,
        }
    }
    assert!(rows >= 4, "two rows and the rule of each table: {markdown}");
}

#[test]
fn csv_contains_no_foreign_formula() {
    let csv = fixture().imax(&["report", "run", "--format", "csv"], &[]).stdout;
    assert!(!csv.contains(",=HYPERLINK") && !csv.contains(",@everyone"), "{csv}");
    assert!(csv.contains(",'@everyone"), "{csv}");
}

#[test]
fn xml_contains_no_foreign_element() {
    let xml = fixture().imax(&["report", "run", "--format", "junit"], &[]).stdout;
    let elements = xml.matches('<').count();
    let ours: usize = [
        "<?xml",
        "<testsuites",
        "</testsuites",
        "<testsuite ",
        "</testsuite>",
        "<testcase",
        "</testcase",
        "<error",
    ]
    .iter()
    .map(|tag| xml.matches(tag).count())
    .sum();
    assert_eq!(elements, ours, "{xml}");
    assert!(xml.contains("&lt;b&gt;sim&lt;/b&gt;"), "{xml}");
}
