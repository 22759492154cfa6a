//! `/api/graphql`: the same answers as REST, bounded, read-only.

use std::fs;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::client::{Answer, Served, sqlite};
use crate::fixture::Fixture;
use crate::harness::{Finish as _, imax, project};

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn ask(served: &Served, query: &str, variables: impl Serialize) -> Answer {
    let body = json!({ "query": query, "variables": variables }).to_string();
    served.send("POST", "/api/graphql", &[JSON], body.as_bytes())
}

/// The data of a query that must be answered as a whole.
fn data(served: &Served, query: &str) -> Value {
    let answer = ask(served, query, json!({}));
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    let document = answer.json();
    assert!(document.get("errors").is_none(), "{query}: {document}");
    document["data"].clone()
}

#[test]
fn committed_schema_is_the_one_of_the_program() {
    let printed = imax().args(["schema", "graphql"]).finish();
    assert!(printed.status.success());
    let committed = fs::read(project().join("dist/schema.graphql")).unwrap();
    assert!(
        printed.stdout == committed,
        "dist/schema.graphql is out of date; imax schema graphql > dist/schema.graphql"
    );
}

#[test]
fn queries_give_what_rest_gives() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let file = served.json("/api/v1/points?limit=1&fields=source")["data"][0]["source"].clone();
    let digest = file.as_str().unwrap();
    for (query, path) in [
        (
            "{ points(filter: [\"conc=64\"], sort: \"-started\") { data { run conc tput_per_gpu p99_9_ttft } next } }",
            "/api/v1/points?filter=conc=64&sort=-started&fields=run,conc,tput_per_gpu,p99.9_ttft",
        ),
        (
            "{ runs(limit: 3) { data { id commit started measured } next } }",
            "/api/v1/runs?limit=3",
        ),
        (
            "{ curves { data { model_prefix run points { conc tput_per_gpu } } } }",
            "/api/v1/curves?fields=conc,tput_per_gpu",
        ),
        (
            "{ series(filter: \"conc=64\", branch: \"main\", metric: \"interactivity\") { point levels { mean runs } values { value x } } }",
            "/api/v1/series?filter=conc=64&branch=main&metric=interactivity",
        ),
        ("{ facets { dimension value points } }", "/api/v1/facets"),
        ("{ reliability { hardware measured outcomes } }", "/api/v1/reliability"),
        (
            "{ frontier(at: [100]) { frontier readings { at kind throughput_per_gpu } } }",
            "/api/v1/frontier?at=100",
        ),
        (
            "{ compare(base: \"run:1\", head: \"branch:main\") { counts unpaired { point } } }",
            "/api/v1/compare?base=run:1&head=branch:main",
        ),
        (
            "{ run(run: 3) { run { id } plan { curve concurrencies } sources { digest runs } } }",
            "/api/v1/runs/3",
        ),
        (
            "{ point(id: 1) { point columns { conc p99_9_ttft } revisions { revision action } } }",
            "/api/v1/points/1",
        ),
        (
            &format!("{{ file(digest: \"{digest}\") {{ digest bytes runs }} }}"),
            &format!("/api/v1/files/{digest}"),
        ),
        ("{ changes { point metric before now good { run commit } } }", "/api/v1/changes"),
        (
            "{ regressions { thread state largest { metric relative is_fixed } } }",
            "/api/v1/regressions",
        ),
        ("{ trends { series values { value missing } levels { mean } } }", "/api/v1/trends"),
        ("{ costs { conc p99_9_ttft today { usd_per_million } } }", "/api/v1/costs"),
        ("{ cheapest { point usd_per_million is_met } }", "/api/v1/cheapest"),
        ("{ deployments { version tp conc output_tput_per_any_gpu } }", "/api/v1/deployments"),
        (
            "{ versions { versions base head data { model metric ratio verdict } } }",
            "/api/v1/versions",
        ),
        ("{ accuracy { conc has_fallen scores { task score verdict } } }", "/api/v1/accuracy"),
        ("{ operations { total is_cut outcomes } }", "/api/v1/operations"),
        ("{ mlperf_datasets { name input { mean bins } } }", "/api/v1/mlperf-datasets"),
        ("{ prices { hardware usd_per_gpu_hour } }", "/api/v1/prices"),
    ] {
        let (found, document) = (data(&served, query), served.json(path));
        let (_, found) = found.as_object().unwrap().iter().next().unwrap();
        let rows = if found.is_array() { &document["data"] } else { &document };
        assert!(found.to_string().len() > 20, "{query}: {found}");
        // Every member that was asked for is the one of REST.
        compare(found, rows, query);
    }
}

fn compare(found: &Value, rest: &Value, place: &str) {
    match found {
        Value::Object(members) => {
            for (name, value) in members {
                let name = if name == "p99_9_ttft" { "p99.9_ttft" } else { name };
                assert!(rest.get(name).is_some(), "{place}: REST has no member {name}");
                compare(value, &rest[name], &format!("{place} {name}"));
            }
        }
        Value::Array(items) => {
            assert_eq!(items.len(), rest.as_array().map_or(0, Vec::len), "{place}");
            for (item, rest) in items.iter().zip(rest.as_array().unwrap()) {
                compare(item, rest, place);
            }
        }
        Value::Number(number) => assert_eq!(number.as_f64(), rest.as_f64(), "{place}"),
        Value::Null | Value::Bool(_) | Value::String(_) => assert_eq!(found, rest, "{place}"),
    }
}

/// Fields that a type of the schema has and REST does not, or the other way round, would be null for ever, or missing.
#[test]
fn types_have_the_members_of_the_documents() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    for (name, path) in [
        ("Project", "/api/v1/projects"),
        ("Facet", "/api/v1/facets"),
        ("Reliability", "/api/v1/reliability"),
        ("Point", "/api/v1/points"),
        ("Cost", "/api/v1/costs"),
        ("Deployment", "/api/v1/deployments"),
        ("Accuracy", "/api/v1/accuracy"),
        ("Configuration", "/api/v1/cheapest"),
        ("Change", "/api/v1/changes"),
        ("Regression", "/api/v1/regressions"),
        ("Trend", "/api/v1/trends"),
        ("Series", "/api/v1/series?metric=interactivity"),
        ("Frontier", "/api/v1/frontier"),
        ("DataSet", "/api/v1/mlperf-datasets"),
    ] {
        let described = data(&served, &format!("{{ __type(name: \"{name}\") {{ fields {{ name }} }} }}"));
        let fields: Vec<&str> = described["__type"]["fields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|field| field["name"].as_str().unwrap())
            .collect();
        let document = served.json(path);
        let row = document["data"][0].as_object().unwrap_or_else(|| panic!("{path} has no row"));
        for member in row.keys() {
            assert!(fields.contains(&member.replace('.', "_").as_str()), "{name} lacks {member}");
        }
    }
}

#[test]
fn variables_aliases_fragments_and_get_requests_are_understood() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let query = "query One($filter: [String!], $no: Boolean = true) { \
                   points(filter: $filter, limit: 1) { data { ...F branch @skip(if: $no) } } } \
                 fragment F on Point { concurrency: conc __typename }";
    let answer = ask(&served, query, json!({ "filter": ["conc=16"] }));
    let expected = json!([{ "concurrency": 16, "__typename": "Point" }]);
    assert_eq!(answer.json()["data"]["points"]["data"], expected, "{}", answer.text());
    let got = served.get("/api/graphql?query=%7B%20projects%20%7B%20runs%20%7D%20%7D");
    assert_eq!(got.json(), json!({ "data": { "projects": [{ "runs": 10 }] } }));
    assert_eq!(got.header("content-type"), Some("application/json"));
    let query = utf8_percent_encode(
        "query A($n: Int!) { run(run: $n) { run { id } } } query B { facets { value } }",
        NON_ALPHANUMERIC,
    );
    let answer = served.send(
        "GET",
        &format!("/api/graphql?query={query}&operationName=A&variables=%7B%22n%22:2%7D"),
        &[("Accept", "application/graphql-response+json, application/json;q=0.9")],
        b"",
    );
    assert_eq!(answer.json(), json!({ "data": { "run": { "run": { "id": 2 } } } }));
    assert_eq!(answer.header("content-type"), Some("application/graphql-response+json"));
}

/// The whole schema as clients ask for it, with types nine levels deep.
const INTROSPECTION: &str = "query IntrospectionQuery { __schema { queryType { name } mutationType { name } subscriptionType { name } \
     types { ...FullType } directives { name description locations args { ...InputValue } } } } \
     fragment FullType on __Type { kind name description specifiedByURL \
       fields(includeDeprecated: true) { name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason } \
       inputFields { ...InputValue } interfaces { ...TypeRef } \
       enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } } \
     fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue } \
     fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name \
       ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";

#[test]
fn introspection_describes_every_type_that_it_names() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let schema = data(&served, INTROSPECTION);
    let schema = &schema["__schema"];
    assert_eq!(schema["queryType"]["name"], "Query");
    assert_eq!(schema["mutationType"], Value::Null);
    let types = schema["types"].as_array().unwrap();
    let names: Vec<&str> = types.iter().map(|described| described["name"].as_str().unwrap()).collect();
    for described in types {
        for field in described["fields"].as_array().into_iter().flatten() {
            let arguments = field["args"].as_array().unwrap().iter().map(|argument| &argument["type"]);
            for of in arguments.chain([&field["type"]]) {
                let mut of = of;
                while !of["ofType"].is_null() {
                    assert_eq!(of["name"], Value::Null);
                    of = &of["ofType"];
                }
                assert!(names.contains(&of["name"].as_str().unwrap()), "{of}");
            }
        }
    }
    let root = types.iter().find(|described| described["name"] == "Query").unwrap();
    let run = root["fields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|field| field["name"] == "run")
        .unwrap();
    assert_eq!(run["args"][0]["name"], "run");
    assert_eq!(run["args"][0]["type"]["kind"], "NON_NULL");
    assert_eq!(run["args"][0]["type"]["ofType"]["name"], "Int");
    assert_eq!(data(&served, "{ __type(name: \"Nothing\") { name } }")["__type"], Value::Null);
}

#[test]
fn invalid_and_costly_requests_are_refused() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let refused = |body: &[u8], status: u16, words: &str| {
        let answer = served.send("POST", "/api/graphql", &[JSON], body);
        assert!(
            answer.status == status && answer.text().contains(words),
            "{}: {}",
            answer.head,
            answer.text()
        );
    };
    refused(b"", 400, "is not a GraphQL request");
    refused(b"{\"query\":", 400, "is not a GraphQL request");
    refused(b"{\"query\":\"{projects{runs}}\",\"more\":1}", 400, "unknown field `more`");
    refused(b" [{\"query\":\"{projects{runs}}\"}]", 400, "the body is a batch");
    refused(b"{\"query\":\"{ nothing }\"}", 400, "Query has no field `nothing`");
    refused(b"{\"query\":\"{ projects { runs\"}", 400, "the document is invalid");
    refused(b"{\"query\":\"mutation { retract }\"}", 400, "there are queries alone");
    let head =
        "POST /api/graphql HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n";
    let large = served.raw(head.as_bytes());
    assert_eq!(large.status, 413, "{}", large.head);
    assert!(large.text().contains("larger than 65536 bytes"), "{}", large.text());
    let place = ask(&served, "{\n  projects { nothing }\n}", json!({})).json();
    assert_eq!(place["errors"][0]["locations"], json!([{ "line": 2, "column": 14 }]));
    assert!(place.get("data").is_none());
    let form = served.send("POST", "/api/graphql", &[("Content-Type", "text/plain")], b"{}");
    assert_eq!(form.status, 415, "{}", form.text());
    let method = served.send("DELETE", "/api/graphql", &[], b"");
    assert_eq!((method.status, method.header("allow")), (405, Some("GET, HEAD, POST")));
    assert_eq!(served.get("/api/graphql?queri=%7B%7D").status, 400);
    assert_eq!(served.get("/api/graphql").status, 400);
    assert_eq!(served.get("/api/graphql?query=%7Bfacets%7Bvalue%7D%7D&variables=1").status, 400);
}

#[test]
fn queries_of_a_request_are_bounded_and_one_that_fails_leaves_the_others() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let eleven: String = (1..=11)
        .map(|limit| format!("a{limit}: runs(limit: {limit}) {{ next }} "))
        .collect();
    let answer = ask(&served, &format!("{{ {eleven} }}"), json!({})).json();
    assert_eq!(answer["data"]["a11"], Value::Null);
    assert_eq!(answer["data"]["a10"], json!({ "next": Value::Null }));
    assert_eq!(answer["errors"][0]["message"], "a request has at most 10 different queries");
    assert_eq!(answer["errors"][0]["path"], json!(["a11"]));
    // The same query by many names is asked once.
    let same: String = (0..100).map(|at| format!("a{at}: projects {{ runs }} ")).collect();
    let answer = data(&served, &format!("{{ {same} }}"));
    assert_eq!(answer.as_object().unwrap().len(), 100);
    let answer = ask(
        &served,
        "{ points(filter: [\"colour=red\"]) { data { conc } } projects { runs } }",
        json!({}),
    );
    let document = answer.json();
    assert_eq!(answer.status, 200);
    assert_eq!(document["data"], json!({ "points": Value::Null, "projects": [{ "runs": 10 }] }));
    assert!(
        document["errors"][0]["message"].as_str().unwrap().contains("colour=red"),
        "{document}"
    );
    assert_eq!(document["errors"][0]["extensions"]["status"], 400);
    // A slash in an argument does not lead to another route.
    let answer = ask(&served, "{ file(digest: \"../runs?x=\") { digest } }", json!({})).json();
    assert_eq!(answer["data"]["file"], Value::Null);
    assert!(
        matches!(answer["errors"][0]["extensions"]["status"].as_i64(), Some(400 | 404)),
        "{answer}"
    );
}

/// A short request of introspection could be answered with many megabytes.
#[test]
fn size_of_an_answer_is_bounded() {
    let fixture = Fixture::new();
    let served = Served::start(&sqlite(&fixture), &[]);
    let same: String = (0..480).map(|at| format!("description_{at}: description ")).collect();
    let query = format!("{{ __schema {{ types {{ fields {{ args {{ {same} }} }} }} }} }}");
    let answer = ask(&served, &query, json!({}));
    assert_eq!(answer.status, 400, "{}", answer.text().chars().take(300).collect::<String>());
    assert!(
        answer.text().contains("the answer is larger than 8388608 bytes"),
        "{}",
        answer.text()
    );
}

#[test]
fn it_can_be_off_and_is_closed_with_the_reads() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    let query = "{ __schema { queryType { name } } }";
    let off = Served::start(&history, &["--no-graphql"]);
    assert_eq!(ask(&off, query, json!({})).status, 404);
    fs::write(fixture.path("serve.toml"), "no-graphql = true\n").unwrap();
    let config = fixture.path("serve.toml");
    let off = Served::start(&history, &["--config", config.to_str().unwrap()]);
    assert_eq!(ask(&off, query, json!({})).status, 404);
    let on = Served::start(&history, &["--config", config.to_str().unwrap(), "--no-graphql=false"]);
    assert_eq!(ask(&on, query, json!({})).status, 200);
    let closed = Served::start(&history, &["--closed"]);
    assert_eq!(ask(&closed, query, json!({})).status, 401);
    // Before its body is read.
    assert_eq!(
        closed.send("POST", "/api/graphql", &[("Content-Type", "text/plain")], b"").status,
        401
    );
    let created = fixture.imax(
        &["token", "create", "--history", &history, "--name", "reader", "--scope", "ingest"],
        &[],
    );
    let token = created.stdout.split_whitespace().find(|word| word.starts_with("imax_")).unwrap();
    let body = json!({ "query": "{ projects { runs } }" }).to_string();
    let bearer = format!("Bearer {token}");
    let answer = closed.send("POST", "/api/graphql", &[JSON, ("Authorization", &bearer)], body.as_bytes());
    assert_eq!(
        answer.json(),
        json!({ "data": { "projects": [{ "runs": 10 }] } }),
        "{}",
        answer.head
    );
}

#[test]
fn logs_are_for_tokens_that_read_them_by_rest() {
    let fixture = Fixture::new();
    let history = sqlite(&fixture);
    let served = Served::start(&history, &["--writes"]);
    let token = |scope: &str| {
        let create = ["token", "create", "--history", &history, "--name", scope, "--scope", scope];
        format!("Bearer {}", fixture.imax(&create, &[]).stdout.trim())
    };
    let (admin, ingest) = (token("admin"), token("ingest"));
    // A write that is refused is logged.
    let note = json!({ "kind": "note", "text": "x" }).to_string();
    let refused = served.send("POST", "/api/v1/annotations", &[JSON, ("Authorization", &ingest)], note.as_bytes());
    assert_eq!(refused.status, 403);
    let query = "{ submissions { data { id state } next } deliveries { delivery } audit(limit: 1) { name action status } }";
    let body = json!({ "query": query }).to_string();
    let send = |headers: &[(&str, &str)]| served.send("POST", "/api/graphql", headers, body.as_bytes()).json();
    let read = send(&[JSON, ("Authorization", &admin)]);
    let expected = json!({
        "submissions": { "data": [], "next": null },
        "deliveries": [],
        "audit": [{ "name": "ingest", "action": "annotate", "status": 403 }]
    });
    assert_eq!(read, json!({ "data": expected }));
    for (headers, status) in [(vec![JSON], 401), (vec![JSON, ("Authorization", ingest.as_str())], 403)] {
        let answer = send(&headers);
        assert_eq!(
            (&answer["data"]["submissions"]["data"], &answer["data"]["deliveries"]),
            (&json!([]), &Value::Null)
        );
        let statuses: Vec<&Value> = answer["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| &error["extensions"]["status"])
            .collect();
        assert_eq!(statuses, [status; 2], "{answer}");
    }
}
