//! Logins for private images. The daemon does not store any: clients read them from the files that `docker login` and `podman login`
//! write, and send the matching one with each pull. So does imax.

mod file;
mod registry;

use std::path::PathBuf;
use std::time::Duration;

use bollard::auth::DockerCredentials;

use crate::model::Secret;
use crate::system::cancellation::Cancellation;
use crate::system::environment;
use crate::system::tool::answer_with_input;
use file::{LoginFile, Source, parse, parse_helper};
use registry::Repository;

/// Timeout of a credential helper: some call a cloud service.
const HELPER_LIMIT: Duration = Duration::from_secs(20);
/// Output of a helper without a login (<https://github.com/docker/docker-credential-helpers>).
const HELPER_NOT_FOUND: &str = "credentials not found in native keychain";

/// A user's login at a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Login {
    user: String,
    credential: Credential,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Credential {
    Password(Secret),
    /// A token that the daemon exchanges for one that permits the pull.
    IdentityToken(Secret),
}

/// Result of the search for an image's login.
pub(super) struct Search {
    repository: Repository,
    found: Option<(Login, PathBuf)>,
    /// All files that may have a login, also those that do not exist.
    searched: Vec<PathBuf>,
    /// Files and helpers that could not be used.
    pub(super) problems: Vec<String>,
}

impl Search {
    /// The login, as the daemon's API takes it.
    pub(super) fn credentials(&self) -> Option<DockerCredentials> {
        let (Login { user, credential }, _) = self.found.as_ref()?;
        let (password, token) = match credential {
            Credential::Password(secret) => (Some(secret), None),
            Credential::IdentityToken(secret) => (None, Some(secret)),
        };
        Some(DockerCredentials {
            username: Some(user.clone()),
            password: password.map(|secret| secret.expose().to_owned()),
            identitytoken: token.map(|secret| secret.expose().to_owned()),
            serveraddress: Some(self.repository.server().to_owned()),
            ..DockerCredentials::default()
        })
    }

    /// The origin of the login, as the end of a log line; empty without a login.
    pub(super) fn note(&self) -> String {
        let found = self.found.as_ref();
        found
            .map(|(_, path)| format!(", with the login in {}", path.display()))
            .unwrap_or_default()
    }

    /// The remedy if the registry refuses.
    pub(super) fn remedy(&self) -> String {
        let host = self.repository.host();
        if let Some((_, path)) = &self.found {
            return format!(
                "the login for {host} in {} was used; check that it has access to this image",
                path.display()
            );
        }
        let places: Vec<String> = self.searched.iter().map(|path| path.display().to_string()).collect();
        format!(
            "no login for {host} in {}; run `docker login {host}` as the user of this runner",
            places.join(", ")
        )
    }
}

/// Searches for an image's login in the files of `docker login` and `podman login`; the first file that has one wins.
pub(super) async fn search(image: &str, cancellation: &Cancellation) -> Search {
    let mut search = Search {
        repository: Repository::of(image),
        found: None,
        searched: files(&environment::path),
        problems: Vec::new(),
    };
    for path in &search.searched {
        let login = match read(path) {
            Ok(file) => login_of(&file, &search.repository, cancellation).await,
            Err(problem) => Err(problem),
        };
        match login {
            Ok(Some(login)) => {
                search.found = Some((login, path.clone()));
                break;
            }
            Ok(None) => {}
            Err(problem) => search.problems.push(format!("{}: {problem}", path.display())),
        }
    }
    search
}

/// The files of Docker (<https://docs.docker.com/reference/cli/docker/login/>), then those of Podman
/// (<https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md>).
fn files(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let home = variable("HOME");
    let docker = variable("DOCKER_CONFIG").or_else(|| Some(home.as_ref()?.join(".docker")));
    let places = [
        docker.map(|folder| folder.join("config.json")),
        variable("REGISTRY_AUTH_FILE"),
        variable("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")),
        home.map(|home| home.join(".config/containers/auth.json")),
    ];
    places.into_iter().flatten().collect()
}

/// A missing file has no logins.
fn read(path: &std::path::Path) -> Result<LoginFile, String> {
    match std::fs::read(path) {
        Ok(bytes) => parse(&bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(LoginFile::default()),
        Err(error) => Err(error.to_string()),
    }
}

async fn login_of(file: &LoginFile, repository: &Repository, cancellation: &Cancellation) -> Result<Option<Login>, String> {
    match file.source(repository)? {
        None => Ok(None),
        Some(Source::Login(login)) => Ok(Some(login)),
        Some(Source::Helper(name)) => {
            run_helper(
                format!("docker-credential-{name}"),
                repository.server().to_owned(),
                cancellation.clone(),
            )
            .await
        }
    }
}

/// Runs a credential helper: the server's name goes to its stdin, the login comes as JSON.
async fn run_helper(program: String, server: String, cancellation: Cancellation) -> Result<Option<Login>, String> {
    let asked = tokio::task::spawn_blocking(move || {
        match answer_with_input(&program, &["get"], &server, HELPER_LIMIT, &cancellation).map_err(|error| error.to_string()) {
            Ok(answer) => parse_helper(&answer).map(Some).map_err(|problem| format!("{program}: {problem}")),
            Err(problem) if problem.contains(HELPER_NOT_FOUND) => Ok(None),
            Err(problem) => Err(problem),
        }
    });
    asked.await.map_err(|error| error.to_string())?
}

/// Reads bytes as a file of logins and as the answer of a helper, for fuzzing.
pub(crate) fn read_registry_login(bytes: &[u8]) {
    drop(file::parse(bytes));
    drop(file::parse_helper(&String::from_utf8_lossy(bytes)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_those_of_docker_and_podman() {
        let of = |set: &[(&str, &str)]| {
            let variable = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value));
            let paths = files(&variable);
            paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(
            of(&[("HOME", "/home/ci"), ("XDG_RUNTIME_DIR", "/run/user/7")]),
            [
                "/home/ci/.docker/config.json",
                "/run/user/7/containers/auth.json",
                "/home/ci/.config/containers/auth.json"
            ]
        );
        assert_eq!(
            of(&[("DOCKER_CONFIG", "/etc/ci"), ("REGISTRY_AUTH_FILE", "/etc/auth.json")]),
            ["/etc/ci/config.json", "/etc/auth.json"]
        );
    }
}
