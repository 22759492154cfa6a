//! The input `publish` with the address of a results API, in a workflow that `act` runs: to a real `imax serve` behind TLS, with a token of
//! that server, and with one that the runner gives the job (OpenID Connect).

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::act;
use crate::client::sqlite;
use crate::fixture::{Fixture, row};
use crate::harness::{Finish as _, HttpResponse, HttpServer, Running, imax, project};
use crate::issuer::Issuer;
use crate::release::{Release, SLUG, released_program};
use crate::text;

const REPOSITORY: &str = "octo/bench";
const REQUEST_TOKEN: &str = "what the runner wants for a token";

/// A results API behind TLS whose certificate is for `localhost`, with a rule for the repository's workflows.
struct Api {
    running: Running,
    url: String,
    history: String,
}

impl Api {
    fn start(fixture: &Fixture, issuer: &Issuer) -> Self {
        // The audience of tokens is the server's address, which the settings name before it listens.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("https://localhost:{port}");
        let history = sqlite(fixture);
        let tls = project().join("tests/measuring/tls");
        let key = STANDARD.encode(fs::read(tls.join("server-key.der")).unwrap());
        fixture.write(
            "key.pem",
            &format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n"),
        );
        fixture.write(
            "serve.toml",
            &format!(
                "history = {history:?}\nlisten = \"127.0.0.1:{port}\"\nwrites = true\ntls-cert = {:?}\ntls-key = {:?}\n\n[oidc]\nissuer = {:?}\n\
                 audience = \"{url}\"\n\n[[oidc.rules]]\nrepository = \"{REPOSITORY}\"\nproject = \"bench\"\n",
                tls.join("server.pem"),
                fixture.path("key.pem"),
                issuer.server.url
            ),
        );
        let mut running = Running::start(imax().args(["serve", "--config"]).arg(fixture.path("serve.toml")));
        running.await_line("listening on https://");
        Self { running, url, history }
    }

    /// The runs of the repository, once the server has ended.
    fn published(self, fixture: &Fixture) -> Vec<Value> {
        self.running.signal(nix::sys::signal::Signal::SIGTERM);
        assert_eq!(self.running.finish().code, Some(0));
        let shown = fixture.imax(&["history", "list", "--history", &self.history, "--json"], &[]);
        assert_eq!(shown.code, 0, "{}", shown.stderr);
        let runs: Value = serde_json::from_str(&shown.stdout).unwrap();
        let is_of_repository = |run: &&Value| run.to_string().contains(REPOSITORY);
        runs.as_array().unwrap().iter().filter(is_of_repository).cloned().collect()
    }
}

/// A runner's endpoint for tokens: it signs for the audience that is asked for.
fn token_endpoint(issuer: &Issuer) -> HttpServer {
    let claims = issuer.claims(&json!({}));
    HttpServer::start(move |_, request| {
        if request.header("authorization") != Some(&format!("Bearer {REQUEST_TOKEN}")) {
            return Some(HttpResponse::new(401));
        }
        let mut claims = claims.clone();
        claims["aud"] = json!(request.query("audience").unwrap());
        Some(HttpResponse::json(json!({ "value": Issuer::sign(&claims) })))
    })
}

/// A repository with one measured point, whose workflow reports it and publishes it to the address.
fn repository(folder: &Path, release: &Release, url: &str) {
    let made = imax().args(["demo", "--repository-only", "--dir"]).arg(folder).finish();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let fixture = Fixture::new();
    fixture.measured("made", &row(4), 4000.0);
    let stored = folder.join("stored/bmk_a");
    fs::create_dir_all(&stored).unwrap();
    fs::write(stored.join("agg_raw.json"), fixture.read("made/agg_raw.json")).unwrap();
    let plan = json!({ "single_node": { "1k1k": [row(4)] }, "multi_node": {}, "evals": [] });
    fs::create_dir(folder.join("stored/imax-plan")).unwrap();
    fs::write(folder.join("stored/imax-plan/plan.json"), plan.to_string()).unwrap();
    let workflows = folder.join(".github/workflows");
    fs::remove_dir_all(&workflows).unwrap();
    fs::create_dir(&workflows).unwrap();
    let workflow = format!(
        "name: publish\non: push\npermissions: {{}}\njobs:\n  report:\n    runs-on: ubuntu-latest\n    permissions: {{ id-token: write }}\n    \
         steps:\n      - uses: actions/checkout@{}\n      - run: cp -r stored imax-artifacts\n      - uses: {SLUG}@{}\n        env:\n          \
         IMAX_TOKEN: ${{{{ secrets.RESULTS_TOKEN }}}}\n        with:\n          command: report\n          baseline: none\n          \
         publish: {url}\n",
        act::pinned("actions/checkout"),
        release.last_commit()
    );
    fs::write(workflows.join("publish.yml"), workflow).unwrap();
}

fn pushed(release: &Release, user: &Path, artifacts: &Path, more: &[String]) -> String {
    let event = json!({
        "ref": "refs/heads/main", "before": "0".repeat(40), "after": "a".repeat(40), "head_commit": { "id": "a".repeat(40), "message": "m" },
        "repository": { "full_name": REPOSITORY, "default_branch": "main" },
    });
    let authority = project().join("tests/measuring/tls/ca.pem");
    let mut arguments = vec![
        format!("--env=GITHUB_REPOSITORY={REPOSITORY}"),
        format!("--env=SSL_CERT_FILE={}", authority.display()),
    ];
    arguments.extend_from_slice(more);
    act::run(release, user, ("push", &event), artifacts, &arguments)
}

#[test]
#[ignore = "needs git, act and node; IMAX_ACT_ACTIONS names the folder that tests/act/build.sh made"]
fn run_is_sent_to_a_results_api_with_a_token_of_the_runner_or_of_the_server() {
    let (fixture, folder) = (Fixture::new(), tempfile::tempdir().unwrap());
    let issuer = Issuer::start();
    let api = Api::start(&fixture, &issuer);
    let release = Release::make(&released_program());
    let (user, artifacts) = (folder.path().join("user"), folder.path().join("artifacts"));
    repository(&user, &release, &api.url);

    let endpoint = token_endpoint(&issuer);
    let by_runner = [
        format!("--env=ACTIONS_ID_TOKEN_REQUEST_URL={}/token?api-version=1", endpoint.url),
        format!("--env=ACTIONS_ID_TOKEN_REQUEST_TOKEN={REQUEST_TOKEN}"),
        "--env=GITHUB_RUN_ID=101".to_owned(),
    ];
    let log = pushed(&release, &user, &artifacts, &by_runner);
    assert!(!log.contains(REQUEST_TOKEN), "{log}");

    let created = fixture.imax(
        &["token", "create", "--history", &api.history, "--name", "ci", "--scope", "ingest"],
        &[],
    );
    assert_eq!(created.code, 0, "{}", created.stderr);
    let token = created.stdout.trim();
    let by_server = [format!("--secret=RESULTS_TOKEN={token}"), "--env=GITHUB_RUN_ID=102".to_owned()];
    let log = pushed(&release, &user, &artifacts, &by_server);
    assert!(!log.contains(token), "{log}");

    let mut ids: Vec<String> = api.published(&fixture).iter().map(|run| run["run_id"].to_string()).collect();
    ids.sort();
    assert_eq!(ids, ["\"101\"", "\"102\""]);
}
