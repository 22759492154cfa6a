//! `imax history annotate` and `annotations`: what people know about measurements.

use chrono::{DateTime, Utc};
use clap::builder::{NonEmptyStringValueParser, PossibleValue};
use clap::{ArgGroup, Args, ValueEnum};
use serde_json::json;

use super::super::{Exit, Failure, output};
use super::SourceArgs;
use super::list::one_line;
use crate::analysis::Filter;
use crate::store::database::{Access, AnnotationKind, AnnotationTarget, AsOf, Database, NewAnnotation};

/// Note what is known about a run, points or a period: it is shown with the series that it concerns.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["text", "withdraw"]),
    after_help = "Examples:\n  \
        imax history annotate --history history.db --filter 'hardware=h200*' --from 2026-11-01T00:00:00Z --kind environment \
        --text 'new driver' --author jane\n  \
        imax history annotate --history history.db --run 12 --text 'GPU 3 was warm' --author jane --link https://example.org/1\n  \
        imax history annotate --history history.db --withdraw 4 --author jane"
)]
pub(super) struct AnnotateArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// What is known.
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    text: Option<String>,
    /// Withdraw the annotation of this number instead.
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["run", "filters", "from", "to", "link"])]
    withdraw: Option<i64>,
    /// Of which kind it is.
    #[arg(long, value_enum, default_value_t = AnnotationKind::Note)]
    kind: AnnotationKind,
    /// A run that it is about, by its id in imax history list.
    #[arg(long, value_name = "RUN")]
    run: Option<i64>,
    /// Points that it is about, as in imax history series.
    #[arg(long = "filter", value_name = "KEY=GLOB", value_parser = filter)]
    filters: Vec<String>,
    /// The begin of a period, RFC 3339.
    #[arg(long, value_name = "DATE")]
    from: Option<DateTime<Utc>>,
    /// The end of a period.
    #[arg(long, value_name = "DATE")]
    to: Option<DateTime<Utc>>,
    /// Where more is known.
    #[arg(long, value_name = "URL")]
    link: Option<String>,
    /// Who says so.
    #[arg(long, value_name = "NAME", env = "GITHUB_ACTOR", value_parser = NonEmptyStringValueParser::new())]
    author: String,
    /// Say what would be stored, and store nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// List the annotations of a history.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax history annotations --history history.db --json")]
pub(super) struct AnnotationsArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl ValueEnum for AnnotationKind {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::KnownIssue => "Something of the software that was measured",
            Self::Environment => "Something of the machine or its surroundings",
            Self::Change => "A change that explains what follows",
            Self::Acknowledged => "A regression that is being investigated",
            Self::Expected => "A regression that is accepted, until --to",
            Self::Invalid => "Measurements that are not to be relied on",
            Self::Note => "Anything else",
        };
        Some(PossibleValue::new(self.as_str()).help(help))
    }
}

/// A filter that is valid, as its text.
fn filter(text: &str) -> Result<String, String> {
    match text.parse::<Filter>() {
        Ok(_) if !text.contains('\n') => Ok(text.to_owned()),
        Ok(_) => Err("a filter is one line".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

pub(super) async fn annotate(args: AnnotateArgs) -> Result<Exit, Failure> {
    let AnnotateArgs {
        source,
        text,
        withdraw,
        kind,
        run,
        filters,
        from,
        to,
        link,
        author,
        dry_run,
        json,
    } = args;
    let access = if dry_run { Access::Read } else { Access::Write };
    let mut database = Database::open(&source.history.0, access).await?;
    let (id, did) = match (withdraw, text) {
        (Some(id), _) => {
            let known = database.annotations(AsOf::Now).await?.iter().any(|annotation| annotation.id == id);
            if !known || (!dry_run && !database.withdraw_annotation(id, &author).await?) {
                let message = format!(
                    "annotation {id} is not in {}; imax history annotations lists them",
                    source.history.0
                );
                return Err(Failure::new(Exit::Usage, message));
            }
            (Some(id), "withdrawn")
        }
        (None, text) => {
            let target = AnnotationTarget { run, filters, from, to };
            let new = NewAnnotation {
                target,
                kind,
                // clap has checked that there is one.
                text: text.unwrap_or_default(),
                link,
                author,
            };
            let id = if dry_run { None } else { Some(database.annotate(new).await?) };
            (id, "stored")
        }
    };
    database.close().await?;
    if json {
        output::emit(&format!("{}\n", json!({ "id": id, did: !dry_run })))?;
    } else {
        let number = id.map_or_else(String::new, |id| format!(" {id}"));
        let would = if dry_run { "would be" } else { "is" };
        output::emit(&format!("annotation{number} {would} {did}\n"))?;
    }
    Ok(Exit::Success)
}

pub(super) async fn list(args: AnnotationsArgs) -> Result<Exit, Failure> {
    let AnnotationsArgs { source, json } = args;
    let mut database = Database::open(&source.history.0, Access::Read).await?;
    let annotations = database.annotations(AsOf::Now).await?;
    database.close().await?;
    let text = if json {
        format!(
            "{}\n",
            serde_json::to_string_pretty(&annotations).map_err(output::OutputError::Json)?
        )
    } else {
        let line = |annotation: &crate::store::database::Annotation| {
            let run = annotation.run.map_or_else(String::new, |run| format!(" run {run}"));
            let period = [("from", &annotation.from), ("to", &annotation.to)];
            let period: String = period
                .iter()
                .filter_map(|(word, date)| Some(format!(" {word} {}", date.as_deref()?)))
                .collect();
            let about = format!("{run} {}{period}", annotation.filters.join(" "));
            let about = match about.trim() {
                "" => "all",
                about => about,
            };
            one_line(&format!(
                "{} {}: {} ({}; {about})",
                annotation.id, annotation.kind, annotation.text, annotation.author,
            )) + "\n"
        };
        if annotations.is_empty() {
            "no annotations\n".to_owned()
        } else {
            annotations.iter().map(line).collect()
        }
    };
    output::emit(&text)?;
    Ok(Exit::Success)
}
