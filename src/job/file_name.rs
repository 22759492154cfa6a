//! `RESULT_FILENAME`: the common name of the files of a point. It is for people and globs and is never parsed: a point is identified by
//! its key. Two points of a run never have the same name.

use sha2::{Digest as _, Sha256};

use crate::matrix::Row;
use crate::model::{Concurrency, Layout, Parallelism, RunnerName};

/// Maximum length, bytes: file systems allow 255, and `agg_`, `.json` and parts of temporary names are added.
const LONGEST: usize = 200;
/// Hexadecimal digits of the hash that keeps shortened or sanitised names unique.
const HASH_DIGITS: usize = 8;

#[derive(Debug, Clone, Copy)]
pub struct NameSubject<'a> {
    pub row: &'a Row,
    pub conc: Concurrency,
    pub runner_name: &'a RunnerName,
}

/// The name without extension:
/// `{exp-name}_{precision}_{framework}_tp{tp}-ep{ep}-dpa{bool}_disagg-{bool}_spec-{spec}_conc{conc}_{runner-name}`.
///
/// PP, DCP and PCP follow the TP if they differ from 1; rows over several nodes have the short name of the layout instead of the TP.
/// Characters other than ASCII letters, digits, `.`, `_` and `-` become `-`; a name that was changed in this way, or that was too
/// long, ends with a hash of the original.
#[must_use]
pub fn result_file_name(subject: NameSubject<'_>) -> String {
    let NameSubject { row, conc, runner_name } = subject;
    let layout = match &row.layout {
        Layout::SingleNode(parallelism) => single_node(parallelism),
        layout @ Layout::MultiNode { .. } => layout.to_string(),
    };
    let raw = format!(
        "{}_{}_{}_{layout}_disagg-{}_spec-{}_conc{conc}_{runner_name}",
        row.exp_name,
        row.precision,
        row.framework,
        row.disagg.unwrap_or(false),
        row.spec_decoding,
    );
    safe(&raw)
}

fn single_node(parallelism: &Parallelism) -> String {
    let Parallelism {
        tp,
        pp,
        dcp_size,
        pcp_size,
        ep,
        dp_attn,
        dp_size,
    } = parallelism;
    let mut text = format!("tp{tp}");
    for (name, size) in [("dp", dp_size), ("pp", pp), ("dcp", dcp_size), ("pcp", pcp_size)] {
        if size.get() != 1 {
            text.push_str(&format!("-{name}{size}"));
        }
    }
    text.push_str(&format!("-ep{ep}-dpa{dp_attn}"));
    text
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
        let expected = "demo_1k1k_fp8_sim_tp8-ep4-dpatrue_disagg-false_spec-mtp_conc16_h100-a_0";
        assert_eq!(name_of("demo_1k1k", "h100-a_0", 1), expected);
        assert!(name_of("demo_1k1k", "h100-a_0", 2).contains("_tp8-pp2-ep4-"));
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
