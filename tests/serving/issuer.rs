//! An issuer of OpenID Connect tokens that signs as GitHub does, with keys that mean nothing elsewhere.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use serde_json::{Value, json};

use crate::harness::{HttpResponse, HttpServer, project};

pub const AUDIENCE: &str = "https://results.example.org";

/// One of two keys that mean nothing elsewhere.
pub fn key(number: usize) -> RsaKeyPair {
    let path = project().join(format!("tests/serving/oidc_keys/key{number}.der"));
    RsaKeyPair::from_pkcs8(&std::fs::read(path).unwrap()).unwrap()
}

pub fn modulus_and_exponent(number: usize) -> (Vec<u8>, Vec<u8>) {
    let components = RsaPublicKeyComponents::<Vec<u8>>::from(key(number).public());
    (components.n, components.e)
}

pub fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// An issuer with the keys that it publishes at the moment.
pub struct Issuer {
    pub server: HttpServer,
    pub published: Arc<Mutex<Vec<usize>>>,
}

impl Issuer {
    pub fn start() -> Self {
        let published = Arc::new(Mutex::new(vec![1]));
        let keys = Arc::clone(&published);
        let server = HttpServer::start(move |_, request| {
            let own = format!("http://{}", request.header("host").unwrap());
            Some(match request.path() {
                "/.well-known/openid-configuration" => HttpResponse::json(json!({ "issuer": own, "jwks_uri": format!("{own}/keys") })),
                "/keys" => {
                    let keys = keys.lock().unwrap();
                    let entries = keys.iter().map(|number| {
                        let (n, e) = modulus_and_exponent(*number);
                        json!({
                            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": format!("key{number}"),
                            "n": URL_SAFE_NO_PAD.encode(n), "e": URL_SAFE_NO_PAD.encode(e)
                        })
                    });
                    HttpResponse::json(json!({ "keys": entries.collect::<Vec<_>>() }))
                }
                _ => HttpResponse::new(404),
            })
        });
        Self { server, published }
    }

    /// Claims of the workflow that a rule is about, with changes; null removes one.
    pub fn claims(&self, changes: &Value) -> Value {
        let now = chrono::Utc::now().timestamp();
        let mut claims = json!({
            "iss": self.server.url, "aud": AUDIENCE, "sub": "repo:octo/bench:ref:refs/heads/main", "jti": "1",
            "exp": now + 300, "nbf": now - 60, "iat": now, "repository": "octo/bench", "repository_id": "7", "repository_owner": "octo",
            "ref": "refs/heads/main", "sha": "abc", "workflow_ref": "octo/bench/.github/workflows/nightly.yml@refs/heads/main",
            "job_workflow_ref": "octo/bench/.github/workflows/nightly.yml@refs/heads/main", "event_name": "schedule", "run_id": "5",
            "run_attempt": "1"
        });
        let members = claims.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                members.remove(name);
            } else {
                members.insert(name.clone(), value.clone());
            }
        }
        claims
    }

    pub fn token(&self, changes: &Value) -> String {
        Self::sign(&self.claims(changes))
    }

    pub fn sign(claims: &Value) -> String {
        signed(1, &json!({ "alg": "RS256", "typ": "JWT", "kid": "key1" }), claims)
    }
}

pub fn signed(number: usize, header: &Value, claims: &Value) -> String {
    let text = format!("{}.{}", part(header), part(claims));
    let key = key(number);
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
