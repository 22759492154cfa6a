//! Warnings about a catalog that is valid and probably wrong.

use crate::model::{Diagnostic, Diagnostics, Layout};

use super::{Candidate, Catalog, Entry, Hardware, NO_IMAGE, ScenarioBlock};

#[must_use]
pub fn lint(catalog: &Catalog) -> Diagnostics {
    let mut found = Diagnostics::new();
    for entry in catalog.entries.values() {
        moving_image(entry, &mut found);
        label_without_nodes(catalog, entry, &mut found);
        if let Some(hardware) = catalog.runners.hardware.get(entry.runner.as_str()) {
            beyond_a_node(entry, *hardware, &mut found);
        }
    }
    found
}

/// Tag and digest are in the last part of an image reference; the port of a registry is not a tag.
fn moving_image(entry: &Entry, found: &mut Diagnostics) {
    let image = entry.image.as_str();
    if image == NO_IMAGE {
        return;
    }
    let last = image.rsplit(['/', '#']).next().unwrap_or(image);
    let (code, has, help) = if !last.contains([':', '@']) {
        ("image-without-tag", "no tag", "add the tag of a release, or a digest")
    } else if last.ends_with(":latest") {
        ("image-latest", "the tag `latest`", "name the tag of a release, or a digest")
    } else {
        return;
    };
    let message = format!("the image `{image}` has {has}, so its content can change without a commit");
    let diagnostic = Diagnostic::warning(code, message).at(entry.image_place.clone()).help(help);
    found.push(diagnostic);
}

fn label_without_nodes(catalog: &Catalog, entry: &Entry, found: &mut Diagnostics) {
    let labels = &catalog.runners.labels;
    if labels.contains_key(entry.runner.as_str()) {
        return;
    }
    let message = format!("no runner has the label `{}`, so jobs of this entry wait forever", entry.runner);
    let known: Vec<&str> = labels.keys().map(crate::model::RunnerLabel::as_str).collect();
    let help = match crate::model::nearest(entry.runner.as_str(), &known) {
        Some(near) => format!("did you mean `{near}`? Else add the label to the runner file"),
        None => "add the label with its nodes to the runner file".to_owned(),
    };
    found.push(
        Diagnostic::warning("label-without-nodes", message)
            .at(entry.runner_place.clone())
            .help(help),
    );
}

fn beyond_a_node(entry: &Entry, hardware: Hardware, found: &mut Diagnostics) {
    let of_node = u64::from(hardware.gpus_per_node.get());
    for candidate in entry.blocks.iter().flat_map(candidates) {
        let Layout::SingleNode(parallelism) = &candidate.layout else {
            continue;
        };
        let gpus = parallelism.gpus();
        if gpus > of_node {
            let message = format!(
                "{gpus} GPUs (tp x pp x pcp-size) on one node, but a node of `{}` has {of_node}",
                entry.runner
            );
            found.push(Diagnostic::warning("beyond-node", message).at(candidate.place.clone()));
        }
    }
}

fn candidates(block: &ScenarioBlock) -> Vec<&Candidate> {
    match block {
        ScenarioBlock::FixedSeqLen { candidates, .. } => candidates.iter().collect(),
        ScenarioBlock::AgenticCoding { candidates, .. } => candidates.iter().map(|agentic| &agentic.candidate).collect(),
    }
}
