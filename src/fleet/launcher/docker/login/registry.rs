//! Registry and repository of an image, and the names under which login files store credentials.

/// The registry of a name without one.
const HUB: &str = "docker.io";
/// The name under which Docker stores the login of Docker Hub.
const HUB_SERVER: &str = "https://index.docker.io/v1/";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    host: String,
    path: String,
}

impl Repository {
    /// The repository of an image, without tag and digest. The first part of its name is a registry if it looks like a host
    /// (<https://github.com/distribution/reference/blob/main/normalize.go>).
    pub(super) fn of(image: &str) -> Self {
        let name = image.split('@').next().unwrap_or(image);
        let (host, path) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (canonical(first), rest),
            Some(_) | None => (HUB, name),
        };
        let (folder, last) = path.rsplit_once('/').unwrap_or(("", path));
        let last = last.split(':').next().unwrap_or(last);
        let path = if folder.is_empty() {
            last.to_owned()
        } else {
            format!("{folder}/{last}")
        };
        Self {
            host: host.to_owned(),
            path,
        }
    }

    /// The registry, for messages.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The registry's name for credential helpers.
    pub(super) fn server(&self) -> &str {
        if self.host == HUB { HUB_SERVER } else { &self.host }
    }

    /// The matching names, the most specific first: Podman stores logins for parts of a registry too.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let mut name = format!("{}/{}", self.host, self.path);
        let mut names = vec![name.clone()];
        while let Some((shorter, _)) = name.rsplit_once('/') {
            name = shorter.to_owned();
            names.push(name.clone());
        }
        names.into_iter()
    }
}

/// Converts a key of a login file to a name as in [`Repository::names`]: Docker's keys may be URLs, of which only the host counts.
pub(super) fn name_of_key(key: &str) -> String {
    let key = match key.split_once("://") {
        Some((_, address)) => address.split('/').next().unwrap_or(address),
        None => key.trim_end_matches('/').trim_end_matches("/v1").trim_end_matches("/v2"),
    };
    match key.split_once('/') {
        Some((host, path)) => format!("{}/{path}", canonical(host)),
        None => canonical(key).to_owned(),
    }
}

fn canonical(host: &str) -> &str {
    match host {
        "index.docker.io" | "registry-1.docker.io" => HUB,
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_split_into_registry_and_repository() {
        for (image, host, path) in [
            ("engine", "docker.io", "engine"),
            ("vllm/vllm-openai:v1", "docker.io", "vllm/vllm-openai"),
            ("index.docker.io/org/engine@sha256:00", "docker.io", "org/engine"),
            ("nvcr.io/nvidia/ai/engine:1@sha256:00", "nvcr.io", "nvidia/ai/engine"),
            ("localhost/engine", "localhost", "engine"),
            ("127.0.0.1:5000/engine:1", "127.0.0.1:5000", "engine"),
        ] {
            let repository = Repository::of(image);
            assert_eq!((repository.host(), repository.path.as_str()), (host, path), "{image}");
        }
        assert_eq!(Repository::of("engine").server(), "https://index.docker.io/v1/");
        let names: Vec<String> = Repository::of("quay.io/org/engine:1").names().collect();
        assert_eq!(names, ["quay.io/org/engine", "quay.io/org", "quay.io"]);
    }

    #[test]
    fn keys_of_login_files_are_converted() {
        for (key, name) in [
            ("https://index.docker.io/v1/", "docker.io"),
            ("https://registry.example:5000/v2/", "registry.example:5000"),
            ("registry.example:5000", "registry.example:5000"),
            ("registry.example/v1/", "registry.example"),
            ("quay.io/org", "quay.io/org"),
            ("index.docker.io/org", "docker.io/org"),
        ] {
            assert_eq!(name_of_key(key), name, "{key}");
        }
    }
}
