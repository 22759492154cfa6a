//! What in a workflow file runs code without approval. The file is read line by line: a workflow that is not valid YAML does not
//! run, and a line that only looks like one of these is worth a look.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A workflow as GitHub's contents API gives it.
#[derive(Debug, Clone, Copy)]
pub(super) struct WorkflowFile<'a> {
    pub name: &'a str,
    /// With line breaks.
    pub base64: &'a str,
}

/// The problems of a workflow, a phrase each.
pub(super) fn problems_of_workflow(file: WorkflowFile<'_>) -> Vec<String> {
    let packed: String = file.base64.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let Some(text) = STANDARD.decode(packed).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return vec![format!("{}: not readable", shown(file.name))];
    };
    let name = shown(file.name);
    let mut problems: Vec<String> = text
        .lines()
        .filter_map(used)
        .filter(|used| !is_pinned(used))
        .map(|used| format!("{name} uses {}, expected the SHA of a commit behind `@`", shown(used)))
        .collect();
    let is_privileged = text
        .lines()
        .any(|line| line.split('#').next().is_some_and(|code| code.contains("pull_request_target")));
    let takes_head = ["github.event.pull_request.head", "github.head_ref", "refs/pull/"]
        .iter()
        .any(|head| text.contains(head));
    if is_privileged && takes_head {
        problems.push(format!(
            "{name} runs on pull_request_target and names the head of the pull request: code of a fork must not run with secrets"
        ));
    }
    problems
}

/// What a line of a workflow uses: an action or a reusable workflow.
fn used(line: &str) -> Option<&str> {
    let line = line.trim_start().trim_start_matches("- ").trim_start();
    let value = line.strip_prefix("uses:")?.split(" #").next()?.trim();
    Some(value.trim_matches(['"', '\'']))
}

/// Whether it is of this repository, or of one commit or image.
fn is_pinned(used: &str) -> bool {
    if used.starts_with("./") || used.contains("@sha256:") {
        return true;
    }
    let reference = used.rsplit_once('@').map_or("", |(_, reference)| reference);
    reference.len() == 40 && reference.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let base64 = STANDARD.encode(text);
        let (first, second) = base64.split_at(base64.len() / 2);
        let base64 = format!("{first}\n{second}\n");
        problems_of_workflow(WorkflowFile {
            name: "a.yml",
            base64: &base64,
        })
    }

    #[test]
    fn actions_without_a_commit_are_named() {
        let text = "jobs:\n  a:\n    uses: o/r/.github/workflows/sweep.yml@v1\n    steps:\n    - uses: ./local\n    \
                    - uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5\n    - uses: \"actions/cache@main\"\n    \
                    - uses: docker://a/b@sha256:0123\n    - run: echo uses: no/action@v1\n";
        let found = problems(text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].contains("sweep.yml@v1") && found[1].contains("actions/cache@main"),
            "{found:?}"
        );
    }

    #[test]
    fn head_of_a_pull_request_with_secrets_is_named() {
        let head = "    with:\n      ref: ${{ github.event.pull_request.head.sha }}\n";
        assert_eq!(problems(&format!("on: pull_request_target\n{head}")).len(), 1);
        assert!(problems(&format!("on: pull_request\n{head}")).is_empty());
        assert!(problems("# not pull_request_target\non: push\n").is_empty());
    }
}
