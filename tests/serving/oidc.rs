//! Workflows that write without a secret: a small issuer signs tokens as GitHub does, and everything that is no token of a workflow with a rule
//! is refused.

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::client::{Answer, Served, sqlite};
use crate::fixture::Fixture;
use crate::harness::{HttpResponse, HttpServer, imax};
use crate::issuer::{AUDIENCE, Issuer, modulus_and_exponent, part, signed};
use crate::writes::run_of;

impl Issuer {
    /// A server that has a rule for the workflow.
    fn serve(&self, fixture: &Fixture, history: &str) -> Served {
        let config = format!(
            "history = {history:?}\nlisten = \"127.0.0.1:0\"\nwrites = true\nrate-limit = 0\ntoken-rate-limit = 0\n\n[oidc]\n\
             issuer = {:?}\naudience = \"{AUDIENCE}\"\n\n[[oidc.rules]]\nrepository = \"octo/bench\"\nref = \"refs/heads/main\"\n\
             workflow = \"octo/bench/.github/workflows/*@refs/heads/main\"\nproject = \"bench\"\n",
            self.server.url
        );
        fixture.write("serve.toml", &config);
        let path = fixture.path("serve.toml");
        Served::of(imax().args(["serve", "--config", path.to_str().unwrap()]))
    }
}

fn post(served: &Served, token: &str, key: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", key)];
    served.send("POST", "/api/v1/ingest", &headers, body.to_string().as_bytes())
}

fn run_of_repository(date: &str, branch: &str, repository: &str) -> Value {
    let mut run = run_of(date, branch);
    run["run_id"] = json!(date);
    run["context"] = json!({ "provider": "github", "repository": repository, "attempt": 1 });
    run
}

#[test]
fn workflow_of_a_rule_writes_its_runs_and_no_others() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    let issuer = Issuer::start();
    let served = issuer.serve(&fixture, &history);
    let token = issuer.token(&json!({}));
    let run = run_of_repository("2026-12-01T05:00:00Z", "main", "octo/bench");
    let answer = post(&served, &token, "1", &run);
    assert_eq!(
        (answer.status, answer.json()["runs"]["new"].clone()),
        (200, json!(1)),
        "{}",
        answer.text()
    );
    assert_eq!(post(&served, &token, "1", &run).json(), answer.json());
    let stored = served.json("/api/v1/runs?project=bench");
    assert_eq!(stored["data"][0]["repository"], "octo/bench");
    let mut elsewhere = run_of_repository("2026-12-02T05:00:00Z", "main", "octo/bench");
    elsewhere["context"]["project"] = json!("default");
    for (run, words) in [
        (elsewhere, "project"),
        (run_of_repository("2026-12-03T05:00:00Z", "release", "octo/bench"), "branch"),
        (run_of_repository("2026-12-04T05:00:00Z", "main", "octo/other"), "repository"),
    ] {
        let answer = post(&served, &token, "2", &run);
        assert_eq!(answer.status, 403, "{}", answer.text());
        assert!(answer.text().contains(words), "{}", answer.text());
    }
    let listed = fixture.imax(&["token", "list", "--history", &history, "--json"], &[]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(
        (&listed[0]["name"], &listed[0]["issuer"]),
        (&json!("octo/bench"), &json!(issuer.server.url))
    );
    let revoked = fixture.imax(&["token", "revoke", "1", "--history", &history], &[]);
    assert_eq!(revoked.code, 0, "{}", revoked.stderr);
    assert_eq!(post(&served, &token, "3", &run).status, 401);
    assert_eq!(served.json("/api/v1/runs?project=bench")["data"].as_array().unwrap().len(), 1);
}

#[test]
fn token_of_another_workflow_server_or_time_is_refused() {
    let fixture = Fixture::new();
    let issuer = Issuer::start();
    let served = issuer.serve(&fixture, &sqlite(&fixture));
    let run = run_of_repository("2026-12-01T05:00:00Z", "main", "octo/bench");
    let now = chrono::Utc::now().timestamp();
    for (case, changes, status) in [
        ("expired", json!({ "exp": now - 61 }), 401),
        ("not valid yet", json!({ "nbf": now + 3600 }), 401),
        ("issued later", json!({ "iat": now + 3600 }), 401),
        ("other audience", json!({ "aud": "https://other.example.org" }), 401),
        ("other issuer", json!({ "iss": "https://token.actions.githubusercontent.com" }), 401),
        ("no expiry", json!({ "exp": null }), 401),
        ("expiry as text", json!({ "exp": (now + 300).to_string() }), 401),
        ("no repository", json!({ "repository": null }), 401),
        ("a fork", json!({ "repository": "evil/bench", "repository_owner": "evil" }), 403),
        (
            "a pull request, as of a fork",
            json!({ "event_name": "pull_request", "ref": "refs/pull/7/merge", "head_ref": "main", "base_ref": "main" }),
            403,
        ),
        (
            "a pull request that runs on main",
            json!({ "event_name": "pull_request_target" }),
            403,
        ),
        ("other branch", json!({ "ref": "refs/heads/feature" }), 403),
        (
            "other workflow",
            json!({ "workflow_ref": "octo/bench/.github/workflows/nightly.yml@refs/heads/feature" }),
            403,
        ),
    ] {
        let answer = post(&served, &issuer.token(&changes), "1", &run);
        assert_eq!(answer.status, status, "{case}: {}", answer.text());
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{case}");
    }
    assert_eq!(post(&served, &issuer.token(&json!({})), "1", &run).status, 200);
}

#[test]
fn token_with_another_algorithm_or_signature_is_refused() {
    let fixture = Fixture::new();
    let issuer = Issuer::start();
    let served = issuer.serve(&fixture, &sqlite(&fixture));
    let run = run_of_repository("2026-12-01T05:00:00Z", "main", "octo/bench");
    let claims = issuer.claims(&json!({}));
    let head = |algorithm: &str| part(&json!({ "alg": algorithm, "typ": "JWT", "kid": "key1" }));
    let unsigned = format!("{}.{}", head("none"), part(&claims));
    // The public key as the secret of a MAC: who takes the algorithm from the token, takes it for a signature.
    let (modulus, _) = modulus_and_exponent(1);
    let text = format!("{}.{}", head("HS256"), part(&claims));
    let mac = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &modulus), text.as_bytes());
    let rs256 = json!({ "alg": "RS256", "typ": "JWT", "kid": "key1" });
    let good = signed(1, &rs256, &claims);
    let (signed_text, signature) = good.rsplit_once('.').unwrap();
    let altered = format!("{}.{}.{signature}", head("RS256"), part(&issuer.claims(&json!({ "jti": "2" }))));
    for (case, token) in [
        ("no algorithm", format!("{unsigned}.")),
        ("no algorithm, with a signature", format!("{unsigned}.{signature}")),
        ("a MAC with the public key", format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac))),
        ("a key of somebody else", signed(2, &rs256, &claims)),
        ("an unknown key", signed(2, &json!({ "alg": "RS256", "kid": "key2" }), &claims)),
        ("no key", signed(1, &json!({ "alg": "RS256" }), &claims)),
        (
            "a key that it brings",
            signed(2, &json!({ "alg": "RS256", "kid": "key2", "jwk": { "kty": "RSA" } }), &claims),
        ),
        (
            "an extension",
            signed(1, &json!({ "alg": "RS256", "kid": "key1", "crit": ["x"] }), &claims),
        ),
        ("altered claims", altered),
        ("no signature", format!("{signed_text}.")),
        ("half a signature", format!("{signed_text}.{}", &signature[..signature.len() / 2])),
    ] {
        let answer = post(&served, &token, "1", &run);
        assert_eq!(answer.status, 401, "{case}: {}", answer.text());
    }
    assert_eq!(post(&served, &good, "1", &run).status, 200);
}

#[test]
fn new_keys_are_fetched_with_a_bound_and_old_ones_forgotten() {
    let fixture = Fixture::new();
    let issuer = Issuer::start();
    let served = issuer.serve(&fixture, &sqlite(&fixture));
    let run = run_of_repository("2026-12-01T05:00:00Z", "main", "octo/bench");
    let start = Instant::now();
    assert_eq!(post(&served, &issuer.token(&json!({})), "1", &run).status, 200);
    assert_eq!(issuer.server.requests(), 2, "the metadata and the keys");
    assert_eq!(post(&served, &issuer.token(&json!({})), "1", &run).status, 200);
    assert_eq!(issuer.server.requests(), 2, "known keys are not fetched again");
    *issuer.published.lock().unwrap() = vec![2];
    let new = signed(2, &json!({ "alg": "RS256", "kid": "key2" }), &issuer.claims(&json!({})));
    assert_eq!(post(&served, &new, "1", &run).status, 200);
    assert_eq!(
        post(&served, &issuer.token(&json!({})), "1", &run).status,
        401,
        "the issuer has it no longer"
    );
    for number in 0..20 {
        let unknown = signed(
            2,
            &json!({ "alg": "RS256", "kid": format!("unknown{number}") }),
            &issuer.claims(&json!({})),
        );
        assert_eq!(post(&served, &unknown, "1", &run).status, 401);
    }
    // Four at once, and one in 30 s.
    let most = 4 + start.elapsed().as_secs() as usize / 30;
    assert!(issuer.server.requests() <= 2 * most, "{}", issuer.server.requests());
    assert_eq!(post(&served, &new, "1", &run).status, 200, "what is known is not hurt");
}

/// What a server says, given its own address.
type Reply = Box<dyn Fn(&str) -> HttpResponse + Send + Sync>;

#[test]
fn issuer_that_lies_or_is_silent_lets_nobody_in() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    let run = run_of_repository("2026-12-01T05:00:00Z", "main", "octo/bench");
    let other = Issuer::start();
    let (lying, elsewhere) = (
        json!({ "issuer": "https://other.example", "jwks_uri": "/keys" }),
        format!("{}/keys", other.server.url),
    );
    let answers: [(&str, Reply); 4] = [
        ("an error", Box::new(|_| HttpResponse::new(500))),
        (
            "no JSON",
            Box::new(|_| HttpResponse::new(200).body("text/html", "<html>".to_owned())),
        ),
        ("another issuer", Box::new(move |_| HttpResponse::json(&lying))),
        (
            "keys of another server",
            Box::new(move |own| HttpResponse::json(json!({ "issuer": own, "jwks_uri": elsewhere }))),
        ),
    ];
    for (case, answer) in answers {
        let server = HttpServer::start(move |_, request| Some(answer(&format!("http://{}", request.header("host").unwrap()))));
        let issuer = Issuer {
            server,
            published: Arc::default(),
        };
        let served = issuer.serve(&fixture, &history);
        let answer = post(&served, &issuer.token(&json!({})), "1", &run);
        assert_eq!(answer.status, 503, "{case}: {}", answer.text());
        assert!(answer.header("retry-after").is_some(), "{case}");
    }
    assert_eq!(other.server.requests(), 0, "keys are fetched from the issuer alone");
}

#[test]
fn publish_takes_the_token_of_the_job() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    let issuer = Issuer::start();
    let served = issuer.serve(&fixture, &history);
    let address = format!("http://{}", served.address);
    let given = issuer.token(&json!({}));
    let runner = HttpServer::start(move |_, request| {
        let is_right = request.header("authorization") == Some("Bearer runner-secret") && request.query("api-version").is_some();
        // The audience of the server's configuration, whatever the job asks for.
        Some(if is_right {
            HttpResponse::json(json!({ "value": given }))
        } else {
            HttpResponse::new(401)
        })
    });
    fixture.measured("run/4", &crate::fixture::row(4), 4000.0);
    let publish = |variables: &[(&str, &str)]| {
        let mut command: Command = imax();
        command.current_dir(fixture.path("")).envs(variables.iter().copied());
        let line = [
            "publish",
            "run",
            "--to",
            &address,
            "--project",
            "bench",
            "--commit",
            "abc",
            "--branch",
            "main",
        ];
        crate::harness::Finish::finish(command.args(line))
    };
    let refused = publish(&[]);
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("id-token: write"));
    let url = format!("{}/token?api-version=2", runner.url);
    let wrong = publish(&[("ACTIONS_ID_TOKEN_REQUEST_URL", &url), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "other")]);
    assert_eq!(wrong.status.code(), Some(4), "{}", String::from_utf8_lossy(&wrong.stderr));
    let stored = publish(&[
        ("ACTIONS_ID_TOKEN_REQUEST_URL", &url),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "runner-secret"),
    ]);
    assert_eq!(stored.status.code(), Some(0), "{}", String::from_utf8_lossy(&stored.stderr));
    assert!(String::from_utf8_lossy(&stored.stdout).contains("runs 1 new"));
    assert_eq!(runner.received()[1].query("audience").as_deref(), Some(address.as_str()));
    let found = served.json("/api/v1/points?commit=abc&fields=conc,tput_per_gpu,project");
    assert_eq!(found["data"], json!([{ "conc": 4, "tput_per_gpu": 1000.0, "project": "bench" }]));
}
