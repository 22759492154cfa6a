//! What is in dist/deploy: the settings are understood, the manifests hold the same ones, and nothing runs as root or writes to its root.

use std::fs;

use serde_json::Value;

use crate::client::{Served, sqlite};
use crate::fixture::Fixture;
use crate::harness::{imax, project};

fn deployed(name: &str) -> String {
    fs::read_to_string(project().join("dist/deploy").join(name)).unwrap()
}

/// The documents of a YAML file.
fn documents(name: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&deployed(name)).unwrap()
}

/// Starts a server with settings, of which history and address are this test's.
fn serves(fixture: &Fixture, history: &str, settings: &str) {
    fixture.write("serve.toml", settings);
    let path = fixture.path("serve.toml");
    let arguments = [
        "serve",
        "--config",
        path.to_str().unwrap(),
        "--history",
        history,
        "--listen",
        "127.0.0.1:0",
    ];
    let served = Served::of(imax().args(arguments));
    assert_eq!(served.get("/readyz").status, 200);
    assert_eq!(served.post_without_token(), 401, "it writes for those with a token");
}

impl Served {
    fn post_without_token(&self) -> u16 {
        self.send("POST", "/api/v1/ingest", &[("Idempotency-Key", "k")], b"{}").status
    }
}

/// The file that an example of the settings names.
const WATCHES: &str = "
receivers:
  chat: { url: https://alerts.example.org/imax, format: slack }
digests:
- { name: week, to: [chat] }
";

/// Settings with all examples taken in: lines that are a comment with a key or a table.
fn with_examples(settings: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in settings.lines() {
        match line.strip_prefix("# ") {
            Some(example) if example.starts_with('[') || example.contains(" = ") && !example.starts_with("tls-") => {
                lines.push(example.to_owned())
            }
            Some(_) => {}
            None => lines.push(line.to_owned()),
        }
    }
    lines.join("\n")
}

#[test]
fn settings_and_their_examples_are_understood() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    fixture.write("watches.yaml", WATCHES);
    fixture.write("imax.yaml", "{}\n");
    let (watches, own) = (fixture.path("watches.yaml"), fixture.path("imax.yaml"));
    let manifests = documents("kubernetes.yaml");
    let map = manifests.iter().find(|manifest| manifest["kind"] == "ConfigMap").unwrap();
    for settings in [deployed("serve.toml"), map["data"]["serve.toml"].as_str().unwrap().to_owned()] {
        assert!(settings.contains("[oidc]"), "{settings}");
        serves(&fixture, &history, &settings);
        let all = with_examples(&settings)
            .replace("/etc/imax/watches.yaml", watches.to_str().unwrap())
            .replace("/etc/imax/imax.yaml", own.to_str().unwrap());
        assert!(all.contains("\n[[oidc.rules]]\nrepository = "), "{all}");
        serves(&fixture, &history, &all);
    }
}

#[test]
fn containers_run_without_root_on_a_root_that_is_read_only() {
    let manifests = documents("kubernetes.yaml");
    let deployment = manifests.iter().find(|manifest| manifest["kind"] == "Deployment").unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        assert!(container[probe]["httpGet"]["path"].is_string(), "{probe}");
    }
    let compose = &documents("compose.yaml")[0];
    let service = &compose["services"]["serve"];
    assert_eq!(
        (&service["read_only"], &service["user"]),
        (&Value::from(true), &Value::from("65532:65532"))
    );
    let image = format!("ghcr.io/org/imax-action:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&service["image"], &container["image"]),
        (&Value::from(image.clone()), &Value::from(image))
    );
    // The least time that the answers in progress have.
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > 30);
}
