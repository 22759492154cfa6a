//! The section `script` of a runner profile: a path, or a map with the path and the names of the script's Slurm jobs.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::job::{ProfileError, ProfileHead};
use crate::model::RunnerName;

/// The part of a job's name that becomes the runner's name.
const RUNNER: &str = "{runner-name}";
/// The names that InferenceX's launch scripts use.
const USUAL_NAMES: [&str; 2] = ["{runner-name}", "inferencex-{runner-name}"];

/// A launch script, and the jobs that it submits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub(super) struct ScriptSection {
    /// Path of the launch script below the runner folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Names of the Slurm jobs that the script submits; jobs of this user with such a name are cancelled before it starts and after it
    /// ended. `{runner-name}` is the name of the runner. An empty list cancels none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slurm_job_names: Option<Vec<String>>,
}

/// The map in a form that derives its reader.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ScriptMap {
    path: Option<String>,
    slurm_job_names: Option<Vec<String>>,
}

impl<'de> Deserialize<'de> for ScriptSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PathOrMap;
        impl<'de> Visitor<'de> for PathOrMap {
            type Value = ScriptSection;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the path of a launch script, or a map with `path`")
            }

            fn visit_str<E>(self, path: &str) -> Result<ScriptSection, E> {
                Ok(ScriptSection {
                    path: Some(path.to_owned()),
                    slurm_job_names: None,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ScriptSection, A::Error> {
                let ScriptMap { path, slurm_job_names } = ScriptMap::deserialize(MapAccessDeserializer::new(map))?;
                Ok(ScriptSection { path, slurm_job_names })
            }
        }
        deserializer.deserialize_any(PathOrMap)
    }
}

/// The checked section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ScriptSettings {
    /// Path below the runner folder.
    pub path: String,
    slurm_job_names: Vec<String>,
}

impl ScriptSettings {
    /// Checks a section.
    pub fn of(profile: ProfileHead<'_>, section: ScriptSection) -> Result<Self, ProfileError> {
        let ScriptSection { path, slurm_job_names } = section;
        let path = path.filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| profile.invalid("script", "", "the script's path below the runner folder"))?;
        let names = slurm_job_names.unwrap_or_else(|| USUAL_NAMES.map(str::to_owned).to_vec());
        match names.iter().find(|name| !is_name(name)) {
            Some(wrong) => Err(profile.invalid(
                "script.slurm-job-names",
                wrong.clone(),
                "ASCII letters, digits, `.`, `_` and `-`, with {runner-name} in it",
            )),
            None => Ok(Self {
                path,
                slurm_job_names: names,
            }),
        }
    }

    /// The names of the jobs of a runner; none for a runner whose name Slurm's tools would take for a list.
    pub fn names_of(&self, runner: &RunnerName) -> Vec<String> {
        let runner = runner.as_str();
        let is_one_word = !runner.contains(|c: char| c == ',' || c.is_whitespace()) && !runner.starts_with('-');
        let names = self.slurm_job_names.iter().filter(|_| is_one_word);
        names.map(|name| name.replace(RUNNER, runner)).collect()
    }
}

/// Without the runner's name in it, it would be the name of other runners' jobs, too.
fn is_name(name: &str) -> bool {
    let rest = name.replace(RUNNER, "");
    let has_runner = rest.len() != name.len();
    has_runner && !rest.starts_with('-') && rest.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::launcher::launch_rules;
    use crate::job::RunnerProfile;

    fn settings(section: &str) -> Result<ScriptSettings, ProfileError> {
        let text = format!("launcher: script\nscript: {section}\n");
        let read = |path: &str| (path == "p.yaml").then(|| text.clone());
        RunnerProfile::load("p", "runners", &read, &launch_rules()).map(|profile| profile.launch.read().unwrap())
    }

    #[test]
    fn path_alone_has_the_usual_names() {
        let runner = "h200-cw_00".parse().unwrap();
        for (section, names) in [
            ("launch_x.sh", vec!["h200-cw_00", "inferencex-h200-cw_00"]),
            ("{path: launch_x.sh}", vec!["h200-cw_00", "inferencex-h200-cw_00"]),
            (
                "{path: launch_x.sh, slurm-job-names: ['bench.{runner-name}']}",
                vec!["bench.h200-cw_00"],
            ),
            ("{path: launch_x.sh, slurm-job-names: []}", vec![]),
        ] {
            let settings = settings(section).unwrap();
            assert_eq!(
                (settings.path.as_str(), settings.names_of(&runner)),
                ("launch_x.sh", names.iter().map(|name| (*name).to_owned()).collect())
            );
        }
    }

    #[test]
    fn errors_name_key_value_and_remedy() {
        for (section, message) in [
            ("{slurm-job-names: []}", "the script's path below the runner folder"),
            ("''", "the script's path below the runner folder"),
            ("{path: x, slurm-job-names: [benchmark]}", "with {runner-name} in it"),
            (
                "{path: x, slurm-job-names: ['a,{runner-name}']}",
                "`script.slurm-job-names: a,{runner-name}`",
            ),
            ("{path: x, job-names: []}", "job-names"),
            ("[x]", "the path of a launch script"),
        ] {
            let error = settings(section).unwrap_err().to_string();
            assert!(error.contains(message), "{section}: {error}");
        }
    }
}
