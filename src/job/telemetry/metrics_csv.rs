//! Parser of GPU sample tables that imax did not write itself: `nvidia-smi --query-gpu=... --format=csv`, `amd-smi metric --csv`, and
//! also imax's own `gpu_metrics.csv`. Columns are found by name as in InferenceX's aggregate_power.py: the first with "time", the first
//! with "power" that is not a limit, and the number of the GPU.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime};

use super::GpuSample;
use super::energy::EnergyDoubt;
use crate::model::saturating;

/// Why a table has no usable power. The codes are those of aggregate_power.py.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetricsCsvError {
    /// There is no header.
    #[error("the table is empty")]
    Empty,
    /// No column has the time.
    #[error("the table has no column for the time, such as `timestamp`")]
    NoTimestampColumn,
    /// No column has the power.
    #[error("the table has no column for the power, such as `power.draw [W]` or `socket_power`")]
    NoPowerColumn,
    /// No column says which GPU it is.
    #[error("the table has no column for the GPU, such as `index` or `gpu`")]
    NoGpuColumn,
    /// The time of a row cannot be read.
    #[error("a row has no valid timestamp")]
    Timestamp,
}

impl MetricsCsvError {
    /// The code of aggregate_power.py.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "telemetry_file_empty",
            Self::NoTimestampColumn => "timestamp_column_missing",
            Self::NoPowerColumn => "power_column_missing",
            Self::NoGpuColumn => "gpu_identity_column_missing",
            Self::Timestamp => "invalid_timestamp_sample",
        }
    }
}

impl EnergyDoubt {
    /// The code of aggregate_power.py for the same doubt.
    #[must_use]
    pub fn power_code(self) -> &'static str {
        match self {
            Self::NoPower => "no_usable_power_samples",
            Self::BadPower => "invalid_power_sample",
            Self::OtherGpus => "expected_gpu_count_mismatch",
            Self::WindowNotCovered => "benchmark_window_not_bracketed",
            Self::Gap => "sampling_gap_exceeded",
            Self::NoWindow => "invalid_benchmark_window",
            Self::DurationMismatch => "benchmark_duration_mismatch",
            Self::CounterMismatch => "energy_counter_mismatch",
        }
    }
}

/// Where a table has its columns.
struct Columns {
    time: usize,
    power: usize,
    gpu: usize,
    node: Option<usize>,
    temperature: Option<usize>,
    utilization: Option<usize>,
    memory: Option<usize>,
}

/// Reads a table. `local` gives the Unix time of a wall-clock time without a zone, which nvidia-smi writes: that of the machine that
/// sampled. Readings of one GPU at the same time are averaged, because some tools write times of a lower resolution than their
/// interval.
///
/// # Errors
/// [`MetricsCsvError`] for a table without the needed columns, or an invalid time.
pub fn read_metrics_csv(text: &str, local: &dyn Fn(NaiveDateTime) -> Option<f64>) -> Result<Vec<GpuSample>, MetricsCsvError> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let header = lines.next().ok_or(MetricsCsvError::Empty)?;
    let names: Vec<String> = cells(header.trim_start_matches('\u{feff}'))
        .iter()
        .map(|name| name.to_ascii_lowercase())
        .collect();
    let columns = columns(&names)?;
    let mut gpus: Vec<String> = Vec::new();
    let mut samples: BTreeMap<(String, u32, u64), Vec<GpuSample>> = BTreeMap::new();
    // The tool may have been killed in the middle of its last row.
    let is_cut = !text.ends_with('\n');
    let mut rows = lines.peekable();
    while let Some(row) = rows.next() {
        let row = cells(row);
        // amd-smi repeats its header.
        let is_header = row
            .get(columns.time)
            .is_some_and(|cell| cell.eq_ignore_ascii_case(&names[columns.time]));
        if is_header || (is_cut && rows.peek().is_none() && row.len() < names.len()) {
            continue;
        }
        let Some(gpu) = row.get(columns.gpu).filter(|gpu| !gpu.is_empty()) else {
            continue;
        };
        let at = row.get(columns.time).and_then(|cell| unix_seconds(cell, local));
        let at_unix_s = at.ok_or(MetricsCsvError::Timestamp)?;
        let sample = sample(&row, &columns, at_unix_s, gpu_number(gpu, &mut gpus));
        let key = (sample.node.clone(), sample.gpu, at_unix_s.to_bits());
        samples.entry(key).or_default().push(sample);
    }
    Ok(samples.into_values().filter_map(averaged).collect())
}

/// The first column whose name contains a word.
fn position_of(names: &[String], word: &str) -> Option<usize> {
    names.iter().position(|name| name.contains(word))
}

fn columns(names: &[String]) -> Result<Columns, MetricsCsvError> {
    const LIMITS: [&str; 4] = ["limit", "cap", "max", "min"];
    const GPUS: [&str; 6] = ["index", "gpu", "gpu_id", "gpu_index", "card", "device"];
    Ok(Columns {
        time: position_of(names, "time").ok_or(MetricsCsvError::NoTimestampColumn)?,
        power: names
            .iter()
            .position(|name| name.contains("power") && !LIMITS.iter().any(|limit| name.contains(limit)))
            .ok_or(MetricsCsvError::NoPowerColumn)?,
        gpu: names
            .iter()
            .position(|name| GPUS.contains(&name.as_str()))
            .ok_or(MetricsCsvError::NoGpuColumn)?,
        node: names.iter().position(|name| name == "node"),
        temperature: ["temperature.gpu", "hotspot", "edge", "temperature_c"]
            .into_iter()
            .find_map(|word| position_of(names, word)),
        utilization: ["utilization.gpu", "gfx_activity", "utilization_percent"]
            .into_iter()
            .find_map(|word| position_of(names, word)),
        memory: ["memory.used", "memory_mib"].into_iter().find_map(|word| position_of(names, word)),
    })
}

fn number(row: &[String], column: Option<usize>) -> Option<f64> {
    first_number(row.get(column?)?)
}

fn sample(row: &[String], columns: &Columns, at_unix_s: f64, gpu: u32) -> GpuSample {
    GpuSample {
        at_unix_s,
        node: columns.node.and_then(|column| row.get(column).cloned()).unwrap_or_default(),
        gpu,
        power_w: number(row, Some(columns.power)),
        utilization_percent: number(row, columns.utilization),
        memory_mib: number(row, columns.memory),
        temperature_c: number(row, columns.temperature),
        ..GpuSample::default()
    }
}

/// The mean of readings of one GPU at one time.
fn averaged(readings: Vec<GpuSample>) -> Option<GpuSample> {
    let powers: Vec<f64> = readings.iter().filter_map(|sample| sample.power_w).collect();
    let mut first = readings.into_iter().next()?;
    #[expect(clippy::cast_precision_loss, reason = "readings of one instant are few")]
    let count = powers.len() as f64;
    first.power_w = (!powers.is_empty()).then(|| powers.iter().sum::<f64>() / count);
    Some(first)
}

/// The cells of a row, which may be quoted, without the space around them.
fn cells(row: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut is_quoted = false;
    for character in row.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => found.push(String::new()),
            _ => {
                if let Some(last) = found.last_mut() {
                    last.push(character);
                }
            }
        }
    }
    found.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// A GPU's number; one that is known by another name gets the next that is free among names.
fn gpu_number(cell: &str, known: &mut Vec<String>) -> u32 {
    if let Ok(number) = cell.parse() {
        return number;
    }
    let at = known.iter().position(|name| name == cell).unwrap_or_else(|| {
        known.push(cell.to_owned());
        known.len() - 1
    });
    saturating::to_u32(at)
}

/// Seconds or milliseconds since 1970, `2026/01/15 12:34:56.789`, or ISO 8601 with or without a zone.
fn unix_seconds(cell: &str, local: &dyn Fn(NaiveDateTime) -> Option<f64>) -> Option<f64> {
    /// Seconds since 1970 reach this in the year 33658.
    const MILLISECONDS: f64 = 1e12;
    if let Ok(number) = cell.parse::<f64>() {
        let is_instant = number.is_finite() && number > 0.0;
        return is_instant.then_some(if number > MILLISECONDS { number / 1000.0 } else { number });
    }
    if let Ok(instant) = DateTime::parse_from_rfc3339(&cell.replacen(' ', "T", 1)) {
        #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 are below 2^53")]
        return Some(instant.timestamp_micros() as f64 / 1e6);
    }
    let forms = ["%Y/%m/%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"];
    let found = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(cell, form).ok());
    local(found?)
}

/// The first number of a cell such as `412.34 W`; none of `[N/A]`.
fn first_number(cell: &str) -> Option<f64> {
    let start = cell.find(|character: char| character.is_ascii_digit())?;
    let rest = &cell[start..];
    let end = rest
        .find(|character: char| !(character.is_ascii_digit() || character == '.'))
        .unwrap_or(rest.len());
    let number: f64 = rest[..end].trim_end_matches('.').parse().ok()?;
    let is_negative = cell[..start].ends_with('-');
    Some(if is_negative { -number } else { number })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    /// As if the machine were in a zone two hours east of Greenwich.
    fn local(time: NaiveDateTime) -> Option<f64> {
        Some(f64::from(u32::try_from(time.and_utc().timestamp() - 7200).ok()?) + f64::from(time.and_utc().timestamp_subsec_millis()) / 1e3)
    }

    fn read(text: &str) -> Result<Vec<(u32, f64, Option<f64>)>, MetricsCsvError> {
        let samples = read_metrics_csv(text, &local)?;
        Ok(samples
            .iter()
            .map(|sample| (sample.gpu, sample.at_unix_s, sample.power_w))
            .collect())
    }

    #[test]
    fn tables_of_both_vendors_and_our_own_are_read() {
        let nvidia = "timestamp, index, power.draw [W], temperature.gpu, enforced.power.limit [W]\n\
                      2026/01/15 12:00:00.500, 0, 412.34 W, 50, 700.00 W\n2026/01/15 12:00:00.500, 1, [N/A], 51, 700.00 W\n";
        let at = 1_768_471_200.5;
        assert_eq!(read(nvidia).unwrap(), [(0, at, Some(412.34)), (1, at, None)]);
        let amd = "timestamp,gpu,socket_power,gfx_voltage,power_management\n1768471200,0,735,N/A,ENABLED\n\
                   timestamp,gpu,socket_power,gfx_voltage,power_management\n1768471201,0,745,N/A,ENABLED\n";
        assert_eq!(
            read(amd).unwrap(),
            [(0, 1_768_471_200.0, Some(735.0)), (0, 1_768_471_201.0, Some(745.0))]
        );
        let own = GpuSample {
            at_unix_s: 1_768_471_200.25,
            gpu: 3,
            name: "NVIDIA H100".to_owned(),
            power_w: Some(600.5),
            temperature_c: Some(61.0),
            ..GpuSample::default()
        };
        let found = read_metrics_csv(&super::super::metrics_csv(&[own]), &local).unwrap();
        assert_eq!(
            (found[0].gpu, found[0].power_w, found[0].temperature_c),
            (3, Some(600.5), Some(61.0))
        );
    }

    #[test]
    fn timestamps_of_all_forms_are_unix_seconds() {
        for (cell, expected) in [
            ("1768471200.5", Some(1_768_471_200.5)),
            ("1768471200500", Some(1_768_471_200.5)),
            ("2026/01/15 12:00:00.500", Some(1_768_471_200.5)),
            ("2026-01-15T12:00:00.5", Some(1_768_471_200.5)),
            ("2026-01-15T10:00:00.5Z", Some(1_768_471_200.5)),
            ("2026-01-15 11:00:00.5+01:00", Some(1_768_471_200.5)),
            ("NaN", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(unix_seconds(cell, &local), expected, "{cell}");
        }
    }

    #[test]
    fn readings_of_one_instant_are_averaged_and_a_cut_row_is_left_out() {
        let text = "timestamp,gpu,power\n10,gpu-a,100\n10,gpu-a,300\n11,gpu-b,50\n11,gpu";
        assert_eq!(read(text).unwrap(), [(0, 10.0, Some(200.0)), (1, 11.0, Some(50.0))]);
    }

    #[test]
    fn tables_without_power_say_what_is_missing() {
        for (text, code) in [
            ("", "telemetry_file_empty"),
            ("a,b\n1,2\n", "timestamp_column_missing"),
            ("timestamp,gpu,power_limit\n1,0,2\n", "power_column_missing"),
            ("timestamp,power\n1,2\n", "gpu_identity_column_missing"),
            ("timestamp,gpu,power\nsoon,0,5\n", "invalid_timestamp_sample"),
        ] {
            assert_eq!(read(text).unwrap_err().code(), code, "{text:?}");
        }
    }

    #[test]
    fn power_cells_have_units_and_signs() {
        for (cell, number) in [
            ("412.34 W", Some(412.34)),
            ("735", Some(735.0)),
            ("-1 W", Some(-1.0)),
            ("[N/A]", None),
            ("", None),
            ("12.", Some(12.0)),
        ] {
            assert_eq!(first_number(cell), number, "{cell}");
        }
    }
}
