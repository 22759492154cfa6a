//! What only replays of coding-agent sessions have: requests per second, the output rate over whole requests, the sources of cached prompt
//! tokens, and the use of KV memory. A table for every format.

use super::number;
use super::text_table::{Rank, TextTable};
use super::view::View;
use crate::model::{Workload, escape_markdown};
use crate::result::{Measurement, Point};

/// The columns after the point.
pub(super) const TITLES: [&str; 6] = [
    "QPS",
    "Norm. interactivity (tok/s/user)",
    "Cache hits GPU / CPU / external",
    "Possible hits",
    "KV pool (tokens)",
    "Offloaded / read back (GB)",
];

/// One replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReplayRow {
    /// The point; untrusted text.
    pub point: String,
    /// A text for each of [`TITLES`].
    pub cells: [String; 6],
}

/// The replays of a report, in its order. Replays by imax itself have none of these numbers and are left out.
pub(super) fn rows(view: &View) -> Vec<ReplayRow> {
    let rows = view.groups.iter().flat_map(|group| &group.rows);
    rows.filter_map(|row| replay(row.point)).collect()
}

fn replay(point: &Point) -> Option<ReplayRow> {
    match point.key.curve.workload {
        Workload::FixedSeqLen(_) => return None,
        Workload::AgenticCoding => {}
    }
    let measured = point.measurement()?;
    let cells = [
        plain(measured, "mean_qps"),
        plain(measured, "median_e2e_norm_intvty"),
        cache_hits(measured),
        share(measured, "theoretical_cache_hit_rate"),
        pool(measured),
        offload(measured),
    ];
    let is_known = cells.iter().any(|cell| cell.chars().any(|c| c.is_ascii_digit()));
    is_known.then(|| ReplayRow {
        point: point.key.to_string(),
        cells,
    })
}

const UNKNOWN: &str = "–";

fn plain(measured: &Measurement, name: &str) -> String {
    measured.number(name).map_or_else(|| UNKNOWN.to_owned(), number::plain)
}

fn share(measured: &Measurement, name: &str) -> String {
    let share = measured.number(name);
    share.map_or_else(|| UNKNOWN.to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn cache_hits(measured: &Measurement) -> String {
    let sources = [
        "server_gpu_cache_hit_rate",
        "server_cpu_cache_hit_rate",
        "server_external_cache_hit_rate",
    ];
    sources.map(|source| share(measured, source)).join(" / ")
}

/// Its size, and the largest share in use.
fn pool(measured: &Measurement) -> String {
    let size = plain(measured, "kv_cache_pool_tokens");
    match measured.number("gpu_kv_cache_usage_pct") {
        Some(usage) => format!("{size}, {:.0} % used", usage * 100.0),
        None => size,
    }
}

fn offload(measured: &Measurement) -> String {
    let bytes = ["kv_offload_bytes_gpu_to_cpu", "kv_offload_bytes_cpu_to_gpu"];
    let gigabytes = bytes.map(|name| {
        measured
            .number(name)
            .map_or_else(|| UNKNOWN.to_owned(), |bytes| number::plain(bytes / 1e9))
    });
    gigabytes.join(" / ")
}

/// As a markdown table of at most `listed` lines. `None` without replays.
pub(super) fn markdown(view: &View, listed: usize) -> Option<String> {
    let rows = rows(view);
    if rows.is_empty() {
        return None;
    }
    let rules = TITLES.map(|_| "---:").join(" | ");
    let mut text = format!("\n**Replayed sessions**\n\n| | {} |\n| --- | {rules} |\n", TITLES.join(" | "));
    for ReplayRow { point, cells } in rows.iter().take(listed) {
        text.push_str(&format!("| {} | {} |\n", escape_markdown(point), cells.join(" | ")));
    }
    if rows.len() > listed {
        text.push_str(&format!("\nand {} more.\n", rows.len() - listed));
    }
    Some(text)
}

/// As a table of plain text; `None` without replays.
pub(super) fn text_table(view: &View) -> Option<TextTable> {
    let rows = rows(view);
    if rows.is_empty() {
        return None;
    }
    let mut table = TextTable::default();
    table.add_column("Point", Rank::Always);
    for (title, rank) in TITLES.into_iter().zip(0..) {
        table.add_number(title, Rank::Optional(rank));
    }
    for ReplayRow { point, cells } in rows {
        table.add_row(std::iter::once(point).chain(cells));
    }
    Some(table)
}
