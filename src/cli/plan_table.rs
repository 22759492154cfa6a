//! A plan for people: a line for each engine configuration.

use indexmap::IndexMap;

use crate::matrix::Row;
use crate::matrix::plan::Job;
use crate::model::{CurveKey, SpecDecoding};
use crate::report::{Rank, TextStyle, TextTable};

/// What is measured and evaluated of an engine configuration.
#[derive(Default)]
struct Planned {
    measured: Vec<String>,
    evaluated: Vec<String>,
}

/// The jobs by engine configuration, with their concurrencies.
pub(super) fn plan_table(jobs: &[Job], style: TextStyle) -> String {
    let mut configurations: IndexMap<CurveKey, Planned> = IndexMap::new();
    for Job { row, .. } in jobs {
        let planned = configurations.entry(row.curve_key()).or_default();
        let concurrencies = row.conc.as_slice().iter().map(ToString::to_string);
        match row.is_evaluated_alone() {
            true => planned.evaluated.extend(evaluated_concurrencies(row)),
            false => planned.measured.extend(concurrencies),
        }
        if row.is_evaluated() && !row.is_evaluated_alone() {
            planned.evaluated.extend(evaluated_concurrencies(row));
        }
    }
    if configurations.is_empty() {
        return String::new();
    }
    let mut table = TextTable::default();
    for (title, rank) in [
        ("model", Rank::Identity),
        ("precision", Rank::Identity),
        ("runner", Rank::Identity),
        ("engine", Rank::Identity),
        ("lengths", Rank::Identity),
        ("layout", Rank::Identity),
        ("concurrencies", Rank::Always),
        ("evaluated at", Rank::Optional(0)),
    ] {
        table.add_column(title, rank);
    }
    for (key, planned) in &configurations {
        let CurveKey {
            model_prefix,
            precision,
            runner,
            framework,
            spec_decoding,
            disagg,
            workload,
            layout,
            variant,
        } = key;
        let variant = variant.iter().map(|(name, value)| format!(" {name}={value}"));
        table.add_row([
            model_prefix.to_string(),
            precision.to_string(),
            runner.to_string(),
            engine(framework.as_str(), *spec_decoding, *disagg),
            workload.to_string(),
            layout.clone() + &variant.collect::<String>(),
            planned.measured.join(" "),
            planned.evaluated.join(" "),
        ]);
    }
    table.render(style)
}

/// `vllm`, `vllm mtp`, `dynamo disagg`.
fn engine(framework: &str, spec_decoding: SpecDecoding, disagg: bool) -> String {
    let mut engine = framework.to_owned();
    match spec_decoding {
        SpecDecoding::None => {}
        SpecDecoding::Mtp | SpecDecoding::DraftModel => engine.push_str(&format!(" {spec_decoding}")),
    }
    if disagg {
        engine.push_str(" disagg");
    }
    engine
}

/// The concurrencies at which a row's accuracy is evaluated: the one that it names, else all of its own.
fn evaluated_concurrencies(row: &Row) -> Vec<String> {
    match row.eval.conc {
        Some(conc) => vec![conc.to_string()],
        None => row.conc.as_slice().iter().map(ToString::to_string).collect(),
    }
}
