//! The claims of a token of GitHub Actions.

use chrono::{DateTime, Utc};
use serde::Deserialize;

/// How far clocks may differ, s.
const LEEWAY_S: i64 = 60;

/// For whom a token is made out: one, or several (RFC 7519, section 4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(in crate::serve) enum Audience {
    One(String),
    Several(Vec<String>),
}

/// What a token says. Times are seconds since 1970; as texts they are refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(in crate::serve) struct Claims {
    iss: String,
    aud: Audience,
    exp: i64,
    nbf: i64,
    iat: i64,
    /// `owner/name`.
    pub repository: String,
    /// The number of the repository, which a name that is given to another repository does not take with it.
    #[serde(default)]
    pub repository_id: Option<String>,
    /// Such as `refs/heads/main`.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The workflow that was started: `owner/name/.github/workflows/file.yml@ref`.
    pub workflow_ref: String,
    /// The workflow that has the job, which may be a reusable one of another repository.
    #[serde(default)]
    pub job_workflow_ref: Option<String>,
    /// Such as `push`.
    pub event_name: String,
    #[serde(default)]
    pub environment: Option<String>,
}

impl Claims {
    /// Checks who signed the token for whom and when.
    ///
    /// # Errors
    /// What is wrong.
    pub(super) fn check(&self, issuer: &str, audience: &str, now: DateTime<Utc>) -> Result<(), &'static str> {
        let now = now.timestamp();
        if self.iss != issuer {
            return Err("its issuer `iss` is another one");
        }
        let is_for_us = match &self.aud {
            Audience::One(one) => one == audience,
            Audience::Several(several) => several.iter().any(|one| one == audience),
        };
        if !is_for_us {
            return Err("its audience `aud` is another server");
        }
        if self.exp.saturating_add(LEEWAY_S) <= now {
            return Err("it has expired");
        }
        if self.nbf.saturating_sub(LEEWAY_S) > now || self.iat.saturating_sub(LEEWAY_S) > now {
            return Err("it is not valid yet");
        }
        Ok(())
    }

    /// The branch or tag, without the folders of its name.
    pub(super) fn branch(&self) -> &str {
        let reference = self.reference.as_str();
        let stripped = reference
            .strip_prefix("refs/heads/")
            .or_else(|| reference.strip_prefix("refs/tags/"));
        stripped.unwrap_or(reference)
    }

    /// What runs, for messages. The texts are the issuer's.
    pub(super) fn describe(&self) -> String {
        let Self {
            repository,
            reference,
            workflow_ref,
            event_name,
            environment,
            ..
        } = self;
        let environment = environment
            .as_ref()
            .map_or_else(String::new, |name| format!(", environment {name:?}"));
        format!("the repository {repository:?} at {reference:?} by {workflow_ref:?} (event {event_name:?}{environment})")
    }
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use serde_json::{Value, json};

    use super::*;

    pub(in crate::serve::oidc) fn claims(changes: &Value) -> Result<Claims, serde_json::Error> {
        let mut claims = json!({
            "iss": "https://issuer", "aud": "https://us", "exp": 1300, "nbf": 1000, "iat": 1000, "repository": "octo/bench", "repository_id": "7",
            "ref": "refs/heads/main", "workflow_ref": "octo/bench/.github/workflows/nightly.yml@refs/heads/main", "event_name": "schedule"
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        serde_json::from_value(claims)
    }

    #[test]
    fn every_claim_is_checked() {
        for (changes, refused) in [
            (json!({}), None),
            (json!({ "aud": ["https://other", "https://us"] }), None),
            (json!({ "exp": 1141 }), None),
            (json!({ "exp": 1140 }), Some("expired")),
            (json!({ "exp": i64::MIN }), Some("expired")),
            (json!({ "nbf": 1260, "iat": 1260 }), None),
            (json!({ "nbf": 1261 }), Some("not valid yet")),
            (json!({ "iat": 1261 }), Some("not valid yet")),
            (json!({ "iss": "https://issuer/" }), Some("issuer")),
            (json!({ "aud": "https://us/" }), Some("audience")),
            (json!({ "aud": [] }), Some("audience")),
        ] {
            let checked = claims(&changes)
                .unwrap()
                .check("https://issuer", "https://us", DateTime::from_timestamp(1200, 0).unwrap());
            match refused {
                None => assert_eq!(checked, Ok(()), "{changes}"),
                Some(words) => assert!(checked.unwrap_err().contains(words), "{changes}"),
            }
        }
    }

    #[test]
    fn claims_of_another_type_are_refused() {
        for changes in [
            json!({ "exp": "9999999999" }),
            json!({ "nbf": null }),
            json!({ "iat": 1.5 }),
            json!({ "aud": 1 }),
            json!({ "ref": ["refs/heads/main"] }),
            json!({ "repository": null }),
        ] {
            assert!(claims(&changes).is_err(), "{changes}");
        }
    }
}
