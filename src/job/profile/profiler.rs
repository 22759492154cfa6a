//! The block `profiler` of a profile: what records an engine's steps for rows that are profiled.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ProfileError;
use crate::job::TRACE_FOLDER;
use crate::model::Profiler;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProfilerSettings {
    pub tool: Profiler,
    /// Further arguments of `nsys profile`.
    pub arguments: Vec<String>,
}

/// The block as parsed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct ProfilerDocument {
    /// What records the steps: PyTorch's profiler in the engine, or Nsight Systems around it.
    pub tool: Option<Profiler>,
    /// Further arguments of `nsys profile`, such as `--trace=cuda,nvtx`.
    pub arguments: Option<Vec<String>>,
}

/// Options of `nsys profile` that imax sets: where reports go, and what begins and ends a capture.
const OWN_OPTIONS: [&str; 4] = ["--output", "--capture-range", "--capture-range-end", "--force-overwrite"];
/// Those with short names, whose value may follow without a space.
const OWN_LETTERS: [&str; 3] = ["-o", "-c", "-f"];

/// Inheritance, key by key.
pub(super) fn inherit_profiler(base: ProfilerDocument, child: ProfilerDocument) -> ProfilerDocument {
    ProfilerDocument {
        tool: child.tool.or(base.tool),
        arguments: child.arguments.or(base.arguments),
    }
}

pub(super) fn profiler(name: &str, document: ProfilerDocument) -> Result<ProfilerSettings, ProfileError> {
    let settings = ProfilerSettings {
        tool: document.tool.unwrap_or_default(),
        arguments: document.arguments.unwrap_or_default(),
    };
    let invalid = |found: &str, expected| ProfileError::Value {
        name: name.to_owned(),
        key: "profiler.arguments",
        found: found.to_owned(),
        expected: Cow::Borrowed(expected),
    };
    match (settings.tool, settings.arguments.first()) {
        (Profiler::Torch, Some(first)) => return Err(invalid(first, "none, or `tool: nsys`")),
        (Profiler::Torch | Profiler::Nsys, _) => {}
    }
    match settings.arguments.iter().find(|argument| is_own(argument)) {
        Some(own) => Err(invalid(
            own,
            "options other than those of the output and the capture range, which imax sets",
        )),
        None => Ok(settings),
    }
}

fn is_own(argument: &str) -> bool {
    let option = argument.split('=').next().unwrap_or_default();
    OWN_OPTIONS.contains(&option) || OWN_LETTERS.iter().any(|letter| argument.starts_with(letter))
}

impl ProfilerSettings {
    /// A command under the profiler, for those that start the engine themselves. `%q{NAME}` is a variable of the environment in the
    /// names of Nsight Systems; a report is written at the end of each capture.
    #[must_use]
    pub fn around(&self, command: [String; 2]) -> Vec<String> {
        let own: [&str; 6] = [
            "nsys",
            "profile",
            &format!("--output=%q{{IMAX_OUT}}/{TRACE_FOLDER}/nsys-%p"),
            "--force-overwrite=true",
            "--capture-range=cudaProfilerApi",
            "--capture-range-end=repeat",
        ];
        match self.tool {
            Profiler::Torch => command.to_vec(),
            Profiler::Nsys => own
                .map(str::to_owned)
                .into_iter()
                .chain(self.arguments.iter().cloned())
                .chain(command)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_imax_sets_are_refused_in_each_form() {
        for (argument, is_refused) in [
            ("-o/tmp/reports", true),
            ("-o", true),
            ("-cnone", true),
            ("-f", true),
            ("--output=/tmp/reports", true),
            ("--force-overwrite=false", true),
            ("--capture-range=none", true),
            ("--trace=cuda,nvtx", false),
            ("--output-format=x", false),
        ] {
            let document = ProfilerDocument {
                tool: Some(Profiler::Nsys),
                arguments: Some(vec![argument.to_owned()]),
            };
            assert_eq!(profiler("p", document).is_err(), is_refused, "{argument}");
        }
    }
}
