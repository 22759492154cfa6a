//! `RESULT_FILENAME`: the common name of the files of a point. It is for people and globs and is never parsed: a point is identified by
//! its key. Two points of a run never have the same name.

use sha2::{Digest as _, Sha256};

use crate::matrix::Row;
use crate::model::{Concurrency, Layout, Parallelism, RunnerName, WorkerGroup};

/// Maximum length, bytes: file systems allow 255, and `agg_`, `.json` and parts of temporary names are added.
const LONGEST: usize = 230;
/// Hexadecimal digits of the hash that keeps shortened or sanitised names unique.
const HASH_DIGITS: usize = 8;
/// Digits of the fingerprint in a name.
const FINGERPRINT_DIGITS: usize = 16;

#[derive(Debug, Clone, Copy)]
pub struct NameSubject<'a> {
    pub row: &'a Row,
    pub conc: Concurrency,
    pub runner_name: &'a RunnerName,
}

/// The name without extension, as InferenceX's workflows make it:
/// `{exp-name}_{precision}_{framework}_{layout}_disagg-{bool}_spec-{spec}_conc{conc}_{runner-name}[_recipe-{fingerprint}]`,
/// with the layout `tp{tp}-pp{pp}-dcp{dcp}-pcp{pcp}-ep{ep}-dpa{bool}`, or that of the prefill and of the decode workers, and the first
/// digits of the row's fingerprint, if it has one.
///
/// Characters other than ASCII letters, digits, `.`, `_` and `-` become `-`; a name that was changed in this way, or that was too
/// long, ends with a hash of the original.
#[must_use]
pub fn result_file_name(subject: NameSubject<'_>) -> String {
    let NameSubject { row, conc, runner_name } = subject;
    file_name(row, &conc.to_string(), runner_name)
}

/// The common part of the names of a job over several nodes, whose scripts name the file of each point themselves: with all
/// concurrencies, separated by `x`.
#[must_use]
pub fn common_file_name(row: &Row, runner_name: &RunnerName) -> String {
    let concs: Vec<String> = row.conc.as_slice().iter().map(ToString::to_string).collect();
    file_name(row, &concs.join("x"), runner_name)
}

fn file_name(row: &Row, conc: &str, runner_name: &RunnerName) -> String {
    let layout = match &row.layout {
        Layout::SingleNode(parallelism) => single_node(parallelism),
        Layout::MultiNode { prefill, decode } => format!("prefill-{}_decode-{}", workers(prefill), workers(decode)),
    };
    let fingerprint = row.recipe_fingerprint.as_deref().map(|fingerprint| {
        let digits: String = fingerprint.chars().take(FINGERPRINT_DIGITS).collect();
        format!("_recipe-{digits}")
    });
    let fingerprint = fingerprint.or_else(|| variables_of_config(row));
    let raw = format!(
        "{}_{}_{}_{layout}_disagg-{}_spec-{}_conc{conc}_{runner_name}{}",
        row.exp_name,
        row.precision,
        row.framework,
        row.disagg.unwrap_or(false),
        row.spec_decoding,
        fingerprint.unwrap_or_default(),
    );
    safe(&raw)
}

/// Distinguishes rows of one config that have only other variables, where no fingerprint does.
fn variables_of_config(row: &Row) -> Option<String> {
    if row.environment.is_empty() {
        return None;
    }
    let mut hash = Sha256::new();
    for (name, value) in row.environment.iter() {
        hash.update(format!("{name}={value}\0"));
    }
    let mut digits = hex::encode(hash.finalize());
    digits.truncate(HASH_DIGITS);
    Some(format!("_env-{digits}"))
}

fn single_node(parallelism: &Parallelism) -> String {
    let mut text = sizes(parallelism);
    // InferenceX has no replicas of a single-node engine.
    if parallelism.dp_size.get() != 1 {
        text.push_str(&format!("-dp{}", parallelism.dp_size));
    }
    text.push_str(&format!("-dpa{}", parallelism.dp_attn));
    text
}

fn workers(group: &WorkerGroup) -> String {
    let WorkerGroup {
        num_worker, parallelism, ..
    } = group;
    format!("{}-dp{}-nw{num_worker}", sizes(parallelism), parallelism.dp_attn)
}

fn sizes(parallelism: &Parallelism) -> String {
    let Parallelism {
        tp,
        pp,
        dcp_size,
        pcp_size,
        ep,
        dp_attn: _,
        dp_size: _,
    } = parallelism;
    format!("tp{tp}-pp{pp}-dcp{dcp_size}-pcp{pcp_size}-ep{ep}")
}

fn safe(raw: &str) -> String {
    let mut name: String = raw
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .collect();
    // A leading dot hides the file, a leading dash reads as an option.
    if name.starts_with(['.', '-']) {
        name.replace_range(..1, "_");
    }
    if name == raw && name.len() <= LONGEST {
        return name;
    }
    let mut hash = hex::encode(Sha256::digest(raw.as_bytes()));
    hash.truncate(HASH_DIGITS);
    name.truncate(LONGEST - 1 - HASH_DIGITS);
    name.push('-');
    name.push_str(&hash);
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn name_of(exp_name: &str, runner: &str, pp: u32) -> String {
        let row: Row = serde_json::from_value(json!({
            "image": "i", "model": "m", "model-prefix": "demo", "precision": "fp8", "framework": "sim", "runner": "h100", "isl": 64,
            "osl": 16, "tp": 8, "pp": pp, "ep": 4, "dp-attn": true, "spec-decoding": "mtp", "conc": 16, "max-model-len": 128,
            "exp-name": exp_name, "disagg": false
        }))
        .unwrap();
        let conc = Concurrency::new(16).unwrap();
        let runner_name = runner.parse().unwrap();
        result_file_name(NameSubject {
            row: &row,
            conc,
            runner_name: &runner_name,
        })
    }

    #[test]
    fn name_has_what_distinguishes_points() {
        let expected = "demo_1k1k_fp8_sim_tp8-pp1-dcp1-pcp1-ep4-dpatrue_disagg-false_spec-mtp_conc16_h100-a_0";
        assert_eq!(name_of("demo_1k1k", "h100-a_0", 1), expected);
        assert!(name_of("demo_1k1k", "h100-a_0", 2).contains("_tp8-pp2-dcp1-"));
    }

    #[test]
    fn names_of_several_nodes_have_both_groups_and_all_concurrencies() {
        let workers = |number: u32, tp: u32| json!({ "num-worker": number, "tp": tp, "ep": tp, "dp-attn": number > 1 });
        let row: Row = serde_json::from_value(json!({
            "image": "i", "model": "m", "model-prefix": "demo", "precision": "fp4", "framework": "f", "runner": "gb200", "isl": 64, "osl": 16,
            "prefill": workers(5, 4), "decode": workers(1, 8), "spec-decoding": "none", "conc": [4, 64], "max-model-len": 128,
            "exp-name": "demo_64", "disagg": true, "recipe-fingerprint": "0123456789abcdef0123"
        }))
        .unwrap();
        let runner = "gb200_0".parse().unwrap();
        let layout = "prefill-tp4-pp1-dcp1-pcp1-ep4-dptrue-nw5_decode-tp8-pp1-dcp1-pcp1-ep8-dpfalse-nw1";
        assert_eq!(
            common_file_name(&row, &runner),
            format!("demo_64_fp4_f_{layout}_disagg-true_spec-none_conc4x64_gb200_0_recipe-0123456789abcdef")
        );
    }

    #[test]
    fn unsafe_characters_are_replaced_without_collisions() {
        let names = [name_of("../a b", "n_0", 1), name_of("../a/b", "n_0", 1)];
        assert_ne!(names[0], names[1]);
        for name in names {
            assert!(name.starts_with("_.-a-b_fp8_") && !name.contains('/'), "{name}");
        }
    }

    #[test]
    fn long_names_are_shortened_without_collisions() {
        let long = "x".repeat(400);
        let names = [name_of(&long, "n_0", 1), name_of(&long, "n_1", 1)];
        assert_ne!(names[0], names[1]);
        assert!(names.iter().all(|name| name.len() == LONGEST));
    }
}
