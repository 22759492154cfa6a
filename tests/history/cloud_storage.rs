//! A history in Google Cloud Storage, on a server of our own that has what imax uses of the XML API
//! (<https://cloud.google.com/storage/docs/xml-api/overview>): objects with generations, conditional writes, ranges, lists, bearer tokens.
//! Of the emulators, gcp-storage-emulator 2026.7 ignores `x-goog-if-generation-match` and gives no generation, and fake-gcs-server refuses a PUT
//! with it (fsouza/fake-gcs-server#994), so neither would notice a lost write.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::engines::Home;
use crate::fixture::{Fixture, row};
use crate::harness::{HttpRequest, HttpResponse, HttpServer, project};
use crate::{behaviour, killed_writers};

const BUCKET: &str = "bench-results";
const MANIFEST: &str = "imax-history.json";

/// Content and generation, which is another one after each write.
struct Object {
    content: Vec<u8>,
    generation: u64,
}

#[derive(Default)]
struct Storage {
    /// By their paths in the bucket.
    objects: BTreeMap<String, Object>,
    generations: u64,
    /// Whether the account may write.
    is_read_only: bool,
    /// How many of the next writers of a manifest find that another one was faster.
    lost_races: u32,
    /// Writes that were refused because the object was not the expected one.
    refused: u32,
}

impl Storage {
    fn respond(&mut self, request: &HttpRequest) -> HttpResponse {
        // A service account signs its own token, so that no other server is asked for one.
        let bearer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        if bearer.is_none_or(|token| token.split('.').count() != 3) {
            return error(401, "AuthenticationRequired");
        }
        let path = percent_encoding::percent_decode_str(request.path()).decode_utf8().unwrap();
        let (bucket, key) = path
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or((path.trim_start_matches('/'), ""));
        match (request.method(), key) {
            _ if bucket != BUCKET => error(404, "NoSuchBucket"),
            ("GET", "") => self.list(request),
            ("GET" | "HEAD", key) => self.get(key, request),
            ("PUT", _) if self.is_read_only => error(403, "AccessDenied"),
            ("PUT", key) => self.put(key, request),
            (_, _) => error(405, "MethodNotAllowed"),
        }
    }

    fn put(&mut self, key: &str, request: &HttpRequest) -> HttpResponse {
        let expected: Option<u64> = request.header("x-goog-if-generation-match").map(|value| value.parse().unwrap());
        // The service would take it. Here it is a bug: another writer's runs would be lost.
        if key.ends_with(MANIFEST) && expected.is_none() {
            return error(400, "UnconditionalWriteOfManifest");
        }
        if key.ends_with(MANIFEST) && self.lost_races > 0 {
            self.lost_races -= 1;
            self.generations += 1;
            self.objects.get_mut(key).unwrap().generation = self.generations;
        }
        let found = self.objects.get(key).map_or(0, |object| object.generation);
        if expected.is_some_and(|expected| expected != found) {
            self.refused += 1;
            return error(412, "PreconditionFailed");
        }
        self.generations += 1;
        let object = Object {
            content: request.body.clone(),
            generation: self.generations,
        };
        let stored = described(HttpResponse::new(200), &object);
        self.objects.insert(key.to_owned(), object);
        stored
    }

    fn get(&self, key: &str, request: &HttpRequest) -> HttpResponse {
        let Some(object) = self.objects.get(key) else {
            return error(404, "NoSuchKey");
        };
        let length = object.content.len();
        let response = match request.header("range").and_then(|range| bytes(range, length)) {
            Some(Range { start, end }) => HttpResponse::new(206)
                .header("content-range", format!("bytes {start}-{}/{length}", end - 1))
                .body("application/octet-stream", &object.content[start..end]),
            None => HttpResponse::new(200).body("application/octet-stream", &object.content[..]),
        };
        described(response, object)
    }

    fn list(&self, request: &HttpRequest) -> HttpResponse {
        let prefix = request.query("prefix").unwrap_or_default();
        let contents: String = self
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix))
            .map(|(key, object)| {
                format!(
                    "<Contents><Key>{key}</Key><Size>{}</Size><LastModified>2026-10-01T05:00:00.000Z</LastModified><ETag>\"{}\"</ETag></Contents>",
                    object.content.len(),
                    object.generation
                )
            })
            .collect();
        HttpResponse::new(200).body("application/xml", format!("<ListBucketResult>{contents}</ListBucketResult>"))
    }
}

/// `bytes=0-9` of a length.
fn bytes(range: &str, length: usize) -> Option<Range<usize>> {
    let (start, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let start = start.parse().ok()?;
    let end = last.parse().map_or(length, |last: usize| length.min(last + 1));
    (start < end).then_some(start..end)
}

fn described(response: HttpResponse, object: &Object) -> HttpResponse {
    response
        .header("etag", format!("\"{}\"", object.generation))
        .header("x-goog-generation", object.generation.to_string())
        .header("last-modified", "Thu, 01 Oct 2026 05:00:00 GMT")
}

fn error(status: u16, code: &str) -> HttpResponse {
    HttpResponse::new(status).body("application/xml", format!("<Error><Code>{code}</Code></Error>"))
}

struct CloudStorage {
    server: HttpServer,
    storage: Arc<Mutex<Storage>>,
}

impl CloudStorage {
    fn start() -> Self {
        let storage = Arc::new(Mutex::new(Storage::default()));
        let shared = Arc::clone(&storage);
        Self {
            server: HttpServer::start(move |_, request| Some(shared.lock().unwrap().respond(request))),
            storage,
        }
    }

    /// A history of its own in the bucket.
    fn home<'a>(&self, name: &str, fixture: &'a Fixture) -> Home<'a> {
        let key = STANDARD.encode(std::fs::read(project().join("tests/serving/oidc_keys/key1.der")).unwrap());
        let account = json!({
            "type": "service_account", "client_email": "bench@example.iam.gserviceaccount.com", "private_key_id": "1",
            "private_key": format!("-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n")
        });
        Home {
            fixture,
            address: format!("gs://{BUCKET}/{name}"),
            environment: vec![
                ("GOOGLE_SERVICE_ACCOUNT_KEY", account.to_string()),
                ("GOOGLE_BASE_URL", self.server.url.clone()),
            ],
        }
    }
}

macro_rules! on_cloud_storage {
    ($($module:ident::$behaviour:ident),+ $(,)?) => {{
        let server = CloudStorage::start();
        $({
            eprintln!("{}", stringify!($behaviour));
            $module::$behaviour(&server.home(stringify!($behaviour), &Fixture::new()));
        })+
    }};
}

#[test]
fn google_cloud_storage_keeps_runs_of_writers_together() {
    on_cloud_storage!(
        behaviour::same_content_is_no_change_and_other_content_a_revision,
        behaviour::retracted_run_counts_no_more,
        killed_writers::writers_that_create_a_history_together_all_succeed,
    );
}

#[test]
#[ignore = "takes minutes"]
fn google_cloud_storage_behaves_as_databases_do_at_night() {
    on_cloud_storage!(
        behaviour::attempts_of_a_workflow_run_are_runs_of_their_own,
        behaviour::points_that_attempts_have_in_common_count_once,
        behaviour::entries_of_the_changelog_are_tied_to_curves,
        behaviour::prices_are_kept_with_their_days,
        behaviour::comparison_is_that_of_a_folder,
        behaviour::export_and_import_are_byte_stable,
        behaviour::dry_run_changes_nothing,
        killed_writers::killed_writers_lose_and_repeat_nothing,
    );
}

/// Another writer comes between reading and writing the manifest, twice.
#[test]
fn writer_that_lost_a_race_adds_its_run_to_what_is_there_then() {
    let server = CloudStorage::start();
    let fixture = Fixture::new();
    let home = server.home("race", &fixture);
    for (run, throughput, races) in [("1", 4000.0, 0), ("2", 4100.0, 2)] {
        fixture.measured(&format!("run{run}/4"), &row(4), throughput);
        server.storage.lock().unwrap().lost_races = races;
        let folder = format!("run{run}");
        let line = [
            "publish",
            &folder,
            "--to",
            &home.address,
            "--commit",
            "a",
            "--repo",
            "octo/bench",
            "--attempt",
            "1",
        ];
        home.output(&[&line[..], &["--run-id", run, "--date", "2026-10-01T05:00:00Z"]].concat());
    }
    let storage = server.storage.lock().unwrap();
    assert_eq!((storage.lost_races, storage.refused), (0, 2), "the writer was refused twice");
    drop(storage);
    assert_eq!(home.list(&[]).len(), 2);
    home.verify();
}

#[test]
fn google_cloud_storage_says_what_is_missing() {
    let server = CloudStorage::start();
    let fixture = Fixture::new();
    fixture.measured("run/4", &row(4), 4000.0);
    let home = server.home("rights", &fixture);
    let publish = [
        "publish",
        "run",
        "--to",
        &home.address,
        "--commit",
        "a",
        "--repo",
        "octo/bench",
        "--date",
        "2026-10-01T05:00:00Z",
    ];
    server.storage.lock().unwrap().is_read_only = true;
    let denied = home.imax(&publish);
    assert_eq!(denied.code, 2, "{}", denied.stderr);
    assert!(
        denied.stderr.contains("gs://bench-results/rights") && denied.stderr.contains("need to write the bucket"),
        "{}",
        denied.stderr
    );
    assert!(denied.stderr.contains("GOOGLE_APPLICATION_CREDENTIALS"), "{}", denied.stderr);
    assert!(!denied.stderr.contains("PRIVATE KEY"), "{}", denied.stderr);
    server.storage.lock().unwrap().is_read_only = false;
    home.output(&publish);
    let missing = home.imax(&["history", "list", "--history", "gs://no-such-bucket/x"]);
    assert_eq!(missing.code, 2, "{}", missing.stderr);
    assert!(missing.stderr.contains("no such bucket"), "{}", missing.stderr);
}
