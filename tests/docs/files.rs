//! The files that pages show. A comment on the line above a `yaml` block says which file of a repository it is,
//! `<!-- file: imax.yaml -->`, or that it is added to one, `<!-- added to: runners/h100.yaml -->`; `imax check` then accepts a
//! copy of this project's configs with that file.

use std::fs;

use super::harness::{Finish as _, imax, project};
use super::page::{Block, Page, pages};
use super::session::copy_folder;

/// What `imax check` finds wrong with the file of a block; nothing for a block that shows no file.
fn fault(block: &Block) -> Option<String> {
    let (how, path) = block.marker.as_deref()?.split_once(": ")?;
    let adds = match how {
        "file" => false,
        "added to" => true,
        _ => return None,
    };
    let folder = tempfile::tempdir().unwrap();
    for name in ["configs", "benchmarks", "runners"] {
        copy_folder(&project().join(name), &folder.path().join(name));
    }
    // Pages show a config without the recipe of its rows, and a profile without its script.
    fs::write(
        folder.path().join("benchmarks/acme7_fp8_h100_engine.sh"),
        "exec engine \"$SPEC_DECODING\"\n",
    )
    .unwrap();
    fs::write(folder.path().join("runners/launch_x.sh"), "exit 0\n").unwrap();
    let file = folder.path().join(path);
    let before = if adds { fs::read_to_string(&file).unwrap() } else { String::new() };
    fs::write(&file, before + &block.text).unwrap();
    let output = imax().current_dir(folder.path()).arg("check").finish();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn files_in_pages_are_valid() {
    let mut checked = 0;
    let mut faults = Vec::new();
    for page in pages() {
        for block in page
            .blocks()
            .iter()
            .filter(|block| block.language == "yaml" && block.marker.is_some())
        {
            checked += 1;
            faults.extend(fault(block).map(|fault| format!("{}:{}: {fault}", page.name, block.line)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(checked > 10, "only {checked} files found");
}

#[test]
fn invalid_file_is_a_fault() {
    for (text, expected) in [
        ("<!-- file: imax.yaml -->\n```yaml\npolcy: {}\n```\n", "unknown field `polcy`"),
        (
            "<!-- added to: runners/h100.yaml -->\n```yaml\nhoks: {}\n```\n",
            "unknown key `hoks`",
        ),
    ] {
        let page = Page {
            name: "page.md".to_owned(),
            text: text.to_owned(),
        };
        let found = fault(&page.blocks()[0]).unwrap();
        assert!(found.contains(expected), "{found}");
    }
}

/// The names below a key `inputs:` of a workflow or action, which are indented by two more than the key.
fn inputs(text: &str) -> Vec<String> {
    let (before, rest) = text.split_once("inputs:\n").unwrap();
    let indent = before.rsplit('\n').next().unwrap().len() + 2;
    rest.lines()
        .take_while(|line| line.is_empty() || line.len() - line.trim_start().len() >= indent)
        .filter(|line| line.len() - line.trim_start().len() == indent)
        .filter_map(|line| Some(line.trim().strip_suffix(':')?.to_owned()))
        .collect()
}

#[test]
fn inputs_of_the_reusable_workflow_are_in_the_page() {
    let inputs = inputs(&fs::read_to_string(project().join(".github/workflows/sweep.yml")).unwrap());
    assert!(inputs.len() > 5, "{inputs:?}");
    let page = Page::read(&project().join("docs/operating/workflows.md")).text;
    let absent: Vec<_> = inputs.iter().filter(|input| !page.contains(&format!("`{input}`"))).collect();
    assert!(absent.is_empty(), "docs/operating/workflows.md does not name {absent:?}");
}
