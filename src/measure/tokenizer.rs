//! Finds and reads the tokenizer that belongs to a model: a file, a folder, or a repository of the hub through its cache.

use std::path::{Path, PathBuf};

use chrono::Utc;

use crate::load::chat_template::ChatTemplateError;
use crate::load::{ChatTemplate, Tokenizer, TokenizerError};
use crate::measure::hub::{Hub, HubError, HubKind, HubRepository, HubSettings};

const TOKENIZER: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";
const TEMPLATE: &str = "chat_template.jinja";

/// Why there is no tokenizer.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerFileError {
    /// Neither a file, nor a folder with one, nor a name of the hub.
    #[error(
        "no tokenizer at {searched}: expected a tokenizer.json, a folder that contains one, or `owner/name` on the hub; set --tokenizer"
    )]
    NotFound {
        /// The source.
        searched: String,
    },
    /// It cannot be downloaded from the hub.
    #[error("no tokenizer for {source_name}: {source}; to use a local one set --tokenizer")]
    Hub {
        /// The repository.
        source_name: String,
        /// Why.
        source: HubError,
    },
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] crate::system::files::FileError),
    /// The file is not a tokenizer.
    #[error("{}: {source}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: TokenizerError,
    },
    /// There is no usable chat template beside it.
    #[error("{}: {problem}", path.display())]
    ChatTemplate {
        /// The configuration.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// Where the files of a tokenizer are.
enum TokenizerLocation {
    File(PathBuf),
    Folder(PathBuf),
    Hub(Box<Hub>, HubRepository),
}

/// Reads the tokenizer of a source. A download ends when `go_on` returns false.
///
/// # Errors
/// [`TokenizerFileError`], naming the file or repository.
pub fn read(source: &str, go_on: &mut dyn FnMut() -> bool) -> Result<Tokenizer, TokenizerFileError> {
    let path = locate(source)?.file(TOKENIZER, go_on)?;
    let bytes = crate::system::files::read(&path)?;
    Tokenizer::from_json(&bytes).map_err(|source| TokenizerFileError::Tokenizer { path, source })
}

/// Reads the chat template of a source: `chat_template.jinja`, else the one in `tokenizer_config.json`.
///
/// # Errors
/// [`TokenizerFileError`], also where there is none.
pub fn read_chat_template(source: &str, go_on: &mut dyn FnMut() -> bool) -> Result<ChatTemplate, TokenizerFileError> {
    let location = locate(source)?;
    let path = location.file(CONFIG, go_on)?;
    let config = crate::system::files::read(&path)?;
    let separate = match location.file(TEMPLATE, go_on) {
        Ok(file) => Some(crate::system::files::read_text(&file)?),
        // Most models have the template in the configuration.
        Err(_) => None,
    };
    let problem = |problem: String| TokenizerFileError::ChatTemplate {
        path: path.clone(),
        problem,
    };
    let template = ChatTemplate::from_config(&config, separate.as_deref(), Utc::now());
    let template = template.map_err(|error: ChatTemplateError| problem(error.to_string()))?;
    template.ok_or_else(|| problem("it has no chat_template, and there is no chat_template.jinja beside it".to_owned()))
}

fn locate(source: &str) -> Result<TokenizerLocation, TokenizerFileError> {
    let given = Path::new(source);
    if given.is_dir() {
        return Ok(TokenizerLocation::Folder(given.to_owned()));
    }
    if given.is_file() {
        return Ok(TokenizerLocation::File(given.to_owned()));
    }
    let is_name = source.split('/').count() == 2 && !source.starts_with(['/', '.', '~']);
    if !is_name {
        return Err(TokenizerFileError::NotFound {
            searched: source.to_owned(),
        });
    }
    let wrong = |error| TokenizerFileError::Hub {
        source_name: source.to_owned(),
        source: error,
    };
    let settings = HubSettings::from_environment(|name| std::env::var(name).ok()).map_err(wrong)?;
    let repository = HubRepository::new(HubKind::Model, source, None).map_err(wrong)?;
    Ok(TokenizerLocation::Hub(Box::new(Hub::new(settings)), repository))
}

impl TokenizerLocation {
    fn file(&self, name: &str, go_on: &mut dyn FnMut() -> bool) -> Result<PathBuf, TokenizerFileError> {
        let local = match self {
            Self::File(path) if name == TOKENIZER => path.clone(),
            Self::File(path) => path.with_file_name(name),
            Self::Folder(folder) => folder.join(name),
            Self::Hub(hub, repository) => {
                let file = hub.file(repository, name, go_on).map_err(|source| TokenizerFileError::Hub {
                    source_name: repository.id().to_owned(),
                    source,
                })?;
                return Ok(file.path);
            }
        };
        if local.is_file() {
            return Ok(local);
        }
        Err(TokenizerFileError::NotFound {
            searched: local.display().to_string(),
        })
    }
}
