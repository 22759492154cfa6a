//! Traces of profiled rows: which files are traces, and their names among the results.

use serde::{Deserialize, Serialize};

/// The folder in a job's output folder that engines write traces to. Hidden, because artifacts shall not have what is left in it.
pub const TRACE_FOLDER: &str = ".imax-traces";

/// The variables that tell vLLM (up to 0.12) and SGLang where PyTorch's profiler writes.
pub const TORCH_PROFILER_FOLDERS: [&str; 2] = ["VLLM_TORCH_PROFILER_DIR", "SGLANG_TORCH_PROFILER_DIR"];

/// A trace among the results of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceRecord {
    /// The file, relative to the folder of `job.json`.
    pub file: String,
    /// Its name as the engine wrote it.
    pub original: String,
    /// Its size, bytes.
    pub bytes: u64,
}

/// Endings of traces. vLLM writes `HOST_PID.TIME.pt.trace.json.gz` and, for its front end, `HOST_PID.async_llm.TIME.pt.trace.json.gz`;
/// SGLang `TIME-TP-0.trace.json.gz`; Nsight Systems `NAME.nsys-rep`, or `NAME.qdstrm` where it could not make a report.
const ENDINGS: [&str; 4] = [".trace.json.gz", ".trace.json", ".nsys-rep", ".qdstrm"];

/// Whether a file with this name is a trace.
#[must_use]
pub fn is_trace(name: &str) -> bool {
    ending(name).is_some()
}

/// The name of a trace among the results: `profile_<RESULT_FILENAME>` as InferenceX names it, then, of several, what distinguishes it.
#[must_use]
pub fn trace_file(result_filename: &str, original: &str, is_only: bool) -> String {
    let ending = ending(original).unwrap_or_default();
    // InferenceX's library names one of them so itself.
    if is_only || original == format!("profile_{result_filename}{ending}") {
        return format!("profile_{result_filename}{ending}");
    }
    let stem = original.strip_suffix(ending).unwrap_or(original);
    let stem: String = stem.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
    // Names are at most 255 bytes on the file systems in use.
    let longest = 250_usize.saturating_sub("profile__".len() + result_filename.len() + ending.len());
    let stem = stem.get(stem.len().saturating_sub(longest)..).unwrap_or_default();
    format!("profile_{result_filename}_{stem}{ending}")
}

fn ending(name: &str) -> Option<&'static str> {
    let found = ENDINGS.into_iter().find(|ending| name.ends_with(ending));
    found.filter(|ending| !name.starts_with('.') && name.len() > ending.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_are_told_from_other_files_and_named() {
        for (original, only, among_several) in [
            (
                "node-7_812.1764500000000000000.pt.trace.json.gz",
                Some("profile_r.trace.json.gz"),
                "profile_r_node-7_812.1764500000000000000.pt.trace.json.gz",
            ),
            (
                "1764500000-TP-0.trace.json.gz",
                Some("profile_r.trace.json.gz"),
                "profile_r_1764500000-TP-0.trace.json.gz",
            ),
            (
                "profile_r.trace.json.gz",
                Some("profile_r.trace.json.gz"),
                "profile_r.trace.json.gz",
            ),
            ("nsys-91.1.nsys-rep", Some("profile_r.nsys-rep"), "profile_r_nsys-91.1.nsys-rep"),
            (
                "a b/..\u{202e}c.trace.json",
                Some("profile_r.trace.json"),
                "profile_r_ab..c.trace.json",
            ),
            ("results.json", None, ""),
            (".trace.json", None, ""),
            (".hidden.trace.json", None, ""),
        ] {
            assert_eq!(is_trace(original), only.is_some(), "{original}");
            if let Some(only) = only {
                assert_eq!(trace_file("r", original, true), only);
                assert_eq!(trace_file("r", original, false), among_several);
            }
        }
        assert_eq!(
            trace_file(&"r".repeat(100), &format!("{}.trace.json", "x".repeat(300)), false).len(),
            250
        );
    }
}
