//! GuideLLM's `benchmarks.csv`, as 0.5 writes it: three header rows (group, name, statistic or unit), then a row for each benchmark. It is
//! translated to the layout of `benchmarks.json`, which [`super::guidellm`] reads. Columns are found by their headers. A row that has
//! another number of columns than the headers is refused: GuideLLM builds the headers from the first benchmark and leaves out of
//! each row what its benchmark lacks, so that what follows stands under other headers.

use serde_json::{Map, Value, json};

use super::{Producer, ProducerError};
use crate::result::Json;

/// How the first header row begins.
const BEGINNING: &str = "Run Info,";
const HEADER_ROWS: usize = 3;
/// The percentiles of each column `Percentiles`, in their order.
const PERCENTILES: [&str; 11] = ["p001", "p01", "p05", "p10", "p25", "p50", "p75", "p90", "p95", "p99", "p999"];
/// Groups of latencies, their columns, and their names in `benchmarks.json`.
const LATENCIES: [(&str, &str, &str); 3] = [
    ("Time to First Token", "Successful ms", "time_to_first_token_ms"),
    ("Inter Token Latency", "Successful ms", "inter_token_latency_ms"),
    ("Request Latency", "Successful Sec", "request_latency"),
];
const TOKENS: [(&str, &str); 2] = [
    ("Successful Input Tokens", "prompt_token_count"),
    ("Successful Output Tokens", "output_token_count"),
];

/// Whether the text is such a file.
pub(super) fn is_csv(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').starts_with(BEGINNING)
}

/// The file as `benchmarks.json`.
///
/// # Errors
/// [`ProducerError`] naming the row.
pub(super) fn document(text: &str) -> Result<Json, ProducerError> {
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    for (row, number) in reader.records().zip(1..) {
        rows.push(row.map_err(|error| wrong(number, "the row", &error.to_string(), "comma-separated values"))?);
    }
    let [groups, names, statistics, benchmarks @ ..] = rows.as_slice() else {
        return Err(no_benchmark(rows.len()));
    };
    if benchmarks.is_empty() {
        return Err(no_benchmark(rows.len()));
    }
    let mut list = Vec::new();
    let mut model = Value::Null;
    for (cells, number) in benchmarks.iter().zip(HEADER_ROWS + 1..) {
        if cells.len() != groups.len() {
            let expected =
                "as many columns as the headers have, because figures would be read under other names; read the benchmarks.json of the run";
            return Err(wrong(
                number,
                "the number of columns",
                &format!("{} of {}", cells.len(), groups.len()),
                expected,
            ));
        }
        let row = Row {
            number,
            headers: [groups, names, statistics],
            cells,
        };
        let backend = row.json("Run Info", "Backend")?;
        model = backend.get("model").cloned().unwrap_or_default();
        list.push(row.benchmark()?);
    }
    Ok(json!({ "args": { "model": model }, "benchmarks": list }).into())
}

fn no_benchmark(rows: usize) -> ProducerError {
    wrong(rows, "the end", "no benchmark", "three header rows and a row for each benchmark")
}

fn wrong(row: usize, key: &str, found: &str, expected: &'static str) -> ProducerError {
    ProducerError::Value {
        producer: Producer::Guidellm.as_str(),
        key: format!("{key} of row {row}"),
        found: found.chars().take(100).collect(),
        expected,
    }
}

/// A benchmark.
struct Row<'a> {
    /// From 1, with the header rows.
    number: usize,
    headers: [&'a csv::StringRecord; HEADER_ROWS],
    cells: &'a csv::StringRecord,
}

impl Row<'_> {
    /// The cell below three headers, if it is there and not empty.
    fn cell(&self, headers: [&str; HEADER_ROWS]) -> Option<&str> {
        let mut columns = 0..self.cells.len();
        let column = columns.find(|column| self.headers.iter().zip(headers).all(|(row, text)| row.get(*column) == Some(text)))?;
        self.cells.get(column).filter(|cell| !cell.is_empty())
    }

    fn wrong(&self, headers: [&str; HEADER_ROWS], expected: &'static str) -> ProducerError {
        let found = self.cell(headers).unwrap_or("absent");
        wrong(self.number, headers.join(" ").trim_end(), found, expected)
    }

    fn number(&self, headers: [&str; HEADER_ROWS]) -> Result<f64, ProducerError> {
        let number = self.cell(headers).and_then(|cell| cell.parse().ok());
        number
            .filter(|number: &f64| number.is_finite())
            .ok_or_else(|| self.wrong(headers, "a finite number"))
    }

    fn json(&self, group: &str, name: &str) -> Result<Value, ProducerError> {
        let headers = [group, name, ""];
        let document = self.cell(headers).and_then(|cell| serde_json::from_str(cell).ok());
        document.ok_or_else(|| self.wrong(headers, "a JSON document"))
    }

    fn count(&self, name: &str) -> Result<f64, ProducerError> {
        self.number(["Request Counts", name, ""])
    }

    fn benchmark(&self) -> Result<Value, ProducerError> {
        let successful = self.count("Successful")?;
        let mut metrics = Map::new();
        let totals = json!({ "successful": successful, "errored": self.count("Errored")?, "incomplete": self.count("Incomplete")? });
        metrics.insert("request_totals".to_owned(), totals);
        for (column, key) in TOKENS {
            // There is no sum, but the mean of the successful requests.
            let mean = self.number(["Token Metrics", column, "Mean"])?;
            metrics.insert(key.to_owned(), json!({ "successful": { "total_sum": mean * successful } }));
        }
        for (group, column, key) in LATENCIES {
            metrics.insert(key.to_owned(), json!({ "successful": self.latency(group, column)? }));
        }
        Ok(json!({
            "duration": self.number(["Timings", "Duration", "Sec"])?,
            "config": { "strategy": self.strategy()? },
            "metrics": metrics,
        }))
    }

    /// The statistics of a latency; null if the file lacks them, as it lacks those of tokens that were not streamed.
    fn latency(&self, group: &str, column: &str) -> Result<Value, ProducerError> {
        if self.cell([group, column, "Mean"]).is_none() {
            return Ok(Value::Null);
        }
        let headers = [group, column, "Percentiles"];
        let cell = self.cell(headers).and_then(|cell| serde_json::from_str::<Vec<f64>>(cell).ok());
        let values = cell.filter(|values| values.len() == PERCENTILES.len());
        let values = values.ok_or_else(|| self.wrong(headers, "a list of 11 percentiles from 0.1 to 99.9"))?;
        let percentiles: Map<String, Value> = PERCENTILES
            .iter()
            .zip(values)
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        Ok(json!({
            "mean": self.number([group, column, "Mean"])?,
            "median": self.number([group, column, "Median"])?,
            "std_dev": self.number([group, column, "Std Dev"])?,
            "percentiles": percentiles,
        }))
    }

    /// How the requests of the row were sent: the profile has the strategies of all rows of the run.
    fn strategy(&self) -> Result<Value, ProducerError> {
        let index = ["Run Info", "Run Index", ""];
        let at: usize = self
            .cell(index)
            .and_then(|cell| cell.parse().ok())
            .ok_or_else(|| self.wrong(index, "the number of the benchmark in its run"))?;
        let profile = self.json("Run Info", "Profile")?;
        let strategy = profile.get("completed_strategies").and_then(|strategies| strategies.get(at));
        let named = self.cell(["Benchmark", "Strategy", ""]);
        match strategy.filter(|strategy| strategy.get("type_").and_then(Value::as_str) == named) {
            Some(strategy) => Ok(strategy.clone()),
            None => Err(self.wrong(
                ["Run Info", "Profile", ""],
                "`completed_strategies` with the row's strategy at the row's run index",
            )),
        }
    }
}
