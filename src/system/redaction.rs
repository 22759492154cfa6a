//! Replaces secrets with `***` in messages, documents and all files of a job's output folder, whichever process wrote them. The
//! JSON-escaped form of a secret is found too.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use serde_json::Value;

use crate::model::Secret;
use crate::system::files::{self, FileError};
use crate::system::untrusted;

/// Maximum number of files searched in a folder, far above those of any benchmark job.
const MAX_FILES: usize = 100_000;

/// The text with the secrets replaced.
#[must_use]
pub fn redact(text: &str, secrets: &[Secret]) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| secret.redact(&text))
}

/// The document with the secrets replaced in all strings. Keys come from this program and are not searched.
#[must_use]
pub fn redact_document(document: Value, secrets: &[Secret]) -> Value {
    let all = |value| redact_document(value, secrets);
    match document {
        Value::String(text) => Value::String(redact(&text, secrets)),
        Value::Array(items) => Value::Array(items.into_iter().map(all).collect()),
        Value::Object(members) => Value::Object(members.into_iter().map(|(key, value)| (key, all(value))).collect()),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
    }
}

/// The outcome of [`clean_folder`].
#[derive(Debug, Default)]
pub struct Cleaned {
    /// Files from which secrets were removed.
    pub rewritten: Vec<PathBuf>,
    /// Files and folders that could not be searched, and why.
    pub unread: Vec<FileError>,
    /// Files that contain a secret and could not be rewritten, and why.
    pub kept: Vec<FileError>,
}

/// Rewrites every file below a folder that contains a secret, smallest first, until `has_time` returns false. Symbolic links are
/// not followed.
#[must_use]
pub fn clean_folder(folder: &Path, secrets: &[Secret], has_time: &dyn Fn() -> bool) -> Cleaned {
    let mut cleaned = Cleaned::default();
    let forms: Vec<String> = secrets.iter().flat_map(Secret::forms).collect();
    if forms.is_empty() {
        return cleaned;
    }
    let finder = match AhoCorasick::new(&forms) {
        Ok(finder) => finder,
        Err(error) => {
            cleaned.unread.push(unreadable(folder, io::Error::other(error)));
            return cleaned;
        }
    };
    for path in files_below(folder, &mut cleaned.unread) {
        match contains_any(&path, &finder, has_time) {
            Ok(false) => {}
            Ok(true) => match forms.iter().try_for_each(|form| replace_secret(form, &path, has_time)) {
                Ok(()) => cleaned.rewritten.push(path),
                Err(error) => cleaned.kept.push(error),
            },
            Err(source) => cleaned.unread.push(unreadable(&path, source)),
        }
    }
    cleaned
}

fn unreadable(path: &Path, source: io::Error) -> FileError {
    FileError::Read {
        path: path.to_owned(),
        source,
    }
}

/// The files, smallest first: if the time runs out, most of them have been searched.
fn files_below(folder: &Path, unread: &mut Vec<FileError>) -> Vec<PathBuf> {
    let mut open = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                unread.push(unreadable(&folder, error));
                continue;
            }
        };
        for entry in entries {
            match entry.and_then(|entry| Ok((entry.metadata()?, entry.path()))) {
                Ok((data, path)) if data.is_dir() => open.push(path),
                Ok((data, path)) if data.is_file() => found.push((data.len(), path)),
                Ok(_) => {}
                Err(error) => unread.push(unreadable(&folder, error)),
            }
            if found.len() + open.len() > MAX_FILES {
                let problem = format!("more than {MAX_FILES} files");
                unread.push(unreadable(&folder, io::Error::other(problem)));
                open.clear();
                break;
            }
        }
    }
    found.sort_unstable();
    found.into_iter().map(|(_, path)| path).collect()
}

/// A file whose reads fail once the time has run out.
struct DeadlineReader<'a> {
    file: File,
    has_time: &'a dyn Fn() -> bool,
}

impl Read for DeadlineReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !(self.has_time)() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "time limit exceeded"));
        }
        self.file.read(buffer)
    }
}

fn contains_any(path: &Path, finder: &AhoCorasick, has_time: &dyn Fn() -> bool) -> io::Result<bool> {
    let file = untrusted::open_regular(path)?;
    let found = finder.stream_find_iter(DeadlineReader { file, has_time }).next();
    found.transpose().map(|found| found.is_some())
}

/// Replaces one secret at a time, because one may be part of another.
fn replace_secret(secret: &str, path: &Path, has_time: &dyn Fn() -> bool) -> Result<(), FileError> {
    let file = untrusted::open_regular(path).map_err(|source| unreadable(path, source))?;
    let source = BufReader::new(DeadlineReader { file, has_time });
    files::rewrite_with(path, |target| {
        let finder = AhoCorasick::new([secret]).map_err(io::Error::other)?;
        finder.try_stream_replace_all(source, target, &["***"])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secrets() -> [Secret; 2] {
        ["hf_abcdef", "with \"quote\""].map(|text| Secret::new(text.to_owned()))
    }

    #[test]
    fn secrets_leave_all_files_of_a_folder_also_across_pieces_and_as_json_writes_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("deep")).unwrap();
        // Longer than any buffer, and not a multiple of one.
        let padding = "x".repeat((1 << 20) - 4);
        files::write(&path("server.log"), b"token=hf_abcdef \xff end").unwrap();
        files::write(&path("deep/raw.json"), format!("{padding}hf_abcdef").as_bytes()).unwrap();
        files::write(&path("deep/input.json"), json!({"key": "with \"quote\""}).to_string().as_bytes()).unwrap();
        files::write(&path("clean"), b"nothing").unwrap();
        std::os::unix::fs::symlink("/nonexistent/hf_abcdef", path("link")).unwrap();
        let cleaned = clean_folder(folder.path(), &secrets(), &|| true);
        assert_eq!(
            cleaned.rewritten,
            [path("server.log"), path("deep/input.json"), path("deep/raw.json")]
        );
        assert!(cleaned.unread.is_empty() && cleaned.kept.is_empty(), "{cleaned:?}");
        assert_eq!(files::read(&path("server.log")).unwrap(), b"token=*** \xff end");
        assert!(files::read_text(&path("deep/raw.json")).unwrap().ends_with("xxx***"));
        assert_eq!(files::read_text(&path("deep/input.json")).unwrap(), "{\"key\":\"***\"}");
        assert!(clean_folder(folder.path(), &secrets(), &|| true).rewritten.is_empty());
        assert_eq!(clean_folder(&path("absent"), &secrets(), &|| true).unread.len(), 1);
        files::write(&path("late"), b"hf_abcdef").unwrap();
        assert_eq!(clean_folder(folder.path(), &secrets(), &|| false).unread.len(), 5);
    }

    #[test]
    fn secrets_in_documents_are_replaced() {
        let document = json!({"reason": "401 for hf_abcdef", "list": [1, null, {"key": "hf_abcdef"}]});
        assert_eq!(
            redact_document(document, &secrets()),
            json!({"reason": "401 for ***", "list": [1, null, {"key": "***"}]})
        );
    }
}
