//! The file written by `docker login` and `podman login`, and the answer of a credential helper.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::registry::{Repository, name_of_key};
use super::{Credential, Login};
use crate::model::Secret;

/// The base64 variant of login files, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// The user name by which a helper marks its secret as an identity token.
const TOKEN_USER: &str = "<token>";

/// The part of the file that concerns logins. No `Debug`, which would show them.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct LoginFile {
    auths: BTreeMap<String, Entry>,
    #[serde(rename = "credsStore")]
    helper: Option<String>,
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    #[serde(rename = "identitytoken")]
    identity_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Source {
    Login(Login),
    /// The program `docker-credential-<name>`.
    Helper(String),
}

/// Parses the file. Errors do not quote its text, which contains secrets.
pub(super) fn parse(bytes: &[u8]) -> Result<LoginFile, String> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("line {line}, column {column}: expected the JSON that `docker login` writes")
    })
}

/// Parses a helper's answer; errors do not quote it either.
pub(super) fn parse_helper(answer: &str) -> Result<Login, String> {
    let answer: HelperAnswer = serde_json::from_str(answer).map_err(|_| "expected JSON with `Username` and `Secret`".to_owned())?;
    let secret = Secret::new(answer.secret);
    Ok(if answer.username == TOKEN_USER {
        Login {
            user: String::new(),
            credential: Credential::IdentityToken(secret),
        }
    } else {
        Login {
            user: answer.username,
            credential: Credential::Password(secret),
        }
    })
}

impl LoginFile {
    /// The source of a repository's login: the registry's own helper, or the default helper, or the file.
    pub(super) fn source(&self, repository: &Repository) -> Result<Option<Source>, String> {
        let helper = find(&self.helpers, repository)
            .or(self.helper.as_ref())
            .filter(|name| !name.is_empty());
        if let Some(name) = helper {
            if name.contains('/') {
                return Err(format!(
                    "credential helper `{name}`: expected the suffix of a program's name, such as `pass`"
                ));
            }
            return Ok(Some(Source::Helper(name.clone())));
        }
        match find(&self.auths, repository) {
            Some(entry) => Ok(entry.login()?.map(Source::Login)),
            None => Ok(None),
        }
    }
}

fn find<'a, T>(map: &'a BTreeMap<String, T>, repository: &Repository) -> Option<&'a T> {
    repository
        .names()
        .find_map(|name| map.iter().find(|(key, _)| name_of_key(key) == name).map(|(_, value)| value))
}

impl Entry {
    /// The login; an entry without one means that a helper has it.
    fn login(&self) -> Result<Option<Login>, String> {
        let pair = match (&self.auth, &self.username, &self.password) {
            (Some(auth), _, _) if !auth.is_empty() => Some(user_and_password(auth)?),
            (_, Some(user), Some(password)) => Some((user.clone(), password.clone())),
            (_, _, _) => None,
        };
        let token = self.identity_token.clone().filter(|token| !token.is_empty());
        Ok(match (pair, token) {
            (pair, Some(token)) => Some(Login {
                user: pair.map(|(user, _)| user).unwrap_or_default(),
                credential: Credential::IdentityToken(Secret::new(token)),
            }),
            (Some((user, password)), None) => Some(Login {
                user,
                credential: Credential::Password(Secret::new(password)),
            }),
            (None, None) => None,
        })
    }
}

/// `auth` is the base64 of `user:password`; Docker strips NUL bytes from the end of the password.
fn user_and_password(auth: &str) -> Result<(String, String), String> {
    let text = BASE64.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = text.as_deref().and_then(|text| text.split_once(':'));
    let (user, password) = pair.ok_or("an `auth` in it is not the base64 of `user:password`; log in again")?;
    Ok((user.to_owned(), password.trim_end_matches('\0').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(user: &str, text: &str) -> Login {
        Login {
            user: user.to_owned(),
            credential: Credential::Password(Secret::new(text.to_owned())),
        }
    }

    fn token(user: &str, text: &str) -> Login {
        Login {
            user: user.to_owned(),
            credential: Credential::IdentityToken(Secret::new(text.to_owned())),
        }
    }

    #[test]
    fn most_specific_login_and_helper_win() {
        let file = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "Y2k6aHVi"},
            "quay.io": {"auth": "Y2k6YWxs"}, "quay.io/org": {"auth": "Y2k6YTpiAA=="},
            "plain.example": {"username": "u", "password": "p"},
            "token.example": {"auth": "Y2k6", "identitytoken": "t"}, "kept.example": {}
        }, "credHelpers": {"123.ecr.example": "ecr-login"}, "psFormat": "x"}"#;
        let file = parse(file.as_bytes()).unwrap();
        for (image, expected) in [
            ("engine:1", Some(Source::Login(password("ci", "hub")))),
            ("quay.io/other/engine", Some(Source::Login(password("ci", "all")))),
            ("quay.io/org/engine", Some(Source::Login(password("ci", "a:b")))),
            ("plain.example/e", Some(Source::Login(password("u", "p")))),
            ("token.example/e", Some(Source::Login(token("ci", "t")))),
            ("123.ecr.example/e", Some(Source::Helper("ecr-login".to_owned()))),
            ("kept.example/e", None),
            ("unknown.example/e", None),
        ] {
            assert_eq!(file.source(&Repository::of(image)).unwrap(), expected, "{image}");
        }
        let all = parse(br#"{"auths": {"quay.io": {}}, "credsStore": "pass"}"#).unwrap();
        assert_eq!(
            all.source(&Repository::of("quay.io/e")).unwrap(),
            Some(Source::Helper("pass".to_owned()))
        );
    }

    #[test]
    fn errors_contain_no_secrets() {
        let broken = |text: &str| {
            let file = parse(text.as_bytes())?;
            file.source(&Repository::of("quay.io/e")).map(drop)
        };
        for (text, problem) in [
            (r#"{"auths": {"quay.io": {"auth": hunter2}}}"#, "line 1, column"),
            (r#"{"auths": {"quay.io": {"auth": "hunter2!"}}}"#, "log in again"),
            (r#"{"auths": {"quay.io": {"auth": "aHVudGVyMg=="}}}"#, "log in again"),
            (r#"{"credsStore": "../x"}"#, "such as `pass`"),
        ] {
            let error = broken(text).unwrap_err();
            assert!(error.contains(problem) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn helper_answers_are_parsed() {
        let answer = r#"{"ServerURL": "quay.io", "Username": "ci", "Secret": "s"}"#;
        assert_eq!(parse_helper(answer), Ok(password("ci", "s")));
        let answer = r#"{"ServerURL": "quay.io", "Username": "<token>", "Secret": "s"}"#;
        assert_eq!(parse_helper(answer), Ok(token("", "s")));
        assert!(!parse_helper("hunter2").unwrap_err().contains("hunter2"));
    }
}
