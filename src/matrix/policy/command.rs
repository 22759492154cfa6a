//! Commands in comments: `/sweep full dsr1-fp8-*`.

use std::collections::BTreeMap;

use crate::matrix::row_filter::{RowFilter, RowFilterError};
use crate::settings::Mode;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Sweep {
        /// The mode; if absent, that of the pull request's label, otherwise trimmed.
        mode: Option<Mode>,
        /// Config keys, with wildcards; if empty, those that the pull request's changelog selects.
        config_keys: Vec<String>,
        /// Evaluate accuracy and do not measure.
        evals_only: bool,
        /// Evaluate accuracy at every point that can be evaluated.
        all_evals: bool,
        /// Only these of the rows: `conc=64 seq-lens=1k1k`, by the names of the flags of `imax plan`.
        filter: Box<RowFilter>,
    },
    /// Repeat what the pull request's labels and changelog select.
    Retry,
}

/// Why the command in a comment is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// A word that is neither a mode nor a config key.
    #[error("unknown option `{0}`, expected full, trimmed, evals-only, all-evals, retry, config keys or filters such as conc=64")]
    Option(String),
    /// Two modes at once.
    #[error("the command asks for both full and trimmed; give one")]
    TwoModes,
    /// `retry` with other options.
    #[error("`retry` takes no other options")]
    Retry,
    #[error("unknown filter `{found}`, expected one of {known}")]
    UnknownFilter { found: String, known: String },
    #[error("`{0}=` is given twice; separate values by commas")]
    TwoFilters(String),
    #[error(transparent)]
    Filter(#[from] RowFilterError),
}

impl Command {
    /// Parses a comment: the command is on its first line that is not blank, after `word`.
    ///
    /// # Errors
    /// If the comment begins with the command's word and continues with invalid options.
    pub fn parse(word: &str, comment: &str) -> Option<Result<Self, CommandError>> {
        let line = comment.lines().map(str::trim).find(|line| !line.is_empty())?;
        let mut words = line.split_whitespace();
        if words.next() != Some(word) {
            return None;
        }
        Some(Self::options(&words.collect::<Vec<_>>()))
    }

    fn options(words: &[&str]) -> Result<Self, CommandError> {
        if words.contains(&"retry") {
            return if words.len() == 1 {
                Ok(Self::Retry)
            } else {
                Err(CommandError::Retry)
            };
        }
        let (mut wanted, mut config_keys) = (None, Vec::new());
        let (mut evals_only, mut all_evals) = (false, false);
        let mut filters: BTreeMap<&str, &str> = BTreeMap::new();
        for word in words {
            let mode = match *word {
                "full" => Mode::Full,
                "trimmed" => Mode::Trimmed,
                "evals-only" => {
                    evals_only = true;
                    continue;
                }
                "all-evals" => {
                    all_evals = true;
                    continue;
                }
                key if is_key(key) => {
                    config_keys.push(key.to_owned());
                    continue;
                }
                other => {
                    let (name, value) = other.split_once('=').ok_or_else(|| CommandError::Option(other.to_owned()))?;
                    if !RowFilter::NAMES.contains(&name) {
                        return Err(CommandError::UnknownFilter {
                            found: name.to_owned(),
                            known: RowFilter::NAMES.join(", "),
                        });
                    }
                    if value.is_empty() {
                        return Err(CommandError::Option(other.to_owned()));
                    }
                    if filters.insert(name, value).is_some() {
                        return Err(CommandError::TwoFilters(name.to_owned()));
                    }
                    continue;
                }
            };
            if wanted.replace(mode).is_some_and(|before| before != mode) {
                return Err(CommandError::TwoModes);
            }
        }
        Ok(Self::Sweep {
            mode: wanted,
            config_keys,
            evals_only,
            all_evals,
            filter: Box::new(RowFilter::parse(|name| filters.get(name).copied())?),
        })
    }
}

/// Config keys contain at least one `-`, patterns a `*`; any other word is a typo and must not be taken for a key.
fn is_key(word: &str) -> bool {
    (word.contains('-') || word.contains('*'))
        && !word.starts_with('-')
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(mode: Option<Mode>, keys: &[&str]) -> Command {
        Command::Sweep {
            mode,
            config_keys: keys.iter().map(ToString::to_string).collect(),
            evals_only: false,
            all_evals: false,
            filter: Box::default(),
        }
    }

    #[test]
    fn reads_modes_and_keys() {
        for (comment, command) in [
            ("/sweep", sweep(None, &[])),
            (
                "\n /sweep full dsr1-fp8-*  gptoss-fp4-b200-vllm\nplease",
                sweep(Some(Mode::Full), &["dsr1-fp8-*", "gptoss-fp4-b200-vllm"]),
            ),
            ("/sweep trimmed", sweep(Some(Mode::Trimmed), &[])),
            ("/sweep retry", Command::Retry),
        ] {
            assert_eq!(Command::parse("/sweep", comment), Some(Ok(command)), "{comment}");
        }
    }

    #[test]
    fn filters_choose_among_the_rows_of_the_keys() {
        // As the dashboards' inbox writes it.
        let comment = "/sweep full dsr1-fp8-h200-vllm* conc=16,64 seq-lens=1k1k,8k1k";
        let Some(Ok(Command::Sweep { config_keys, filter, .. })) = Command::parse("/sweep", comment) else {
            panic!("not a sweep");
        };
        assert_eq!(
            (config_keys.as_slice(), filter.conc.as_slice(), filter.seq_lens.len()),
            (&["dsr1-fp8-h200-vllm*".to_owned()][..], &[16, 64][..], 2)
        );
        for (comment, expected) in [
            ("/sweep conc=", "unknown option `conc=`"),
            ("/sweep conc=x", "`conc` has \"x\", expected whole numbers above 0"),
            ("/sweep conc=4 conc=8", "`conc=` is given twice; separate values by commas"),
            ("/sweep colour=red", "unknown filter `colour`, expected one of conc, seq-lens"),
            ("/sweep seq-lens=2k2k", "`seq-lens` has \"2k2k\""),
        ] {
            let error = Command::parse("/sweep", comment).unwrap().unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn other_comments_are_ignored_and_typos_are_errors() {
        for comment in ["", "thanks", "/sweeper full", "try `/sweep full`", "> /sweep full"] {
            assert_eq!(Command::parse("/sweep", comment), None, "{comment}");
        }
        for comment in [
            "/sweep ful",
            "/sweep full trimmed",
            "/sweep retry full",
            "/sweep $(id)",
            "/sweep --force",
        ] {
            assert!(matches!(Command::parse("/sweep", comment), Some(Err(_))), "{comment}");
        }
    }
}
