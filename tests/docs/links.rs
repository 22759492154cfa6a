//! Relative links of pages that the site's own check (`mkdocs build --strict`) does not see, and those that leave `docs/`.

use super::harness::project;
use super::page::{Page, pages};

/// The targets of a page's links and pictures, as they are written.
fn targets(page: &Page) -> Vec<String> {
    let prose = page.prose();
    let markdown = prose.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let html = ["src=\"", "srcset=\"", "href=\""]
        .into_iter()
        .flat_map(|attribute| prose.split(attribute).skip(1));
    markdown
        .chain(html.filter_map(|rest| rest.split('"').next()))
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
        .map(str::to_owned)
        .collect()
}

/// The anchor that GitHub and the site give a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

fn has_anchor(page: &Page, wanted: &str) -> bool {
    let prose = page.prose();
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .any(|found| found == wanted)
}

#[test]
fn relative_links_lead_to_files_and_headings() {
    let mut checked = 0;
    let mut broken = Vec::new();
    for page in pages() {
        let file = project().join(&page.name);
        for target in targets(&page) {
            checked += 1;
            let (path, heading) = target.split_once('#').unwrap_or((&target, ""));
            let found = if path.is_empty() {
                file.clone()
            } else {
                file.parent().unwrap().join(path)
            };
            let leads = if heading.is_empty() || found.extension().is_none_or(|extension| extension != "md") {
                found.exists()
            } else {
                found.exists() && has_anchor(&Page::read(&found.canonicalize().unwrap()), heading)
            };
            if !leads {
                broken.push(format!("{}: {target}", page.name));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
    assert!(checked > 100, "only {checked} links found");
}
