//! What a running job says to people: lines on stderr, and inside GitHub Actions the workflow commands that fold
//! logs, hide secrets and mark the failure. The runner reads such commands from stderr as from stdout.

use crate::cli::output::say;
use crate::github::workflow_command;
use crate::model::Secret;
use crate::system::redaction::redact;

/// Speaks for one job.
#[derive(Debug, Clone)]
pub struct Voice {
    in_actions: bool,
    quiet: bool,
    secrets: Vec<Secret>,
}

impl Voice {
    /// A voice that never says one of the secrets. Inside GitHub Actions the runner is told to hide them too.
    #[must_use]
    pub fn new(in_actions: bool, secrets: Vec<Secret>) -> Self {
        if in_actions {
            // The one place where a secret is written: the runner takes the line and shows stars.
            for line in secrets
                .iter()
                .flat_map(|secret| secret.expose().lines())
                .filter(|line| !line.trim().is_empty())
            {
                say(&workflow_command("add-mask", &[], line));
            }
        }
        Self {
            in_actions,
            quiet: false,
            secrets,
        }
    }

    /// The same voice for somebody who only wants to hear of failures.
    #[must_use]
    pub fn quiet(self, quiet: bool) -> Self {
        Self { quiet, ..self }
    }

    /// A line.
    pub fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        say(&self.harmless(text));
    }

    /// Lines under a title, folded where that is possible.
    pub fn folded(&self, title: &str, body: &str) {
        if !self.in_actions {
            self.line(&format!("--- {title}\n{body}\n---"));
            return;
        }
        say(&workflow_command("group", &[], &redact(title, &self.secrets)));
        self.line(body);
        say(&workflow_command("endgroup", &[], ""));
    }

    /// The job's failure: one annotation where there are annotations.
    pub fn failure(&self, title: &str, text: &str) {
        let text = redact(text, &self.secrets);
        if self.in_actions {
            say(&workflow_command("error", &[("title", title)], &text));
        } else {
            say(&format!("{title}: {text}"));
        }
    }

    /// A text from outside must not be taken for a workflow command, which is a line that starts with `::` or `##[`.
    fn harmless(&self, text: &str) -> String {
        let text = redact(text, &self.secrets);
        if !self.in_actions {
            return text;
        }
        let quoted = text.lines().map(|line| {
            let command = line.trim_start().starts_with("::") || line.contains("##[");
            if command {
                format!("| {}", line.replace("##[", "# #["))
            } else {
                line.to_owned()
            }
        });
        quoted.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_secrets_in_foreign_text_are_disarmed() {
        let voice = Voice {
            in_actions: true,
            quiet: false,
            secrets: vec![Secret::new("hf_abcdef".to_owned())],
        };
        assert_eq!(
            voice.harmless("a\n ::stop-commands::x\n##[error]y hf_abcdef"),
            "a\n|  ::stop-commands::x\n| # #[error]y ***"
        );
    }
}
