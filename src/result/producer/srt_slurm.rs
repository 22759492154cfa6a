//! The folders that srt-slurm's sa-bench leaves: `sa-bench_isl_8192_osl_1024/results_concurrency_64_gpus_48_ctx_8_gen_40.json`,
//! one file of benchmark_serving.py for each concurrency. The identity of a point comes from its row. The names are only compared
//! with it, so that the files of another job are not used for this one.
//! Source: <https://github.com/NVIDIA/srt-slurm/tree/main/src/srtctl/benchmarks/scripts/sa-bench>.

use crate::model::Concurrency;
use crate::result::{Gpus, PointContext};

/// Facts in the names of a result file and its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultName {
    pub conc: Concurrency,
    /// Input and output tokens of a request, if the folder's name has them.
    pub lens: Option<(u32, u32)>,
    /// All GPUs, if the file's name has them.
    pub gpus: Option<u64>,
    /// GPUs of prefill and of decode, if they are separate.
    pub apart: Option<(u64, u64)>,
}

/// A contradiction between a name and the row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("file name has {what} {found}, expected {expected} from the row; is the file from another job?")]
pub struct ResultNameError {
    what: &'static str,
    found: String,
    expected: String,
}

impl ResultName {
    /// Reads the names of a folder and a file in it; `None` for other files.
    #[must_use]
    pub fn parse(folder: &str, file: &str) -> Option<Self> {
        let words: Vec<&str> = file
            .strip_suffix(".json")?
            .strip_prefix("results_concurrency_")?
            .split('_')
            .collect();
        let (conc, rest) = words.split_first()?;
        Some(Self {
            conc: conc.parse().ok()?,
            lens: lens(folder),
            gpus: number_after(rest, "gpus"),
            apart: number_after(rest, "ctx").zip(number_after(rest, "gen")),
        })
    }

    /// Compares the names with a row's point.
    ///
    /// # Errors
    /// [`ResultNameError`] for the first difference.
    pub fn check(&self, context: &PointContext) -> Result<(), ResultNameError> {
        if let (Some((isl, osl)), Some(lens)) = (self.lens, context.lens) {
            check_equal("ISL/OSL", format!("{isl}/{osl}"), format!("{}/{}", lens.isl, lens.osl))?;
        }
        if let Some(gpus) = self.gpus {
            check_equal("GPUs", gpus.to_string(), context.gpus.total().to_string())?;
        }
        if let (Some((prefill, decode)), Gpus::Apart { prefill: p, decode: d }) = (self.apart, context.gpus) {
            check_equal("prefill and decode GPUs", format!("{prefill} and {decode}"), format!("{p} and {d}"))?;
        }
        Ok(())
    }
}

/// The GPUs of a job by the name under which a launch script copies a result: `..._gpus_48_ctx_8_gen_40.json`. Workers that read prompts
/// and generate have no `ctx` and `gen`. Read as benchmark-multinode-tmpl.yml of InferenceX does.
#[must_use]
pub fn gpus_in_name(file: &str) -> Option<Gpus> {
    let words: Vec<&str> = file.strip_suffix(".json")?.split('_').collect();
    let gpus = number_after(&words, "gpus")?;
    let apart = number_after(&words, "ctx").zip(number_after(&words, "gen"));
    let (prefill, decode) = apart.unwrap_or((gpus, 0));
    Some(Gpus::Apart { prefill, decode })
}

/// The number that follows a word of the file name.
fn number_after(words: &[&str], name: &str) -> Option<u64> {
    let at = words.iter().rposition(|word| *word == name)?;
    words.get(at + 1)?.parse().ok()
}

fn check_equal(what: &'static str, found: String, expected: String) -> Result<(), ResultNameError> {
    if found == expected {
        Ok(())
    } else {
        Err(ResultNameError { what, found, expected })
    }
}

fn lens(folder: &str) -> Option<(u32, u32)> {
    let (isl, osl) = folder.strip_prefix("sa-bench_isl_")?.split_once("_osl_")?;
    Some((isl.parse().ok()?, osl.parse().ok()?))
}
