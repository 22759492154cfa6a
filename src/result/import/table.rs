//! CSV tables with a line of headers. Columns are found by name, whatever their order; a cell has a place for messages.

use std::collections::BTreeMap;

use super::facts::shortened;
use super::mapping::Mapping;

/// Twenty times the widest known table; a line of a million columns is not a table.
pub(super) const MAX_COLUMNS: usize = 1_000;

/// What removes NUL characters, which mostly come from a damaged disk or a file that was copied while it was written.
const NUL_REMEDY: &str = "write the table again, or remove them: tr -d '\\000' < FILE > NEW";

/// Why a text is not a table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("the table has {0} columns, expected at most {MAX_COLUMNS}")]
    Columns(usize),
    #[error("the header has no column {0:?}; a mapping file can name the column that has it (columns: {{theirs: {0}}})")]
    Missing(&'static str),
    #[error("the header has the column {0:?} twice")]
    Twice(String),
    #[error("line 1: the name of column {0} has a NUL character, expected text; {NUL_REMEDY}")]
    Nul(usize),
    #[error("line {line}: {message}")]
    Csv { line: u64, message: String },
}

/// The columns of a table by their folded names.
pub(super) struct Header {
    names: Vec<String>,
    columns: BTreeMap<String, usize>,
}

/// A column's name without case, spaces and punctuation: `prompt toks` and `prompt_toks` are one.
pub(super) fn folded(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}

impl Header {
    pub(super) fn new(record: &csv::StringRecord, mapping: &Mapping) -> Result<Self, TableError> {
        if record.len() > MAX_COLUMNS {
            return Err(TableError::Columns(record.len()));
        }
        if let Some(at) = record.iter().position(|name| name.contains('\0')) {
            return Err(TableError::Nul(at + 1));
        }
        let names: Vec<String> = record.iter().map(|name| name.trim().to_owned()).collect();
        let mut columns = BTreeMap::new();
        for (at, name) in names.iter().enumerate() {
            let name = folded(mapping.column(name));
            if !name.is_empty() && columns.insert(name.clone(), at).is_some() {
                return Err(TableError::Twice(name));
            }
        }
        Ok(Self { names, columns })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.columns.contains_key(&folded(name))
    }

    pub(super) fn require(&self, names: &[&'static str]) -> Result<(), TableError> {
        match names.iter().find(|name| !self.has(name)) {
            Some(name) => Err(TableError::Missing(name)),
            None => Ok(()),
        }
    }
}

/// One line of a table.
pub(super) struct Row<'a> {
    header: &'a Header,
    record: &'a csv::StringRecord,
    pub line: u64,
}

/// A cell that does not hold what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CellError {
    pub place: String,
    pub reason: String,
}

impl<'a> Row<'a> {
    pub(super) fn new(header: &'a Header, record: &'a csv::StringRecord, line: u64) -> Self {
        Self { header, record, line }
    }
}

impl Row<'_> {
    /// The text of the first of these columns that the table has; `None` for an empty cell.
    pub(super) fn text(&self, names: &[&str]) -> Option<&str> {
        let at = self.column(names)?;
        self.record.get(at).map(str::trim).filter(|text| !text.is_empty())
    }

    fn column(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.header.columns.get(&folded(name)).copied())
    }

    /// `line 4, column 20 (measured rps)`; columns count from 1.
    pub(super) fn place(&self, names: &[&str]) -> String {
        match self.column(names) {
            Some(at) => self.place_of(at),
            None => format!("line {}", self.line),
        }
    }

    fn place_of(&self, at: usize) -> String {
        let name = self.header.names.get(at).map(String::as_str).unwrap_or_default();
        format!("line {}, column {} ({})", self.line, at + 1, shortened(name))
    }

    /// A finite number, if the cell has something.
    pub(super) fn number(&self, names: &[&str]) -> Result<Option<f64>, CellError> {
        let Some(text) = self.text(names) else { return Ok(None) };
        match text.parse::<f64>().ok().filter(|number| number.is_finite()) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong(names, "a finite number")),
        }
    }

    /// A number above zero that must be there.
    pub(super) fn above_zero(&self, names: &[&str]) -> Result<f64, CellError> {
        match self.number(names)?.filter(|number| *number > 0.0) {
            Some(number) => Ok(number),
            None => Err(self.wrong(names, "a number above zero")),
        }
    }

    pub(super) fn wrong(&self, names: &[&str], expected: &str) -> CellError {
        let found = self
            .text(names)
            .map_or_else(|| "nothing".to_owned(), |text| format!("{:?}", shortened(text)));
        CellError {
            place: self.place(names),
            reason: format!("found {found}, expected {expected}"),
        }
    }

    /// Why the line cannot be read as a row of this table.
    fn malformed(&self) -> Option<CellError> {
        let (found, expected) = (self.record.len(), self.header.names.len());
        if found != expected {
            return Some(CellError {
                place: format!("line {}", self.line),
                reason: format!("found {found} columns, expected {expected} as in the header"),
            });
        }
        let at = self.record.iter().position(|cell| cell.contains('\0'))?;
        Some(CellError {
            place: self.place_of(at),
            reason: format!("found a NUL character, expected text; {NUL_REMEDY}"),
        })
    }

    /// The line as CSV, for who looks at what was refused.
    pub(super) fn payload(&self) -> String {
        self.record.iter().collect::<Vec<_>>().join(",")
    }
}

/// Reads a table, and calls `each` with its rows, and with the reason where a row is malformed.
pub(super) fn rows<S>(
    text: &str,
    mapping: &Mapping,
    state: &mut S,
    check: impl Fn(&Header) -> Result<(), TableError>,
    each: impl Fn(&mut S, &Row<'_>, Option<CellError>),
) -> Result<(), TableError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = Header::new(reader.headers().map_err(|error| csv_error(&error))?, mapping)?;
    check(&header)?;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| csv_error(&error))? {
        let row = Row::new(&header, &record, record.position().map_or(0, csv::Position::line));
        each(state, &row, row.malformed());
    }
    Ok(())
}

pub(super) fn csv_error(error: &csv::Error) -> TableError {
    TableError::Csv {
        line: error.position().map_or(1, csv::Position::line),
        message: error.to_string(),
    }
}
