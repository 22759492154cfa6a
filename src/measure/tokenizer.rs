//! Finds and reads the tokenizer of a model: a file, a folder, or a repository of the hub through its cache. A GGUF file contains its
//! tokenizer.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use chrono::Utc;

use crate::load::{ChatTemplate, Tokenizer, TokenizerError, deepseek_v4, gguf};
use crate::measure::hub::{Hub, HubError, HubKind, HubRepository, HubSettings};

const TOKENIZER: &str = "tokenizer.json";
const CONFIG: &str = "tokenizer_config.json";
const TEMPLATE: &str = "chat_template.jinja";

/// Why there is no tokenizer.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerFileError {
    /// Neither a file, nor a folder with one, nor a name of the hub.
    #[error(
        "no tokenizer at {searched}: expected a tokenizer.json, a .gguf file, a folder that contains one, or `owner/name` on the hub; \
         set --tokenizer"
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
    /// There is no usable chat template next to it.
    #[error("{}: {problem}", path.display())]
    ChatTemplate {
        /// The configuration.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl TokenizerFileError {
    /// Whether no tokenizer was found, as opposed to an invalid one.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        match self {
            Self::NotFound { .. } | Self::Hub { .. } => true,
            Self::File(_) | Self::Tokenizer { .. } | Self::ChatTemplate { .. } => false,
        }
    }

    /// Whether the download from the hub failed.
    #[must_use]
    pub fn is_of_the_hub(&self) -> bool {
        match self {
            Self::Hub { .. } => true,
            Self::NotFound { .. } | Self::File(_) | Self::Tokenizer { .. } | Self::ChatTemplate { .. } => false,
        }
    }
}

/// Where the files of a tokenizer are.
enum TokenizerLocation {
    Gguf(PathBuf),
    File(PathBuf),
    Folder(PathBuf),
    Hub(Box<Hub>, HubRepository),
}

/// Reads the tokenizer of a source. A download ends when `go_on` returns false.
///
/// # Errors
/// [`TokenizerFileError`], naming the file or repository.
pub fn read(source: &str, go_on: &mut dyn FnMut() -> bool) -> Result<Tokenizer, TokenizerFileError> {
    let location = locate(source)?;
    if let TokenizerLocation::Gguf(path) = location {
        let bytes = read_metadata(&path)?;
        return gguf::tokenizer(&bytes).map_err(|source| TokenizerFileError::Tokenizer { path, source });
    }
    let path = location.file(TOKENIZER, go_on)?;
    let bytes = crate::system::files::read(&path)?;
    Tokenizer::from_json(&bytes).map_err(|source| TokenizerFileError::Tokenizer { path, source })
}

/// Reads the chat template of a source: `chat_template.jinja`, else the one in `tokenizer_config.json`.
///
/// # Errors
/// [`TokenizerFileError`], also if there is none.
pub fn read_chat_template(source: &str, go_on: &mut dyn FnMut() -> bool) -> Result<ChatTemplate, TokenizerFileError> {
    let location = locate(source)?;
    let (path, config, separate) = match location {
        TokenizerLocation::Gguf(path) => {
            let config = gguf::chat_template_config(&read_metadata(&path)?);
            let config = config.map_err(|source| TokenizerFileError::Tokenizer {
                path: path.clone(),
                source,
            })?;
            (path, config.to_string().into_bytes(), None)
        }
        location @ (TokenizerLocation::File(_) | TokenizerLocation::Folder(_) | TokenizerLocation::Hub(..)) => {
            let path = location.file(CONFIG, go_on)?;
            let config = crate::system::files::read(&path)?;
            let separate = match location.file(TEMPLATE, go_on) {
                Ok(file) => Some(crate::system::files::read_text(&file)?),
                // Most models have the template in the configuration.
                Err(_) => None,
            };
            (path, config, separate)
        }
    };
    let template = match ChatTemplate::from_config(&config, separate.as_deref(), Utc::now()) {
        Ok(template) => template.ok_or_else(|| "it has no chat_template, and there is no chat_template.jinja beside it".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    template.map_err(|problem| TokenizerFileError::ChatTemplate { path, problem })
}

/// The prompt encoding of DeepSeek-V4, which is not in the files of its tokenizer.
///
/// # Errors
/// None in practice.
pub fn deepseek_v4_template() -> Result<ChatTemplate, TokenizerFileError> {
    deepseek_v4(Utc::now()).map_err(|error| TokenizerFileError::ChatTemplate {
        path: "--dsv4".into(),
        problem: error.to_string(),
    })
}

fn locate(source: &str) -> Result<TokenizerLocation, TokenizerFileError> {
    let given = Path::new(source);
    if given.is_dir() {
        return Ok(match gguf_in(given).filter(|_| !given.join(TOKENIZER).is_file()) {
            Some(file) => TokenizerLocation::Gguf(file),
            None => TokenizerLocation::Folder(given.to_owned()),
        });
    }
    if given.is_file() && is_gguf(given) {
        return Ok(TokenizerLocation::Gguf(given.to_owned()));
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
    let settings = HubSettings::from_environment(|name| std::env::var(name).ok());
    let located = settings.and_then(|settings| Ok((Hub::new(settings), HubRepository::new(HubKind::Model, source, None)?)));
    match located {
        Ok((hub, repository)) => Ok(TokenizerLocation::Hub(Box::new(hub), repository)),
        Err(error) => Err(TokenizerFileError::Hub {
            source_name: source.to_owned(),
            source: error,
        }),
    }
}

fn is_gguf(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"))
}

/// The first GGUF file of a folder: a split model has its metadata in the first of its files.
fn gguf_in(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    files.filter(|path| is_gguf(path) && path.is_file()).min()
}

/// Reads the start of a GGUF file, which holds its metadata. The tensors that follow may take gigabytes and are not read.
fn read_metadata(path: &Path) -> Result<Vec<u8>, crate::system::files::FileError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(gguf::METADATA_LIMIT).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(source) => Err(crate::system::files::FileError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

impl TokenizerLocation {
    fn file(&self, name: &str, go_on: &mut dyn FnMut() -> bool) -> Result<PathBuf, TokenizerFileError> {
        let local = match self {
            Self::File(path) if name == TOKENIZER => path.clone(),
            Self::Gguf(path) => path.clone(),
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
