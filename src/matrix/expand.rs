//! A config entry to rows. This is the only place that makes rows: every command expands with it and then filters.

use crate::config::{Candidate, Entry, Offload, Runners, ScenarioBlock};
use crate::model::{
    Component, Concurrency, Diagnostic, Diagnostics, KvOffloading, Layout, RunnerLabel, SeqLens, SpecDecoding, WorkerGroup,
};

use super::concurrency::{self, Bounds, Step};
use super::dram;
use super::row::{Concurrencies, EvalMark, Row, Scenario};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expansion {
    /// Factor between consecutive concurrencies of a range.
    pub step: Step,
    pub bounds: Bounds,
    /// Runner labels that replace the entry's label: each row is repeated for each of these; agentic rows over several nodes are
    /// grouped by deployment.
    pub places: Option<Vec<RunnerLabel>>,
}

impl Expansion {
    fn places<'a>(&'a self, entry: &'a Entry) -> &'a [RunnerLabel] {
        self.places.as_deref().unwrap_or(std::slice::from_ref(&entry.runner))
    }
}

/// All rows of an entry: blocks, candidates and concurrencies in the order of the config. On one node each concurrency
/// is a row; over several nodes fixed lengths are one row with all of them, the agentic scenario one row each.
///
/// # Errors
/// Offloading to host memory whose size cannot be computed, at its place in the config.
pub fn expand(entry: &Entry, runners: &Runners, how: &Expansion) -> Result<Vec<Row>, Diagnostics> {
    let mut rows = Vec::new();
    let mut found = Diagnostics::new();
    for block in &entry.blocks {
        match expand_block(entry, runners, block, how) {
            Ok(mut more) => rows.append(&mut more),
            Err(more) => found.append(more),
        }
    }
    if found.is_empty() { Ok(rows) } else { Err(found) }
}

/// The rows of one block of an entry.
///
/// # Errors
/// As [`expand`].
pub(super) fn expand_block(entry: &Entry, runners: &Runners, block: &ScenarioBlock, how: &Expansion) -> Result<Vec<Row>, Diagnostics> {
    let mut rows = Vec::new();
    let mut found = Diagnostics::new();
    match block {
        ScenarioBlock::FixedSeqLen { lens, candidates } => {
            for candidate in candidates {
                fixed_rows(entry, *lens, candidate, how, &mut rows);
            }
        }
        ScenarioBlock::AgenticCoding { duration_s, candidates } => {
            for agentic in candidates {
                match agentic_scenario(entry, runners, &agentic.candidate, &agentic.offload, *duration_s) {
                    Ok(scenario) => agentic_rows(entry, &agentic.candidate, &scenario, how, &mut rows),
                    Err(diagnostic) => found.push(*diagnostic),
                }
            }
        }
    }
    if found.is_empty() { Ok(rows) } else { Err(found) }
}

fn fixed_rows(entry: &Entry, lens: SeqLens, candidate: &Candidate, how: &Expansion, rows: &mut Vec<Row>) {
    let max_model_len = lens
        .isl
        .saturating_add(lens.osl.get())
        .saturating_add(entry.conventions.context_margin);
    let scenario = Scenario::FixedSeqLen { lens, max_model_len };
    let name = format!("{}_{}", entry.model_prefix, entry.conventions.name_of(lens));
    let row = |conc: Concurrencies, runner: &RunnerLabel| Row {
        runner: runner.clone(),
        disagg: Some(entry.disagg),
        eval: EvalMark {
            run: Some(false),
            ..EvalMark::default()
        },
        ..base_row(entry, candidate, scenario.clone(), name.clone(), conc)
    };
    if candidate.layout.is_multi_node() {
        let values = concurrency::within_or_at_max(&candidate.conc, how.step, how.bounds);
        if !values.is_empty() {
            let concs = Concurrencies::Several(values);
            rows.extend(how.places(entry).iter().map(|runner| row(concs.clone(), runner)));
        }
    } else {
        let values = concurrency::narrowed(&candidate.conc, how.step, how.bounds);
        for conc in values {
            rows.extend(how.places(entry).iter().map(|runner| row(Concurrencies::One(conc), runner)));
        }
    }
}

fn agentic_rows(entry: &Entry, candidate: &Candidate, scenario: &Scenario, how: &Expansion, rows: &mut Vec<Row>) {
    let multi_node = candidate.layout.is_multi_node();
    let values = concurrency::within(&candidate.conc, how.step, how.bounds);
    let places = how.places(entry);
    let row = |conc: Concurrency, runner: &RunnerLabel| Row {
        runner: runner.clone(),
        disagg: multi_node.then_some(entry.disagg),
        ..base_row(
            entry,
            candidate,
            scenario.clone(),
            agentic_name(entry, candidate, scenario, conc),
            if multi_node {
                Concurrencies::Several(vec![conc])
            } else {
                Concurrencies::One(conc)
            },
        )
    };
    if multi_node {
        rows.extend(places.iter().flat_map(|runner| values.iter().map(|conc| row(*conc, runner))));
    } else {
        rows.extend(values.iter().flat_map(|conc| places.iter().map(|runner| row(*conc, runner))));
    }
}

fn base_row(entry: &Entry, candidate: &Candidate, scenario: Scenario, exp_name: String, conc: Concurrencies) -> Row {
    Row {
        image: entry.image.clone(),
        model: entry.model.clone(),
        model_prefix: entry.model_prefix.clone(),
        precision: entry.precision.clone(),
        framework: entry.framework.clone(),
        runner: entry.runner.clone(),
        spec_decoding: candidate.spec_decoding,
        disagg: None,
        exp_name,
        router: candidate.router.clone(),
        kv_p2p_transfer: candidate.kv_p2p_transfer.clone(),
        environment: candidate.environment.clone(),
        scenario,
        layout: candidate.layout.clone(),
        conc,
        eval: EvalMark::default(),
        recipe_fingerprint: None,
        config_key: None,
        profile: false,
    }
}

fn agentic_scenario(
    entry: &Entry,
    runners: &Runners,
    candidate: &Candidate,
    offload: &Offload,
    duration_s: u64,
) -> Result<Scenario, Box<Diagnostic>> {
    let (kv_offloading, kv_offload_backend, total_cpu_dram_gb) = match offload {
        Offload::None => (KvOffloading::None, None, 0),
        Offload::Dram { backend, utilization } => {
            let error = |message: String| Box::new(Diagnostic::error("dram", message).at(candidate.place.clone()));
            let Some(hardware) = runners.hardware.get(entry.runner.as_str()) else {
                let known: Vec<&str> = runners.hardware.keys().map(crate::model::RunnerLabel::as_str).collect();
                let message = format!(
                    "`kv-offloading: dram` on `{}`, whose `hardware` the runner file does not say (it does for: {})",
                    entry.runner,
                    known.join(", ")
                );
                let help = "add `available-cpu-dram-mib` and `gpus-per-node` for it to `hardware` in the runner file";
                return Err(Box::new(error(message).help(help)));
            };
            let budget = dram::budget_gb(&candidate.layout, *hardware, *utilization)
                .map_err(|why| error(format!("no memory to offload to on `{}`: {why}", entry.runner)))?;
            (KvOffloading::Dram, Some(backend.clone()), budget)
        }
    };
    Ok(Scenario::AgenticCoding {
        kv_offloading,
        kv_offload_backend,
        total_cpu_dram_gb,
        duration_s,
    })
}

/// `m_tp8_conc4_kvnone_spec-mtp` on one node, `m_p1x8ep8dpa_d2x4_conc4_kvdram-store` over several.
fn agentic_name(entry: &Entry, candidate: &Candidate, scenario: &Scenario, conc: Concurrency) -> String {
    let backend: Option<&Component> = match scenario {
        Scenario::AgenticCoding { kv_offload_backend, .. } => kv_offload_backend.as_ref(),
        Scenario::FixedSeqLen { .. } => None,
    };
    let prefix = &entry.model_prefix;
    match &candidate.layout {
        Layout::SingleNode(parallelism) => {
            let offload = backend.map_or("kvnone".to_owned(), |backend| format!("kvdram-{}", backend.name));
            let spec = match candidate.spec_decoding {
                SpecDecoding::None => String::new(),
                SpecDecoding::Mtp | SpecDecoding::DraftModel => format!("_spec-{}", candidate.spec_decoding),
            };
            format!("{prefix}_tp{}_conc{conc}_{offload}{spec}", parallelism.tp)
        }
        Layout::MultiNode { prefill, decode } => {
            let offload = backend.map_or(String::new(), |backend| format!("_kvdram-{}", backend.name));
            format!("{prefix}_p{}_d{}_conc{conc}{offload}", workers(prefill), workers(decode))
        }
    }
}

/// `2x16ep32dpa`: workers, TP, EP if over 1, data-parallel attention if enabled.
fn workers(group: &WorkerGroup) -> String {
    let parallelism = &group.parallelism;
    let ep = if parallelism.ep.get() > 1 {
        format!("ep{}", parallelism.ep)
    } else {
        String::new()
    };
    let dpa = if parallelism.dp_attn { "dpa" } else { "" };
    format!("{}x{}{ep}{dpa}", group.num_worker, parallelism.tp)
}
