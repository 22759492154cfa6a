//! `imax token`: who may write through the results API.

use chrono::{TimeDelta, Utc};
use clap::builder::{NonEmptyStringValueParser, PossibleValue};
use clap::{Args, Subcommand, ValueEnum};

use super::terminal::stdout_style;
use super::{Exit, Failure, output};
use crate::report::{Rank, TextTable};
use crate::serve::new_token;
use crate::store::database::{Access, Database, NewToken, Scope, Token};
use crate::store::history::HistoryDatabase;

/// Create, list and revoke tokens, which may write through imax serve.
#[derive(Debug, Args)]
pub struct TokenCommandArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    Create(CreateArgs),
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// The history that tokens are of.
#[derive(Debug, Args)]
struct HistoryArgs {
    /// The history that imax serve --writes serves, FILE.db or postgres://USER@HOST/DATABASE.
    #[arg(long, value_name = "HISTORY")]
    history: HistoryDatabase,
}

/// Create a token and print it. It is shown this once: the history keeps its SHA-256 alone.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
        imax token create --history history.db --name nightly --scope ingest --project bench --branch main --days 90")]
struct CreateArgs {
    #[command(flatten)]
    source: HistoryArgs,
    /// Whose token it is; the author of what is written with it.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    name: String,
    /// What it allows.
    #[arg(long = "scope", value_enum, value_name = "SCOPE", required = true)]
    scopes: Vec<Scope>,
    /// The only project that it may write to [default: all].
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    project: Option<String>,
    /// The only branch whose runs it may write [default: all].
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    branch: Option<String>,
    /// Days until it expires.
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,
}

/// List the tokens of a history.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax token list --history history.db --json")]
struct ListArgs {
    #[command(flatten)]
    source: HistoryArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Revoke a token.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax token revoke 3 --history history.db")]
struct RevokeArgs {
    /// The number of the token in imax token list.
    token: i64,
    #[command(flatten)]
    source: HistoryArgs,
}

impl ValueEnum for Scope {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Submit => "Submit runs, which wait for a reviewer",
            Self::Ingest => "Add runs",
            Self::Annotate => "Add and withdraw annotations",
            Self::Review => "Decide on submissions, retract and restore runs",
            Self::Admin => "All of these, and reading the log of writes",
        };
        Some(PossibleValue::new(self.as_str()).help(help))
    }
}

/// Runs the command.
///
/// # Errors
/// Invalid input for an invalid history; usage for a token that is not in it.
pub async fn run(args: TokenCommandArgs) -> Result<Exit, Failure> {
    match args.command {
        TokenCommand::Create(args) => create(args).await,
        TokenCommand::List(args) => list(args).await,
        TokenCommand::Revoke(args) => revoke(args).await,
    }
}

async fn create(args: CreateArgs) -> Result<Exit, Failure> {
    let CreateArgs {
        source,
        name,
        mut scopes,
        project,
        branch,
        days,
    } = args;
    scopes.sort_unstable();
    scopes.dedup();
    let (text, hash) = new_token()?;
    let token = NewToken {
        hash,
        name,
        scopes,
        project,
        branch,
        expires: Utc::now() + TimeDelta::days(days.into()),
    };
    let mut database = Database::open(&source.history.0, Access::Write).await?;
    let id = database.create_token(token).await?;
    database.close().await?;
    output::say(&format!("token {id}; it is shown this once"));
    output::emit(&format!("{}\n", text.expose()))?;
    Ok(Exit::Success)
}

async fn list(args: ListArgs) -> Result<Exit, Failure> {
    let ListArgs { source, json } = args;
    let mut database = Database::open(&source.history.0, Access::Read).await?;
    let tokens = database.tokens().await?;
    database.close().await?;
    if json {
        output::emit_json(&tokens)?;
    } else if tokens.is_empty() {
        output::emit("no tokens\n")?;
    } else {
        output::emit(&format!("{}\n", table(&tokens)))?;
    }
    Ok(Exit::Success)
}

fn table(tokens: &[Token]) -> String {
    let mut table = TextTable::default();
    table.add_number("id", Rank::Always);
    for (title, rank) in [
        ("name", Rank::Identity),
        ("scopes", Rank::Always),
        ("project", Rank::Optional(1)),
        ("branch", Rank::Optional(0)),
        ("expires", Rank::Always),
        ("state", Rank::Always),
    ] {
        table.add_column(title, rank);
    }
    for token in tokens {
        let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
        let state = match &token.revoked {
            Some(revoked) => format!("revoked {revoked}"),
            None if token.issuer.is_some() => "OpenID Connect".to_owned(),
            None if token.is_valid_at(Utc::now()) => "valid".to_owned(),
            None => "expired".to_owned(),
        };
        table.add_row([
            token.id.to_string(),
            one_line(&token.name),
            scopes.join(" "),
            one_line(token.project.as_deref().unwrap_or("all")),
            one_line(token.branch.as_deref().unwrap_or("all")),
            token.expires.clone(),
            state,
        ]);
    }
    table.render(stdout_style()).trim_end().to_owned()
}

/// Control characters could move the cursor of a terminal or change its colours.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect()
}

async fn revoke(args: RevokeArgs) -> Result<Exit, Failure> {
    let RevokeArgs { token, source } = args;
    let mut database = Database::open(&source.history.0, Access::Write).await?;
    let is_revoked = database.revoke_token(token).await?;
    database.close().await?;
    if is_revoked {
        output::say(&format!("token {token} is revoked"));
        return Ok(Exit::Success);
    }
    output::say(&format!("there is no valid token {token}; imax token list shows them"));
    Ok(Exit::Usage)
}
