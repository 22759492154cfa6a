//! Output of a running job: lines on stderr, and inside GitHub Actions the workflow commands that fold logs, mask secrets and annotate
//! the failure. The runner reads workflow commands from stderr as well as from stdout.

use std::io::Write as _;

use crate::github::{escape_commands, workflow_command};
use crate::model::Secret;
use crate::system::redaction::redact;

/// Prints the output of one job, without secrets.
#[derive(Debug, Clone)]
pub(super) struct Console {
    in_actions: bool,
    quiet: bool,
    secrets: Vec<Secret>,
}

impl Console {
    /// A console; with `quiet` it prints failures only. Inside GitHub Actions the runner is told to mask the secrets, too.
    pub fn new(in_actions: bool, quiet: bool, secrets: Vec<Secret>) -> Self {
        if in_actions {
            // The one place where a secret is printed: the runner consumes the line and masks its text from then on.
            for line in secrets
                .iter()
                .flat_map(|secret| secret.expose().lines())
                .filter(|line| !line.trim().is_empty())
            {
                print(&workflow_command("add-mask", &[], line));
            }
        }
        Self {
            in_actions,
            quiet,
            secrets,
        }
    }

    pub fn line(&self, text: &str) {
        if !self.quiet {
            print(&self.sanitized(text));
        }
    }

    /// Prints a text under a title, folded inside GitHub Actions.
    pub fn group(&self, title: &str, body: &str) {
        if !self.in_actions {
            self.line(&format!("--- {title}\n{body}\n---"));
            return;
        }
        print(&workflow_command("group", &[], &redact(title, &self.secrets)));
        self.line(body);
        print(&workflow_command("endgroup", &[], ""));
    }

    /// Prints the failure of the job, inside GitHub Actions as an annotation.
    pub fn failure(&self, title: &str, text: &str) {
        let text = redact(text, &self.secrets);
        if self.in_actions {
            let text = text.replace("##[", "# #[");
            print(&workflow_command("error", &[("title", title)], &text));
        } else {
            print(&format!("{title}: {text}"));
        }
    }

    /// The text without secrets, and inside GitHub Actions without lines that the runner would execute.
    fn sanitized(&self, text: &str) -> String {
        let text = redact(text, &self.secrets);
        if !self.in_actions {
            return text;
        }
        escape_commands(&text).into_owned()
    }
}

/// A closed stderr is not an error of the job.
fn print(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workflow_commands_and_secrets_in_foreign_text_are_neutralized() {
        let console = Console {
            in_actions: true,
            quiet: false,
            secrets: vec![Secret::new("hf_abcdef".to_owned())],
        };
        assert_eq!(
            console.sanitized("a\n ::stop-commands::x\n##[error]y hf_abcdef"),
            "a\n|  ::stop-commands::x\n# #[error]y ***"
        );
    }
}
