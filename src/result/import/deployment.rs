//! What llm-d's benchmark report says about the deployment that was measured.
//! Source: <https://github.com/llm-d/llm-d-benchmark/tree/main/llmdbenchmark/analysis/benchmark_report>.

use super::facts::{Fact, Facts};
use crate::result::Json;

/// One engine of a deployment.
struct Engine<'a> {
    role: &'a str,
    replicas: i64,
    parallelism: Option<&'a Json>,
    hardware: Option<&'a str>,
    framework: Option<&'a str>,
    image: Option<&'a str>,
    version: Option<&'a str>,
}

/// Adds what the report says.
pub(super) fn say_deployment(facts: &mut Facts, report: &Json) {
    let Some(scenario) = report.get("scenario") else { return };
    if let Some(start) = report.at(&["run", "time", "start"]).and_then(Json::as_text) {
        facts.say(Fact::Date, start, "run.time.start");
    }
    if let Some(id) = report.at(&["run", "uid"]).and_then(Json::as_text) {
        facts.say(Fact::RunId, id, "run.uid");
    }
    let engines = match scenario.get("stack") {
        Some(stack) => list(Some(stack)).iter().filter_map(of_stack).collect(),
        None => of_platform(scenario),
    };
    let Some(first) = engines.first() else { return };
    for (fact, text) in [
        (Fact::Hardware, first.hardware),
        (Fact::Framework, first.framework),
        (Fact::Image, first.image),
        (Fact::Version, first.version),
    ] {
        if let Some(text) = text {
            facts.say(fact, text, "scenario");
        }
    }
    say_split(facts, &engines);
}

fn say_split(facts: &mut Facts, engines: &[Engine<'_>]) {
    const ROLES: [(&str, Fact, Fact, Fact); 2] = [
        ("prefill", Fact::PrefillWorkers, Fact::PrefillTp, Fact::PrefillEp),
        ("decode", Fact::DecodeWorkers, Fact::DecodeTp, Fact::DecodeEp),
    ];
    let is_apart = engines.iter().any(|engine| engine.role == "prefill");
    for (role, workers, tp, ep) in ROLES.into_iter().filter(|_| is_apart) {
        let group: Vec<&Engine<'_>> = engines.iter().filter(|engine| engine.role == role).collect();
        let count: i64 = group.iter().map(|engine| engine.replicas).sum();
        facts.say(workers, &count.to_string(), "scenario");
        say_sizes(facts, group.first().copied(), &[(tp, "tp"), (ep, "ep")]);
    }
    if !is_apart {
        let sizes = [(Fact::Tp, "tp"), (Fact::Pp, "pp"), (Fact::Ep, "ep"), (Fact::Dp, "dp")];
        say_sizes(facts, engines.first(), &sizes);
        let replicas: i64 = engines.iter().map(|engine| engine.replicas).sum();
        facts.say(Fact::Replicas, &replicas.to_string(), "scenario");
    }
}

fn say_sizes(facts: &mut Facts, engine: Option<&Engine<'_>>, sizes: &[(Fact, &str)]) {
    let Some(parallelism) = engine.and_then(|engine| engine.parallelism) else {
        return;
    };
    for (fact, key) in sizes {
        if let Some(Json::Integer(size)) = parallelism.get(key) {
            facts.say(*fact, &size.to_string(), format!("scenario: {key}"));
        }
    }
}

/// A component of versions 0.2 and later; `None` for one that is not an engine.
fn of_stack(component: &Json) -> Option<Engine<'_>> {
    let standard = component.get("standardized")?;
    if standard.text("kind") != Some("inference_engine") {
        return None;
    }
    let replicas = match standard.get("replicas") {
        Some(Json::Integer(replicas)) => *replicas,
        _ => 1,
    };
    let accelerator = standard.get("accelerator");
    Some(Engine {
        role: standard.text("role").unwrap_or_default(),
        replicas,
        parallelism: accelerator.and_then(|accelerator| accelerator.get("parallelism")),
        hardware: accelerator.and_then(|accelerator| accelerator.get("model")?.as_text()),
        framework: standard.text("tool"),
        image: standard.text("tool_version"),
        version: None,
    })
}

/// The engines of version 0.1: three lists of one length.
fn of_platform(scenario: &Json) -> Vec<Engine<'_>> {
    let roles = list(scenario.at(&["host", "type"]));
    let accelerators = list(scenario.at(&["host", "accelerator"]));
    let engines = list(scenario.at(&["platform", "engine"]));
    let pairs = accelerators.iter().zip(engines).enumerate();
    pairs
        .map(|(index, (accelerator, engine))| Engine {
            role: roles.get(index).and_then(Json::as_text).unwrap_or_default(),
            replicas: 1,
            parallelism: accelerator.get("parallelism"),
            hardware: accelerator.get("model").and_then(Json::as_text),
            framework: engine.get("name").and_then(Json::as_text),
            image: None,
            version: engine.get("version").and_then(Json::as_text),
        })
        .collect()
}

fn list(value: Option<&Json>) -> &[Json] {
    match value {
        Some(Json::List(items)) => items,
        Some(Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Float(_) | Json::Text(_) | Json::Object(_)) | None => &[],
    }
}
