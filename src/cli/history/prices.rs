//! `imax history prices`: what GPU-hours cost, by provider, kind and day.

use std::path::PathBuf;

use anyhow::Context as _;
use chrono::{NaiveDate, Utc};
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::super::terminal::stdout_style;
use super::super::{Exit, Failure, OrExit as _, output};
use super::list::one_line;
use crate::analysis::{CostModel, DatedPrice, PriceKind};
use crate::report::{Rank, TextTable};
use crate::store::artifacts;
use crate::store::database::{Counts, RunFilter};
use crate::store::history::{HistoryTarget, PricesError, add_prices};

/// List the prices that a history keeps, or add some. The results API shows what was measured at the prices of its time or of today.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        imax history prices --history history.db\n  \
        imax history prices --history history.db --import configs/hardware.yaml\n  \
        imax history prices --history history.db --set h200=2.95 --provider example --kind reserved --date 2026-11-01")]
pub(super) struct PricesArgs {
    /// The history: FILE.db, postgres://USER@HOST/DATABASE, branch, or s3://BUCKET/PREFIX (gs://, az://).
    #[arg(long, value_name = "HISTORY")]
    history: HistoryTarget,
    /// Add the prices of a hardware file, such as configs/hardware.yaml; those that are there already are no change.
    #[arg(long, value_name = "FILE", conflicts_with = "set")]
    import: Option<PathBuf>,
    /// Add a price, US dollars for one GPU-hour. Repeat it.
    #[arg(long, value_name = "HARDWARE=USD", value_parser = amount, requires = "provider")]
    set: Vec<(String, f64)>,
    /// Who asks for it.
    #[arg(long, value_name = "NAME", requires = "set")]
    provider: Option<String>,
    /// How the hardware is paid for.
    #[arg(long, value_enum, default_value_t = PriceKind::OnDemand)]
    kind: PriceKind,
    /// The day from which the price holds [default: today].
    #[arg(long, value_name = "DAY", requires = "set")]
    date: Option<NaiveDate>,
    /// Where it was read, such as a URL.
    #[arg(long, value_name = "TEXT", requires = "set")]
    source: Option<String>,
    /// Who adds it; kept with the change.
    #[arg(long, value_name = "NAME", env = "GITHUB_ACTOR")]
    author: Option<String>,
    /// Say what would be added, and add nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl ValueEnum for PriceKind {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::OnDemand => "By the hour, without an obligation",
            Self::Reserved => "For a year or longer",
            Self::Spot => "By the hour, and can be taken away",
            Self::Estimate => "Nobody asks for it: an assumption",
        };
        Some(PossibleValue::new(self.as_str()).help(help))
    }
}

fn amount(text: &str) -> Result<(String, f64), String> {
    let (hardware, usd) = text.split_once('=').ok_or("expected HARDWARE=USD, such as h200=2.95")?;
    let usd = usd.parse().map_err(|_| format!("{usd:?} is not a number of US dollars"))?;
    Ok((hardware.to_owned(), usd))
}

pub(super) async fn run(args: PricesArgs) -> Result<Exit, Failure> {
    let PricesArgs {
        history,
        import,
        set,
        provider,
        kind,
        date,
        source,
        author,
        dry_run,
        json,
    } = args;
    let added: Vec<DatedPrice> = match import {
        Some(path) => {
            let text = artifacts::read_text(&path)?;
            let model = CostModel::parse(&text, None).with_context(|| path.display().to_string());
            let prices = model.and_then(|model| model.dated_prices().with_context(|| path.display().to_string()));
            prices.or_exit(Exit::InvalidInput)?
        }
        None => {
            let date = date.unwrap_or_else(|| Utc::now().date_naive());
            let price = |(hardware, usd_per_gpu_hour)| DatedPrice {
                hardware,
                provider: provider.clone().unwrap_or_default(),
                kind,
                date,
                usd_per_gpu_hour,
                source: source.clone(),
            };
            set.into_iter().map(price).collect()
        }
    };
    if added.is_empty() {
        return list(history, json).await;
    }
    added.iter().try_for_each(DatedPrice::check).or_exit(Exit::Usage)?;
    let counts = add_prices(&history, &added, author, dry_run).await?;
    let Counts { new, unchanged, revised } = counts;
    if json {
        output::emit_json_line(&json!({ "prices": counts }))?;
    } else {
        let would = if dry_run { "would add: " } else { "" };
        output::emit(&format!("{would}prices {new} new, {unchanged} unchanged, {revised} revised\n"))?;
    }
    Ok(Exit::Success)
}

async fn list(history: HistoryTarget, json: bool) -> Result<Exit, Failure> {
    let server = history.to_string();
    let home = history.home().ok_or(PricesError::Server(server))?;
    let mut opened = home.open(RunFilter::default()).await?;
    let prices = opened.database.prices(opened.filter.as_of).await?;
    opened.database.close().await?;
    if json {
        output::emit_json(&prices)?;
    } else if prices.is_empty() {
        output::emit("no prices; --import configs/hardware.yaml adds those of a hardware file\n")?;
    } else {
        output::emit(&table(&prices))?;
    }
    Ok(Exit::Success)
}

fn table(prices: &[DatedPrice]) -> String {
    let mut table = TextTable::default();
    table.add_column("hardware", Rank::Identity);
    table.add_column("from", Rank::Always);
    table.add_column("provider", Rank::Identity);
    table.add_column("kind", Rank::Always);
    table.add_number("USD/GPU-hour", Rank::Always);
    for price in prices {
        table.add_row([
            one_line(&price.hardware),
            price.date.to_string(),
            one_line(&price.provider),
            price.kind.as_str().to_owned(),
            price.usd_per_gpu_hour.to_string(),
        ]);
    }
    table.render(stdout_style())
}
