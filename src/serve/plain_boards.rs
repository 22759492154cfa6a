//! Costs, RHAIIS, LLM-D, MLPerf and accuracy as tables for browsers without scripts. Keys of the addresses are those of the dashboards as far as
//! they select rows.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde_json::Value;

use super::api::accuracy::accuracy_rows;
use super::api::cheapest::{DemandParams, PriceParams, cheapest_rows};
use super::api::deployments::deployment_rows;
use super::api::published::{PublishedParams, derived_rows};
use super::app::{App, Shared};
use super::error::ApiError;
use super::pages::{html_error, html_page};
use super::plain_page::{document, significant, text, value_of};
use super::selection_params::SelectionParams;
use crate::analysis::DeploymentFamily;

/// Rows of a table.
const MOST_ROWS: usize = 500;

/// A page without scripts.
#[derive(Debug, Clone, Copy)]
enum Board {
    Cost,
    Rhaiis,
    LlmD,
    Mlperf,
    Accuracy,
}

/// A column of a table: the member of a row, its heading, and a factor for its numbers.
type Column = (&'static str, &'static str, f64);

impl Board {
    const ALL: [Self; 5] = [Self::Cost, Self::Rhaiis, Self::LlmD, Self::Mlperf, Self::Accuracy];

    /// The address of the page with scripts, and that of the one without.
    fn addresses(self) -> (&'static str, &'static str) {
        match self {
            Self::Cost => ("/cost", "/plain/cost"),
            Self::Rhaiis => ("/rhaiis", "/plain/rhaiis"),
            Self::LlmD => ("/llm-d", "/plain/llm-d"),
            Self::Mlperf => ("/mlperf", "/plain/mlperf"),
            Self::Accuracy => ("/accuracy", "/plain/accuracy"),
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Cost => "Cost and energy",
            Self::Rhaiis => "RHAIIS",
            Self::LlmD => "LLM-D",
            Self::Mlperf => "MLPerf Inference",
            Self::Accuracy => "Accuracy",
        }
    }

    /// What the numbers mean, and how they were computed.
    fn note(self) -> &'static str {
        match self {
            Self::Cost => {
                "The cheapest load of each configuration. $ per million tokens = $ per GPU and hour / (3600 × tokens a second and GPU) × 10⁶; \
                 J per million tokens of the GPUs alone, with the measured power or the design power (tdp)."
            }
            Self::Rhaiis => "Engines on their own from the tables of RHAIIS; error rate = failed requests / all.",
            Self::LlmD => {
                "Input throughput is per GPU of prefill, output throughput per GPU of decode; engines whose roles are together count all GPUs."
            }
            Self::Mlperf => {
                "† Derived from the submitted result by imax: not an official result of MLCommons. A measurement that was submitted at 99 % and at \
                 99.9 % is here once. MLPerf is a trademark of MLCommons."
            }
            Self::Accuracy => {
                "Place on the frontier of throughput per GPU and interactivity: struck points would be on it, and their accuracy fell."
            }
        }
    }

    /// Keys of the address that its form has.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Cost => &["model", "tokens", "provider", "price", "month"],
            Self::Rhaiis | Self::LlmD | Self::Accuracy => &["model", "hardware", "framework", "precision"],
            Self::Mlperf => &["round", "benchmark", "scenario", "submitter", "accelerator"],
        }
    }

    fn columns(self) -> &'static [Column] {
        match self {
            Self::Cost => &[
                ("usd_per_million", "$ / M tokens", 1.0),
                ("usd_per_million_low", "95 % from", 1.0),
                ("usd_per_million_high", "to", 1.0),
                ("joules_per_million", "J / M tokens", 1.0),
                ("power_source", "Power", 1.0),
                ("point", "Point", 1.0),
                ("gpus", "GPUs", 1.0),
                ("throughput_per_gpu", "tok/s/GPU", 1.0),
                ("interactivity", "tok/s/user", 1.0),
                ("ttft_s", "TTFT (ms)", 1e3),
                ("usd_per_month", "$ a month", 1.0),
                ("gpus_for_month", "GPUs for the month", 1.0),
                ("usd_per_gpu_hour", "$ / GPU / h", 1.0),
                ("provider", "Provider", 1.0),
                ("price_kind", "Kind", 1.0),
                ("price_date", "Date", 1.0),
                ("price_source", "Source", 1.0),
            ],
            Self::Rhaiis => &[
                ("version", "Version", 1.0),
                ("hardware", "Accelerator", 1.0),
                ("model", "Model", 1.0),
                ("sequence", "ISL/OSL", 1.0),
                ("tp", "TP", 1.0),
                ("dp", "DP", 1.0),
                ("conc", "Concurrency", 1.0),
                ("output_tput_per_any_gpu", "Output tok/s/GPU", 1.0),
                ("tput_per_gpu", "tok/s/GPU", 1.0),
                ("median_ttft", "TTFT, median (ms)", 1e3),
                ("median_tpot", "TPOT, median (ms)", 1e3),
                ("median_e2el", "E2E latency, median (s)", 1.0),
                ("error_rate", "Error rate (%)", 100.0),
                ("runtime_args", "Arguments", 1.0),
            ],
            Self::LlmD => &[
                ("version", "Version", 1.0),
                ("hardware", "Accelerator", 1.0),
                ("model", "Model", 1.0),
                ("sequence", "ISL/OSL", 1.0),
                ("layout", "Layout", 1.0),
                ("prefill_pods", "Prefill pods", 1.0),
                ("decode_pods", "Decode pods", 1.0),
                ("replicas", "Replicas", 1.0),
                ("router", "Router", 1.0),
                ("conc", "Concurrency", 1.0),
                ("tput_per_gpu", "tok/s/GPU", 1.0),
                ("input_tput_per_gpu", "Input tok/s per prefill GPU", 1.0),
                ("output_tput_per_gpu", "Output tok/s per decode GPU", 1.0),
                ("median_ttft", "TTFT, median (ms)", 1e3),
                ("median_tpot", "TPOT, median (ms)", 1e3),
                ("runtime_args", "Arguments", 1.0),
            ],
            Self::Mlperf => &[
                ("round", "Version", 1.0),
                ("id", "ID", 1.0),
                ("submitter", "Submitter", 1.0),
                ("system", "System", 1.0),
                ("hardware", "Accelerator", 1.0),
                ("accelerators", "Accelerators", 1.0),
                ("nodes", "Nodes", 1.0),
                ("model", "Model", 1.0),
                ("scenario", "Scenario", 1.0),
                ("value", "Result", 1.0),
                ("unit", "Unit", 1.0),
                ("per_accelerator", "Per accelerator †", 1.0),
                ("per_node", "Per node †", 1.0),
                ("degradation", "Degradation against Offline (%) †", 100.0),
                ("since_round_before", "Of the version before †", 1.0),
            ],
            Self::Accuracy => &[
                ("place", "Frontier", 1.0),
                ("model", "Model", 1.0),
                ("hardware", "Hardware", 1.0),
                ("framework", "Engine", 1.0),
                ("precision", "Precision", 1.0),
                ("layout", "Layout", 1.0),
                ("conc", "Concurrency", 1.0),
                ("tput_per_gpu", "tok/s/GPU", 1.0),
                ("median_intvty", "tok/s/user", 1.0),
                ("scores", "Scores", 1.0),
            ],
        }
    }

    async fn rows(self, app: &App, query: &str) -> Result<Vec<Value>, ApiError> {
        let filters = ["model", "hardware", "framework", "precision"];
        let selection = SelectionParams {
            filter: filters
                .into_iter()
                .filter_map(|name| Some(format!("{name}={}", given(query, name)?)))
                .collect(),
            branch: given(query, "branch"),
            as_of: given(query, "as_of"),
            ..SelectionParams::default()
        };
        match self {
            Self::Cost => {
                let prices = PriceParams {
                    slo: Vec::new(),
                    tokens: given(query, "tokens"),
                    provider: given(query, "provider"),
                    price_kind: given(query, "price"),
                };
                let demand = DemandParams {
                    tokens_per_month: given(query, "month"),
                    configurations: Some("true".to_owned()),
                    imports: Some("true".to_owned()),
                    limit: Some(MOST_ROWS.to_string()),
                    ..DemandParams::default()
                };
                cheapest_rows(app, selection, prices, demand).await
            }
            Self::Rhaiis => deployment_rows(app, selection, Some(DeploymentFamily::Rhaiis)).await,
            Self::LlmD => deployment_rows(app, selection, Some(DeploymentFamily::LlmD)).await,
            Self::Mlperf => {
                let params = PublishedParams {
                    round: given(query, "round"),
                    model: given(query, "benchmark"),
                    scenario: given(query, "scenario"),
                    submitter: given(query, "submitter"),
                    hardware: given(query, "accelerator"),
                    ..PublishedParams::default()
                };
                derived_rows(app, &params).await
            }
            Self::Accuracy => accuracy_rows(app, selection).await,
        }
    }
}

/// What the address has for a key, unless it is empty.
fn given(query: &str, name: &str) -> Option<String> {
    Some(value_of(query, name)).filter(|value| !value.is_empty())
}

/// The page without scripts of a page.
pub(super) fn address_of(path: &str) -> Option<&'static str> {
    let known = Board::ALL.into_iter().map(Board::addresses);
    let mut found = known.filter(|(page, _)| *page == path);
    found.next().map(|(_, plain)| plain)
}

pub(super) fn routes() -> Router<Arc<App>> {
    Board::ALL.into_iter().fold(Router::new(), |router, board| {
        router.route(
            board.addresses().1,
            get(move |State(app): Shared, RawQuery(query): RawQuery| answer(board, app, query)),
        )
    })
}

async fn answer(board: Board, app: Arc<App>, query: Option<String>) -> Response {
    let time = app.limits.query_time;
    let page = app
        .reads
        .clone()
        .run(time, move || async move { page(board, &app, &query.unwrap_or_default()).await })
        .await;
    page.map_or_else(html_error, |page| html_page(page.into_string()))
}

async fn page(board: Board, app: &App, query: &str) -> Result<Markup, ApiError> {
    let rows = board.rows(app, query).await?;
    let shown = rows.iter().take(MOST_ROWS);
    let body = html! {
        h1 { (board.title()) }
        form method="get" action=(board.addresses().1) {
            @for key in board.keys() {
                label { (key) " " input name=(key) size="12" value=(value_of(query, key)); }
                " "
            }
            button { "Filter" }
        }
        p { (board.note()) " " (rows.len().min(MOST_ROWS)) " of " (rows.len()) " rows." }
        div.scroll tabindex="0" {
            table {
                thead { tr { @for (_, title, _) in board.columns() { th scope="col" { (title) } } } }
                tbody { @for row in shown { tr {
                    @for (name, _, scale) in board.columns() { td { (cell(&row[*name], *scale)) } }
                } } }
            }
        }
    };
    document(board.title(), &body)
}

/// Numbers with fractions have four significant digits; lists of scores are a line each.
fn cell(value: &Value, scale: f64) -> String {
    match value {
        Value::Number(number) if number.is_f64() => significant(number.as_f64().unwrap_or_default() * scale),
        Value::Array(items) => {
            let lines: Vec<String> = items.iter().map(score).collect();
            if lines.is_empty() { "–".to_owned() } else { lines.join("; ") }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => text(value),
    }
}

fn score(score: &Value) -> String {
    format!(
        "{} {} {} (best known {}, {})",
        text(&score["task"]),
        text(&score["score_name"]),
        cell(&score["score"], 1.0),
        cell(&score["reference"], 1.0),
        text(&score["verdict"])
    )
}
