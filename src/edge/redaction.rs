//! Secrets leave what a job leaves behind: texts that are shown, and every file of its output folder, whoever wrote it. A
//! secret in JSON is found as JSON writes it, too.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;
use serde_json::Value;

use super::files::{self, FileError};
use crate::model::Secret;

/// Bytes that are looked at in one go.
const PIECE: usize = 1 << 20;
/// Files of a folder that are looked at; a job that leaves more is no benchmark's.
const MOST_FILES: usize = 100_000;

/// The text without the secrets.
#[must_use]
pub fn redact(text: &str, secrets: &[Secret]) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| secret.redact(&text))
}

/// The document with the secrets taken out of all its texts and keys.
#[must_use]
pub fn redact_document(document: Value, secrets: &[Secret]) -> Value {
    let all = |value| redact_document(value, secrets);
    match document {
        Value::String(text) => Value::String(redact(&text, secrets)),
        Value::Array(items) => Value::Array(items.into_iter().map(all).collect()),
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(key, value)| (redact(&key, secrets), all(value)))
                .collect(),
        ),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
    }
}

/// What became of the files of a folder.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// Files that held secrets and hold them no more.
    pub rewritten: Vec<PathBuf>,
    /// Files and folders that could not be read or rewritten, and why.
    pub refused: Vec<FileError>,
}

/// Rewrites every file of a folder, and of the folders below it, that holds one of the secrets. Links are not followed.
#[must_use]
pub fn clean_folder(folder: &Path, secrets: &[Secret]) -> Cleaned {
    let needles: Vec<Vec<u8>> = secrets.iter().flat_map(Secret::forms).map(String::into_bytes).collect();
    let mut cleaned = Cleaned::default();
    if needles.is_empty() {
        return cleaned;
    }
    for path in files_below(folder, &mut cleaned.refused) {
        match clean_file(&path, &needles) {
            Ok(true) => cleaned.rewritten.push(path),
            Ok(false) => {}
            Err(error) => cleaned.refused.push(error),
        }
    }
    cleaned
}

fn files_below(folder: &Path, refused: &mut Vec<FileError>) -> Vec<PathBuf> {
    let mut open = vec![folder.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        let mut unreadable = |source| {
            refused.push(FileError::Read {
                path: folder.clone(),
                source,
            });
        };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                unreadable(error);
                continue;
            }
        };
        for entry in entries {
            match entry.and_then(|entry| Ok((entry.file_type()?, entry.path()))) {
                Ok((kind, path)) if kind.is_dir() => open.push(path),
                Ok((kind, path)) if kind.is_file() => found.push(path),
                Ok(_) => {}
                Err(error) => unreadable(error),
            }
            if found.len() + open.len() > MOST_FILES {
                unreadable(io::Error::other(format!("it holds more than {MOST_FILES} files")));
                return found;
            }
        }
    }
    found.sort_unstable();
    found
}

fn clean_file(path: &Path, needles: &[Vec<u8>]) -> Result<bool, FileError> {
    let holds = holds_any(path, needles).map_err(|source| FileError::Read {
        path: path.to_owned(),
        source,
    });
    if !holds? {
        return Ok(false);
    }
    let cleaned = needles.iter().fold(files::read(path)?, |bytes, needle| without(&bytes, needle));
    files::write(path, &cleaned).map(|()| true)
}

/// Piece by piece, because results may be large and hardly one holds a secret.
fn holds_any(path: &Path, needles: &[Vec<u8>]) -> io::Result<bool> {
    let finders: Vec<Finder<'_>> = needles.iter().map(Finder::new).collect();
    // A secret may lie across two pieces.
    let overlap = needles.iter().map(Vec::len).max().unwrap_or(0);
    let mut file = File::open(path)?;
    let mut bytes = Vec::with_capacity(PIECE + overlap);
    loop {
        let read = file.by_ref().take(PIECE as u64).read_to_end(&mut bytes)?;
        if finders.iter().any(|finder| finder.find(&bytes).is_some()) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        bytes.drain(..bytes.len().saturating_sub(overlap));
    }
}

fn without(bytes: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut cleaned = Vec::with_capacity(bytes.len());
    let mut from = 0;
    for at in memchr::memmem::find_iter(bytes, secret) {
        cleaned.extend_from_slice(bytes.get(from..at).unwrap_or_default());
        cleaned.extend_from_slice(b"***");
        from = at + secret.len();
    }
    cleaned.extend_from_slice(bytes.get(from..).unwrap_or_default());
    cleaned
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
        let padding = "x".repeat(PIECE - 4);
        files::write(&path("server.log"), b"token=hf_abcdef \xff end").unwrap();
        files::write(&path("deep/raw.json"), format!("{padding}hf_abcdef").as_bytes()).unwrap();
        files::write(&path("deep/input.json"), json!({"key": "with \"quote\""}).to_string().as_bytes()).unwrap();
        files::write(&path("clean"), b"nothing").unwrap();
        std::os::unix::fs::symlink("/nonexistent/hf_abcdef", path("link")).unwrap();
        let cleaned = clean_folder(folder.path(), &secrets());
        assert_eq!(
            cleaned.rewritten,
            [path("deep/input.json"), path("deep/raw.json"), path("server.log")]
        );
        assert!(cleaned.refused.is_empty(), "{:?}", cleaned.refused);
        assert_eq!(files::read(&path("server.log")).unwrap(), b"token=*** \xff end");
        assert!(files::read_text(&path("deep/raw.json")).unwrap().ends_with("xxx***"));
        assert_eq!(files::read_text(&path("deep/input.json")).unwrap(), "{\"key\":\"***\"}");
        assert!(clean_folder(folder.path(), &secrets()).rewritten.is_empty());
        assert_eq!(clean_folder(&path("absent"), &secrets()).refused.len(), 1);
    }

    #[test]
    fn secrets_leave_documents() {
        let document = json!({"reason": "401 for hf_abcdef", "list": [1, null, {"hf_abcdef": true}]});
        assert_eq!(
            redact_document(document, &secrets()),
            json!({"reason": "401 for ***", "list": [1, null, {"***": true}]})
        );
    }
}
