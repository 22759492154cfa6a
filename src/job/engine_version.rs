//! The version of a running engine, from its HTTP endpoints or from its log.

/// Paths at which engines report their version, the most common first: vLLM, TensorRT-LLM and ATOM; SGLang, new and old;
/// llama.cpp.
pub const VERSION_PATHS: [&str; 4] = ["/version", "/server_info", "/get_server_info", "/props"];

/// Keys of the response that hold the version.
const KEYS: [&str; 2] = ["version", "build_info"];
/// Maximum length of a version, characters.
const LONGEST: usize = 100;

#[must_use]
pub fn version_in_answer(body: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = KEYS.iter().find_map(|key| answer.get(key)?.as_str())?;
    plausible(text)
}

/// Texts after which engines log their version.
const SIGNS: [&str; 6] = [
    "vLLM API server version ",
    "SGLang version: ",
    "sglang version: ",
    "TensorRT-LLM version: ",
    "LLM engine (v",
    "build: ",
];

#[must_use]
pub fn version_in_log(log: &str) -> Option<String> {
    SIGNS.iter().find_map(|sign| {
        let after = log.split(sign).nth(1)?;
        let word = after.split(|c: char| c.is_whitespace() || c == ',' || c == ')').next()?;
        plausible(word).filter(|word| word.contains(|c: char| c.is_ascii_digit()))
    })
}

fn plausible(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= LONGEST && text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_engines() {
        for (body, version) in [
            (r#"{"version":"0.10.1.1"}"#, Some("0.10.1.1")),
            (r#"{"model_path":"m","version":"0.5.12","internal_states":[]}"#, Some("0.5.12")),
            (r#"{"build_info":"b1-7e4c0a9","total_slots":2}"#, Some("b1-7e4c0a9")),
            (r#"{"version":"\u001b[31m"}"#, None),
            (r#"{"version":3}"#, None),
            ("<html>", None),
        ] {
            assert_eq!(version_in_answer(body.as_bytes()).as_deref(), version, "{body}");
        }
    }

    #[test]
    fn logs_of_engines() {
        for (log, version) in [
            (
                "INFO 11-22 api_server.py:1896] vLLM API server version 0.10.1.1\n",
                Some("0.10.1.1"),
            ),
            ("Initializing a V1 LLM engine (v0.11.0) with config", Some("0.11.0")),
            ("[TensorRT-LLM] TensorRT-LLM version: 1.2.0rc2", Some("1.2.0rc2")),
            ("build: 6527 (7e4c0a9) with cc", Some("6527")),
            ("build: release", None),
            ("nothing", None),
        ] {
            assert_eq!(version_in_log(log).as_deref(), version, "{log}");
        }
    }
}
