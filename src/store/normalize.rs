//! Normalises results: writes `agg_*.json` from the raw result of a load generator and the facts about its job.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use super::artifacts::{self, ArtifactError};
use super::hardware::{HardwareError, HardwareFiles};
use super::power::{MeasuredPower, PowerSources};
use crate::matrix::Row;
use crate::result::{
    self, Agg, ContextError, Dialect, Json, Normalised, NormalizeError, Origin, PointContext, ProducerError, ResultName, ResultNameError,
};
use crate::system::files::{self, FileError};

#[derive(Debug)]
pub(crate) enum NormalizeInput {
    /// The result of a matrix row.
    Row {
        row: PathBuf,
        /// The raw result, or a folder of srt-slurm.
        raw: PathBuf,
        /// The measured concurrency; required if the row has several and the raw result is one file.
        conc: Option<NonZeroU32>,
        /// The table of GPU samples [default: gpu_metrics.csv next to the raw result].
        gpu_metrics: Option<PathBuf>,
    },
    /// The result that the environment describes, as for process_result.py.
    Environment(Dialect),
}

#[derive(Debug)]
pub(crate) struct Normalized {
    pub agg: Agg,
    pub out: PathBuf,
    /// What is suspicious about a result that process_result.py accepts.
    pub warnings: Vec<String>,
    /// The raw result's file.
    pub raw: PathBuf,
    power: MeasuredPower,
    is_power_required: bool,
    has_power_record: bool,
}

/// Why there is no normalised result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NormalizeFileError {
    #[error(transparent)]
    Read(#[from] FileError),
    /// The folder of srt-slurm cannot be listed.
    #[error(transparent)]
    Folder(#[from] ArtifactError),
    #[error("{}", path.display())]
    Row { path: PathBuf, source: serde_json::Error },
    /// The row does not say which of its concurrencies was measured.
    #[error("{}: the row has several concurrencies; give the one that was measured with --conc", .0.display())]
    SeveralConcurrencies(PathBuf),
    /// The row does not describe a point.
    #[error("{}", path.display())]
    RowContext { path: PathBuf, source: ContextError },
    /// The environment does not describe a point.
    #[error(transparent)]
    Environment(ContextError),
    #[error("{0}")]
    Hardware(#[from] HardwareError),
    /// A result on unknown hardware could not be compared or priced; most likely the name is misspelt.
    #[error("`runner` of the row: {0}")]
    UnknownHardware(String),
    /// The folder has no result or several at a concurrency.
    #[error("{}: {found} results at concurrency {conc}, expected one named results_concurrency_{conc}_….json", folder.display())]
    ResultCount { folder: PathBuf, found: usize, conc: NonZeroU32 },
    /// The name of a result contradicts the row.
    #[error("{}", path.display())]
    Name { path: PathBuf, source: ResultNameError },
    /// The format of the raw result is unknown or invalid.
    #[error("{}", path.display())]
    Producer { path: PathBuf, source: ProducerError },
    /// The raw result is invalid, or nothing was measured.
    #[error("{}", path.display())]
    Result { path: PathBuf, source: NormalizeError },
    #[error(transparent)]
    Write(FileError),
    /// Power is required and unknown.
    #[error(
        "{}: REQUIRE_POWER is set, but the power of the load is not known ({}), looked for in {}",
        path.display(), reasons.join(", "), source_path.display()
    )]
    NoPower {
        path: PathBuf,
        reasons: Vec<String>,
        source_path: PathBuf,
    },
}

/// Reads and normalises results: one, or for a folder one for each concurrency. Nothing is written. `out` is the file for the
/// result or, for a folder, the folder for the results; the default is `agg_<name>` next to the raw result.
///
/// # Errors
/// [`NormalizeFileError`]; no result of a folder is returned if one is invalid.
pub(crate) fn normalize(
    input: &NormalizeInput,
    hardware: &HardwareFiles,
    out: Option<&Path>,
) -> Result<Vec<Normalized>, NormalizeFileError> {
    match input {
        NormalizeInput::Row {
            row: path,
            raw,
            conc,
            gpu_metrics,
        } => {
            let row = read_row(path)?;
            let mut power = PowerSources::beside(raw, &variable);
            if let Some(table) = gpu_metrics {
                power.tables = vec![table.clone()];
            }
            if raw.is_dir() {
                check_hardware(hardware, row.runner.as_str())?;
                return normalize_folder(raw, &row, *conc, &power, out);
            }
            let context = row_context(path, &row, *conc)?;
            check_hardware(hardware, context.curve.runner.as_str())?;
            Ok(vec![normalize_file(raw, &context, &power, out)?])
        }
        NormalizeInput::Environment(dialect) => {
            let (raw, context) = environment_context(*dialect)?;
            let unknown = hardware.why_unknown(context.curve.runner.as_str())?;
            let mut normalized = normalize_file(&raw, &context, &PowerSources::from_environment(&variable), out)?;
            if let Some(reason) = unknown {
                let warning = format!("warning[unknown-hardware]: RUNNER_TYPE: {reason}");
                normalized.warnings.insert(0, warning);
            }
            Ok(vec![normalized])
        }
    }
}

/// Writes a normalised result, and returns its text.
///
/// # Errors
/// [`NormalizeFileError::Write`].
pub(crate) fn write(normalized: &Normalized) -> Result<String, NormalizeFileError> {
    let text = format!("{}\n", normalized.agg.to_pretty());
    files::write(&normalized.out, text.as_bytes()).map_err(NormalizeFileError::Write)?;
    if normalized.has_power_record {
        normalized
            .power
            .write_validation(&normalized.raw)
            .map_err(NormalizeFileError::Write)?;
    }
    Ok(text)
}

/// Reads a row whose hardware is known.
///
/// # Errors
/// [`NormalizeFileError`].
pub(super) fn checked_row(path: &Path, hardware: &HardwareFiles) -> Result<Row, NormalizeFileError> {
    let row = read_row(path)?;
    check_hardware(hardware, row.runner.as_str())?;
    Ok(row)
}

impl Normalized {
    /// Rejects a result without power if `REQUIRE_POWER` is set. The result is written anyway, so that it can be examined.
    ///
    /// # Errors
    /// [`NormalizeFileError::NoPower`].
    pub(crate) fn check_power(&self) -> Result<(), NormalizeFileError> {
        if !self.is_power_required || self.power.power.is_some() {
            return Ok(());
        }
        Err(NormalizeFileError::NoPower {
            path: self.raw.clone(),
            reasons: self.power.reasons.clone(),
            source_path: self.power.source.clone(),
        })
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn check_hardware(hardware: &HardwareFiles, label: &str) -> Result<(), NormalizeFileError> {
    match hardware.why_unknown(label)? {
        Some(reason) => Err(NormalizeFileError::UnknownHardware(reason)),
        None => Ok(()),
    }
}

fn read_row(path: &Path) -> Result<Row, NormalizeFileError> {
    let text = files::read_text(path)?;
    serde_json::from_str(&text).map_err(|source| NormalizeFileError::Row {
        path: path.to_owned(),
        source,
    })
}

fn row_context(path: &Path, row: &Row, conc: Option<NonZeroU32>) -> Result<PointContext, NormalizeFileError> {
    let conc = match (conc, row.conc.as_slice()) {
        (Some(conc), _) => conc,
        (None, [conc]) => *conc,
        (None, _) => return Err(NormalizeFileError::SeveralConcurrencies(path.to_owned())),
    };
    PointContext::from_row(row, conc).map_err(|source| NormalizeFileError::RowContext {
        path: path.to_owned(),
        source,
    })
}

fn environment_context(dialect: Dialect) -> Result<(PathBuf, PointContext), NormalizeFileError> {
    let context = PointContext::from_environment(&variable, dialect).map_err(NormalizeFileError::Environment)?;
    // The context has checked that the name exists.
    let name = variable("RESULT_FILENAME").unwrap_or_default();
    Ok((PathBuf::from(format!("{name}.json")), context))
}

fn normalize_folder(
    folder: &Path,
    row: &Row,
    conc: Option<NonZeroU32>,
    power: &PowerSources,
    out: Option<&Path>,
) -> Result<Vec<Normalized>, NormalizeFileError> {
    let concurrencies = match conc {
        Some(conc) => vec![conc],
        None => row.conc.as_slice().to_vec(),
    };
    let files = artifacts::json_files(folder)?;
    let named: Vec<(&PathBuf, ResultName)> = files.iter().filter_map(|file| Some((file, result_name(folder, file)?))).collect();
    let mut results = Vec::new();
    for conc in concurrencies {
        let found: Vec<_> = named.iter().filter(|(_, name)| name.conc == conc).collect();
        let [(file, name)] = found.as_slice() else {
            return Err(NormalizeFileError::ResultCount {
                folder: folder.to_owned(),
                found: found.len(),
                conc,
            });
        };
        let context = PointContext::from_row(row, conc).map_err(|source| NormalizeFileError::RowContext {
            path: folder.to_owned(),
            source,
        })?;
        name.check(&context).map_err(|source| NormalizeFileError::Name {
            path: file.to_path_buf(),
            source,
        })?;
        let out = out.map(|folder| folder.join(agg_name(file)));
        results.push(normalize_file(file, &context, power, out.as_deref())?);
    }
    Ok(results)
}

/// Facts in the names of a file and its folder.
fn result_name(folder: &Path, file: &Path) -> Option<ResultName> {
    let parent = file.parent().unwrap_or(folder);
    let parent = parent.file_name()?.to_string_lossy();
    ResultName::parse(&parent, &file.file_name()?.to_string_lossy())
}

fn normalize_file(raw: &Path, context: &PointContext, power: &PowerSources, out: Option<&Path>) -> Result<Normalized, NormalizeFileError> {
    let text = files::read_text(raw)?;
    let document = read_document(&text, context).map_err(|source| NormalizeFileError::Producer {
        path: raw.to_owned(),
        source,
    })?;
    let Normalised { mut agg, doubts } = result::normalize(&document, context).map_err(|source| NormalizeFileError::Result {
        path: raw.to_owned(),
        source,
    })?;
    let warning = |code: &str, doubt: &dyn std::fmt::Display| format!("warning[{code}]: {}: {doubt}", raw.display());
    let mut warnings: Vec<String> = doubts.iter().map(|doubt| warning(doubt.code(), doubt)).collect();
    match context.origin {
        Origin::Row(_) | Origin::Raw(_) => {}
        // process_result.py accepts such a result, so it is not an error.
        Origin::Environment => warnings.extend(result::doubt(&document).map(|doubt| warning(doubt.code(), &doubt))),
    }
    let measured = power.measure(&document, context);
    if let Some(power) = measured.power {
        agg.set_power(power, &document);
        agg.set_conditions(measured.conditions);
    } else if measured.has_source() {
        let reasons = measured.reasons.join(", ");
        warnings.push(format!("warning[power]: {}: no power: {reasons}", measured.source.display()));
    }
    Ok(Normalized {
        agg,
        raw: raw.to_owned(),
        power: measured,
        is_power_required: power.required,
        has_power_record: context.origin == Origin::Environment,
        out: out.map_or_else(|| raw.with_file_name(agg_name(raw)), Path::to_owned),
        warnings,
    })
}

/// A row's result may come from any producer; process_result.py, which the environment is for, reads one format.
fn read_document(text: &str, context: &PointContext) -> Result<Json, ProducerError> {
    match context.origin {
        Origin::Row(conc) | Origin::Raw(conc) => Ok(result::read_result(text, conc)?.document),
        Origin::Environment => Ok(Json::parse(text)?),
    }
}

fn agg_name(raw: &Path) -> String {
    format!("agg_{}", raw.file_name().unwrap_or_default().to_string_lossy())
}
