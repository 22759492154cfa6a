//! Differences in meaning between the two periods of the format, as data on each entry. Code that uses an entry reads
//! the convention that it needs and never the dialect.

use crate::model::SeqLens;

/// Rules that follow from the dialect of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conventions {
    /// Tokens of the engine's context beyond input and output.
    pub context_margin: u32,
    /// Which rows get an accuracy evaluation.
    pub evals: EvalPolicy,
    /// Whether evaluations are chosen by default, or only on request.
    pub evals_by_default: bool,
    /// The short names of sequence lengths in that period.
    pub seq_len_names: &'static [&'static str],
    /// The lengths at which nodes are checked; `None` means an entry's first block.
    pub check_lens: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EvalPolicy {
    /// At 8k1k, the highest and the median concurrency of each group, none below 16.
    HighAndMedianConcurrency,
    /// At 1k8k, the highest and the lowest TP of each group, each at its highest concurrency.
    HighAndLowTp,
}

impl Conventions {
    /// The name of lengths in experiment names: the short one if the period has it, otherwise `isl_osl`.
    #[must_use]
    pub fn name_of(self, lens: SeqLens) -> String {
        match lens.short_name() {
            Some(name) if self.seq_len_names.contains(&name) => name.to_owned(),
            Some(_) | None => format!("{}_{}", lens.isl, lens.osl),
        }
    }

    /// Entries with `scenarios:`, since spring 2026.
    pub const SCENARIOS: Self = Self {
        context_margin: 256,
        evals: EvalPolicy::HighAndMedianConcurrency,
        evals_by_default: true,
        seq_len_names: &["1k1k", "8k1k"],
        check_lens: None,
    };

    /// Entries with `seq-len-configs:` at their top level, until spring 2026.
    pub const SEQ_LEN_CONFIGS: Self = Self {
        context_margin: 200,
        evals: EvalPolicy::HighAndLowTp,
        evals_by_default: false,
        seq_len_names: &["1k1k", "1k8k", "8k1k"],
        check_lens: Some("1k1k"),
    };
}
