//! The launcher `endpoint`: an engine that is already running. Nothing is started or stopped; the job waits until the server answers and
//! runs its load.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{BoxFuture, LocalBoxFuture};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Engine, EngineAddress, LaunchError, LaunchInput, LaunchPlan, LaunchRequest, Launcher, LauncherKind};
use crate::fleet::job_state::Holding;
use crate::job::{
    JobSpec, LaunchRules, LaunchSettings, NodesByRole, ProfileError, ProfileHead, SettingsError, section_value, typed_section,
};
use crate::matrix::Row;
use crate::system::cancellation::Cancellation;
use crate::system::process::{Ending, StopReport};

pub(super) struct Endpoint;

/// The section of a profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Section {
    /// Address of the server, without the path of the API: `http://127.0.0.1:8000`.
    url: String,
}

/// The keys of a profile that this launcher reads.
#[derive(Deserialize)]
struct Profile {
    endpoint: Option<Section>,
}

impl LaunchRules for Endpoint {
    fn name(&self) -> &'static str {
        "endpoint"
    }

    fn needs_recipe(&self) -> bool {
        false
    }

    fn section_schema(&self, generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Section>()
    }

    fn read_section(&self, yaml: &str) -> Result<Option<Value>, String> {
        let profile: Profile = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        section_value(profile.endpoint)
    }

    fn check_section(&self, profile: ProfileHead<'_>, section: Option<Value>) -> Result<LaunchSettings, ProfileError> {
        let Section { url } = typed_section(profile, section)?;
        let address = EngineAddress::parse(&url)
            .ok_or_else(|| profile.invalid("endpoint.url", url, "http://HOST[:PORT][/PATH], without user, query and fragment"))?;
        LaunchSettings::of(self, profile, &address).map(LaunchSettings::elsewhere)
    }

    fn needs_image(&self, _settings: &LaunchSettings) -> bool {
        false
    }

    fn nodes_of_row(&self, _settings: &LaunchSettings, _row: &Row) -> Result<Option<NodesByRole>, String> {
        Ok(None)
    }
}

impl LauncherKind for Endpoint {
    fn launcher(&self, settings: &LaunchSettings) -> Result<Box<dyn Launcher>, SettingsError> {
        Ok(Box::new(RunningServer(settings.read()?)))
    }
}

/// A server that is already running.
struct RunningServer(EngineAddress);

impl Launcher for RunningServer {
    fn holds(&self, _spec: &JobSpec) -> Vec<Holding> {
        Vec::new()
    }

    fn plan(&self, _input: &LaunchInput<'_>) -> Result<LaunchPlan, LaunchError> {
        Ok(LaunchPlan {
            settings: vec![("url".to_owned(), self.0.url())],
            ..LaunchPlan::default()
        })
    }

    fn launch<'a>(&'a self, _request: &'a LaunchRequest<'a>) -> LocalBoxFuture<'a, Result<Box<dyn Engine>, LaunchError>> {
        let engine: Box<dyn Engine> = Box::new(ForeignEngine(self.0.clone()));
        Box::pin(std::future::ready(Ok(engine)))
    }
}

/// An engine that the job does not own.
struct ForeignEngine(EngineAddress);

impl Engine for ForeignEngine {
    /// Never resolves: if the engine ends, requests to it fail.
    fn ended(&self) -> BoxFuture<'_, Result<Ending, LaunchError>> {
        Box::pin(std::future::pending())
    }

    fn stop<'a>(&'a mut self, _grace: Duration, _limit: Duration, _hurry: &'a Cancellation) -> BoxFuture<'a, StopReport> {
        Box::pin(std::future::ready(StopReport::default()))
    }

    fn host(&self) -> String {
        self.0.host.clone()
    }

    fn address(&self, _port: u16) -> EngineAddress {
        self.0.clone()
    }

    fn facts(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_that_of_the_url() {
        for (url, expected) in [
            ("http://127.0.0.1:8000", Some(("127.0.0.1", 8000, ""))),
            ("http://engine", Some(("engine", 80, ""))),
            ("http://[::1]:8000/proxy/v1/", Some(("::1", 8000, "/proxy"))),
            ("https://engine", None),
            ("http://user@engine", None),
            ("http://engine/?key=1", None),
            ("engine:8000", None),
        ] {
            let address = EngineAddress::parse(url);
            let found = address
                .as_ref()
                .map(|address| (address.host.as_str(), address.port, address.base_path.as_str()));
            assert_eq!(found, expected, "{url}");
        }
    }
}
