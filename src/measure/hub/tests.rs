//! The hub against a local server that answers as the real one does: an entity tag, a commit, ranges.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should panic")]

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::model::Secret;
use crate::test_server::{HttpRequest, HttpResponse, HttpServer};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const TEXT: &[u8] = b"{\"version\": \"1.0\"}";

/// A whole file, or its first byte where that is asked for.
fn served(request: &HttpRequest) -> HttpResponse {
    let body = if request.header("range") == Some("bytes=0-0") {
        &TEXT[..1]
    } else {
        TEXT
    };
    HttpResponse::new(206)
        .header("etag", "\"abc\"")
        .header("x-repo-commit", COMMIT)
        .header("content-range", format!("bytes 0-{}/{}", body.len() - 1, TEXT.len()))
        .body("application/octet-stream", body)
}

/// A hub with one file at `path`.
fn hub_with(path: impl Into<String>) -> HttpServer {
    let path = path.into();
    HttpServer::start(move |_, request| {
        let found = request.method() == "GET" && request.path() == path;
        Some(if found { served(request) } else { HttpResponse::new(404) })
    })
}

fn settings(server: &str, cache: &Path) -> HubSettings {
    HubSettings {
        endpoint: server.to_owned(),
        cache: cache.to_owned(),
        token: None,
        offline: false,
        stall_timeout: Duration::from_secs(30),
    }
}

fn dataset(revision: Option<&str>) -> HubRepository {
    HubRepository::new(HubKind::Dataset, "owner/data", revision).unwrap()
}

async fn fetched(settings: HubSettings, repository: HubRepository, name: &'static str) -> Result<HubFile, HubError> {
    let fetch = move || Hub::new(settings).file(&repository, name, &mut || true);
    tokio::task::spawn_blocking(fetch).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pinned_file_is_downloaded_once_with_token_then_read_from_cache() {
    let server = hub_with(format!("/datasets/owner/data/resolve/{COMMIT}/main/test.json"));
    let cache = tempfile::tempdir().unwrap();
    let mut with_token = settings(&server.url, cache.path());
    with_token.token = Some(Secret::new("hf_secret".to_owned()));
    for _ in 0..2 {
        let file = fetched(with_token.clone(), dataset(Some(COMMIT)), "main/test.json").await.unwrap();
        assert_eq!(file.commit, COMMIT);
        assert_eq!(std::fs::read(&file.path).unwrap(), TEXT);
    }
    let asked = server.received();
    // Its size, then the file.
    assert_eq!(asked.len(), 2);
    assert!(
        asked
            .iter()
            .all(|request| request.header("authorization") == Some("Bearer hf_secret"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offline_branch_resolves_to_last_known_commit() {
    let server = hub_with("/owner/data/resolve/main/tokenizer.json");
    let cache = tempfile::tempdir().unwrap();
    let model = HubRepository::new(HubKind::Model, "owner/data", None).unwrap();
    let online = settings(&server.url, cache.path());
    fetched(online.clone(), model.clone(), "tokenizer.json").await.unwrap();
    let requests = server.requests();
    let offline = HubSettings { offline: true, ..online };
    let file = fetched(offline.clone(), model.clone(), "tokenizer.json").await.unwrap();
    assert_eq!(file.commit, COMMIT);
    let listing = Hub::new(offline.clone()).files(&model, &mut || true).unwrap();
    assert_eq!(
        listing,
        HubListing {
            files: vec!["tokenizer.json".to_owned()],
            commit: COMMIT.to_owned()
        }
    );
    let error = fetched(offline, model, "config.json").await.unwrap_err();
    assert!(error.to_string().contains("HF_HUB_OFFLINE"), "{error}");
    assert_eq!(server.requests(), requests);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listing_omits_names_outside_the_folder() {
    let info = serde_json::json!({
        "sha": COMMIT,
        "siblings": [{ "rfilename": "main/b.parquet" }, { "rfilename": "../../x" }, { "rfilename": "/etc/x" }, { "rfilename": "a.jsonl" }],
    });
    let server = HttpServer::start(move |_, request| {
        let found = request.path() == "/api/datasets/owner/data/revision/main";
        Some(if found { HttpResponse::json(&info) } else { HttpResponse::new(404) })
    });
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub::new(settings(&server.url, cache.path()));
    let listing = tokio::task::spawn_blocking(move || hub.files(&dataset(None), &mut || true))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(listing.files, ["a.jsonl", "main/b.parquet"]);
    assert_eq!(listing.commit, COMMIT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn denied_access_names_the_remedy() {
    let server = HttpServer::start(|_, request| {
        let status = match request.path() {
            "/datasets/owner/data/resolve/closed/x.json" => 401,
            "/datasets/owner/data/resolve/gated/x.json" => 403,
            "/datasets/owner/data/resolve/broken/x.json" => 500,
            _ => 404,
        };
        Some(HttpResponse::new(status))
    });
    let cache = tempfile::tempdir().unwrap();
    for (revision, said) in [
        ("gone", "does not exist"),
        ("closed", "HF_TOKEN"),
        ("gated", "status 403"),
        ("broken", "status 500"),
    ] {
        let error = fetched(settings(&server.url, cache.path()), dataset(Some(revision)), "x.json")
            .await
            .unwrap_err();
        assert!(error.to_string().contains(said), "{revision}: {error}");
    }
    let asked = server.received();
    let times = |revision: &str| asked.iter().filter(|request| request.path().contains(revision)).count();
    assert_eq!((times("gone"), times("broken")), (1, 1 + RETRIES));
}

#[test]
fn silent_hub_times_out_and_can_be_cancelled() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let cache = tempfile::tempdir().unwrap();
    let mut settings = settings(&format!("http://{}", silent.local_addr().unwrap()), cache.path());
    settings.stall_timeout = Duration::from_millis(200);
    let error = Hub::new(settings.clone()).file(&dataset(None), "x", &mut || true).unwrap_err();
    assert!(matches!(error, HubError::Stalled { .. }), "{error}");
    let error = Hub::new(settings).file(&dataset(None), "x", &mut || false).unwrap_err();
    assert!(matches!(error, HubError::Cancelled(_)), "{error}");
}

#[test]
fn invalid_names_are_rejected() {
    for (id, revision) in [
        ("a/b/c", None),
        ("../x", None),
        ("a//b", None),
        ("a/b", Some("../main")),
        ("a b", None),
    ] {
        assert!(HubRepository::new(HubKind::Model, id, revision).is_err(), "{id} {revision:?}");
    }
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub::new(settings("http://127.0.0.1:1", cache.path()));
    for name in ["../x", "/etc/passwd", "", "a/../../b"] {
        let error = hub.file(&dataset(None), name, &mut || true).unwrap_err();
        assert!(matches!(error, HubError::Name { .. }), "{name}: {error}");
    }
}

#[test]
fn settings_follow_hugging_face_variables() {
    let of = |list: &[(&str, &str)]| {
        let list: Vec<_> = list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        HubSettings::from_environment(|name| list.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()))
    };
    for (variables, cache) in [
        (&[("HOME", "/h")][..], "/h/.cache/huggingface/hub"),
        (&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
        (&[("HOME", "/h"), ("HF_HOME", "/f")], "/f/hub"),
        (&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")], "/c"),
    ] {
        assert_eq!(of(variables).unwrap().cache, Path::new(cache));
    }
    let all = of(&[
        ("HOME", "/h"),
        ("HF_ENDPOINT", "http://mirror/"),
        ("HF_TOKEN", "hf_x"),
        ("HF_HUB_OFFLINE", "1"),
    ])
    .unwrap();
    assert_eq!((all.endpoint.as_str(), all.offline), ("http://mirror", true));
    assert!(!format!("{all:?}").contains("hf_x"));
    assert!(matches!(of(&[]), Err(HubError::NoCache)));
}
