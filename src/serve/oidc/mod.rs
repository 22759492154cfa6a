//! Workflows of GitHub that write without a secret: a job has a token that GitHub signs, which says what runs (OpenID Connect). Its signature,
//! every claim and the rules of the configuration decide, see GitHub's reference "OpenID Connect". Nothing of a token is believed before
//! its signature is checked, and no other algorithm than RS256 is known here, so that `alg: none` and a MAC with the public key are
//! nothing but invalid.

mod claims;
mod jws;
mod keys;
mod rules;

use chrono::Utc;
use url::Url;

pub(super) use claims::Claims;
use keys::Keys;
pub(crate) use rules::OidcRule;

use crate::model::Digest;
use crate::store::database::NewIdentity;

/// Who signs the tokens of github.com.
pub(crate) const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";

/// Whom to believe, and what follows.
#[derive(Debug, Clone)]
pub(crate) struct OidcSettings {
    /// [`GITHUB_ISSUER`], or `https://HOST/_services/token` of a GitHub Enterprise Server.
    pub issuer: String,
    /// For whom tokens must be made out: the address of this server.
    pub audience: String,
    pub rules: Vec<OidcRule>,
}

/// Why a workflow is not let in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OidcRefusal {
    /// The token is not one of the issuer for this server at this time.
    #[error("the OpenID Connect token is refused: {0}")]
    Token(&'static str),
    /// The token is right, and no rule is about it.
    #[error("{0}")]
    Rule(String),
    #[error("the keys of the issuer of OpenID Connect tokens cannot be fetched; try again later")]
    Keys,
}

/// Invalid settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OidcError {
    #[error("invalid issuer {0:?} of OpenID Connect tokens; expected an https URL such as {GITHUB_ISSUER}")]
    Issuer(String),
    #[error("OpenID Connect needs `audience`, the address of this server, such as https://results.example.org")]
    Audience,
    #[error("OpenID Connect has no rules: no workflow may write; add [[oidc.rules]] with a repository")]
    NoRules,
}

/// Checks tokens.
#[derive(Debug)]
pub(super) struct Oidc {
    settings: OidcSettings,
    keys: Keys,
}

/// A workflow that is let in.
#[derive(Debug, Clone)]
pub(super) struct Workflow {
    pub identity: NewIdentity,
    /// `owner/name`.
    pub repository: String,
}

impl Oidc {
    /// # Errors
    /// [`OidcError`].
    pub(super) fn new(settings: OidcSettings) -> Result<Self, OidcError> {
        let url = Url::parse(&settings.issuer).ok();
        let is_fit = url.is_some_and(|url| keys::is_trusted(&url) && url.query().is_none() && url.fragment().is_none());
        if !is_fit {
            return Err(OidcError::Issuer(settings.issuer));
        }
        if settings.audience.trim().is_empty() {
            return Err(OidcError::Audience);
        }
        if settings.rules.is_empty() {
            return Err(OidcError::NoRules);
        }
        let keys = Keys::new(&settings.issuer);
        Ok(Self { settings, keys })
    }

    /// Whether a text is meant as a signed token: three parts of base64, the first one a JSON object.
    pub(super) fn is_meant_by(text: &str) -> bool {
        text.starts_with("eyJ") && text.matches('.').count() == 2
    }

    /// The workflow of a token.
    ///
    /// # Errors
    /// [`OidcRefusal`].
    pub(super) async fn workflow(&self, text: &str) -> Result<Workflow, OidcRefusal> {
        let signed = jws::parse(text).map_err(OidcRefusal::Token)?;
        let key = self.keys.key(&signed.key_id).await?;
        let key = key.ok_or(OidcRefusal::Token("it is signed with an unknown key"))?;
        if !key.has_signed(signed.signed, &signed.signature) {
            return Err(OidcRefusal::Token("its signature is wrong"));
        }
        let claims: Claims =
            serde_json::from_slice(&signed.payload).map_err(|_| OidcRefusal::Token("a claim is missing or has another type"))?;
        let OidcSettings { issuer, audience, rules } = &self.settings;
        claims.check(issuer, audience, Utc::now()).map_err(OidcRefusal::Token)?;
        let rule = rules.iter().find(|rule| rule.is_about(&claims));
        let rule = rule.ok_or_else(|| OidcRefusal::Rule(format!("no rule lets {} write", claims.describe())))?;
        Ok(Workflow {
            identity: NewIdentity {
                hash: Digest::of(format!("OpenID Connect\n{issuer}\n{}", claims.repository).as_bytes()),
                issuer: issuer.clone(),
                name: claims.repository.clone(),
                scopes: rule.scopes.clone(),
                project: Some(rule.project.clone()),
                branch: rule.branch_of(&claims),
            },
            repository: claims.repository,
        })
    }
}
