//! The commands, one file each: arguments, their conversion to the input of a use case, and output. Data goes to stdout, messages go to
//! stderr, and every command ends with one of the documented exit codes.

mod action;
mod approve;
mod baseline;
mod bench;
mod changelog;
mod check;
mod collect;
mod comment;
mod compare;
mod completions;
mod configs;
mod credentials;
mod demo;
mod dialect;
mod dispatch;
mod doctor;
mod doctor_fleet;
mod eval;
mod exit;
mod export;
mod fail_on;
mod heartbeat;
mod history;
mod import;
mod import_image;
mod init;
mod job_plan;
mod logging;
mod man;
mod matrix;
mod normalize;
mod notify;
mod nvml;
mod output;
mod panic;
mod plan;
mod plan_table;
mod progress;
mod publish;
mod pull_request;
mod ready;
mod reap;
mod report;
mod report_format;
mod row;
mod row_choice;
mod run;
mod schema;
mod selection;
mod serve;
mod settings;
mod sim;
mod sweep;
mod terminal;
mod token;
mod watch;
mod watchdog;
mod work_display;

use clap::{Parser, Subcommand};
use tokio::task::block_in_place;

use crate::system::runtime::runtime;

pub use nvml::main as nvml_main;

pub use exit::Exit;
pub(crate) use exit::{Failure, OrExit};

/// The version, with commit and date if the build script could determine them.
const VERSION: &str = env!("IMAX_VERSION");

/// Continuous benchmarking of LLM inference.
#[derive(Debug, Parser)]
#[command(
    name = "imax",
    version = VERSION,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = Exit::table()
)]
struct Cli {
    #[command(flatten)]
    log: logging::LogArgs,
    #[command(subcommand)]
    command: Command,
}

/// The commands in the order of the pipeline, which is that of the help text.
#[derive(Debug, Subcommand)]
enum Command {
    Init(Box<init::InitArgs>),
    Check(check::CheckArgs),
    Matrix(matrix::MatrixArgs),
    Plan(plan::PlanArgs),
    Approve(approve::ApproveArgs),
    Changelog(changelog::ChangelogCommandArgs),
    Doctor(Box<doctor::DoctorArgs>),
    Run(Box<run::RunArgs>),
    Sweep(Box<sweep::SweepArgs>),
    Ready(ready::ReadyArgs),
    ImportImage(import_image::ImportImageArgs),
    Bench(Box<bench::BenchArgs>),
    Eval(Box<eval::EvalArgs>),
    Normalize(normalize::NormalizeArgs),
    Collect(collect::CollectArgs),
    Publish(Box<publish::PublishArgs>),
    Dispatch(Box<dispatch::DispatchArgs>),
    Import(import::ImportArgs),
    Export(export::ExportArgs),
    History(history::HistoryCommandArgs),
    Serve(Box<serve::ServeArgs>),
    Token(token::TokenCommandArgs),
    Watch(watch::WatchCommandArgs),
    Compare(compare::CompareArgs),
    Report(report::ReportArgs),
    Comment(comment::CommentArgs),
    Progress(progress::ProgressArgs),
    Notify(notify::NotifyArgs),
    Sim(sim::SimArgs),
    Schema(schema::SchemaArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
    Demo(demo::DemoArgs),
    #[command(hide = true)]
    Action(action::ActionArgs),
    #[command(hide = true)]
    Nvml(nvml::NvmlArgs),
    #[command(hide = true)]
    Watchdog(watchdog::WatchdogArgs),
}

impl Command {
    /// Whether the command calls GitHub's API or sends notifications, so that it needs the credentials for them.
    fn uses_github(&self) -> bool {
        match self {
            Self::Plan(_)
            | Self::Collect(_)
            | Self::Compare(_)
            | Self::Report(_)
            | Self::Comment(_)
            | Self::Progress(_)
            | Self::Notify(_)
            | Self::Publish(_)
            | Self::Dispatch(_)
            | Self::Import(_)
            | Self::Export(_)
            | Self::History(_)
            | Self::Serve(_)
            | Self::Watch(_) => true,
            Self::Approve(_) => true,
            Self::Action(args) => args.uses_github(),
            Self::Doctor(args) => args.uses_github(),
            Self::Init(_)
            | Self::Check(_)
            | Self::Matrix(_)
            | Self::Changelog(_)
            | Self::Run(_)
            | Self::Sweep(_)
            | Self::Ready(_)
            | Self::ImportImage(_)
            | Self::Bench(_)
            | Self::Eval(_)
            | Self::Normalize(_)
            | Self::Sim(_)
            | Self::Schema(_)
            | Self::Completions(_)
            | Self::Man(_)
            | Self::Demo(_)
            | Self::Nvml(_)
            | Self::Watchdog(_)
            | Self::Token(_) => false,
        }
    }
}

impl Command {
    /// Whether it is the step of the action that runs a row.
    fn runs_row_of_action(&self) -> bool {
        matches!(self, Self::Action(args) if args.runs_row())
    }
}

/// Parses the command line, runs the command, prints its error, and returns the exit code.
#[must_use]
pub fn main() -> std::process::ExitCode {
    panic::guarded(run_command_line)
}

fn run_command_line() -> std::process::ExitCode {
    let cli = match Cli::try_parse_from(bench::with_dashes(std::env::args_os())) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout with exit code 0, errors go to stderr.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            let printed = output::print_clap(&error);
            if let Some(hint) = bench::hint(&error) {
                output::say(&format!("hint: {hint}"));
            }
            return match printed {
                Ok(()) => exit.into(),
                Err(failed) => {
                    let failure = Failure::from(failed);
                    failure.print();
                    failure.exit.into()
                }
            };
        }
    };
    let Cli { log, command } = cli;
    let result = credentials::drop_unneeded(&command)
        .map_err(Failure::from)
        .and_then(|()| Ok(log.set_up()?))
        .and_then(|()| start(command));
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print();
            failure.exit.into()
        }
    }
}

fn start(command: Command) -> Result<Exit, Failure> {
    // The sampler runs for the whole job and needs no runtime.
    if let Command::Nvml(args) = &command {
        return nvml::run(args);
    }
    runtime().or_exit(Exit::Infrastructure)?.block_on(run(command))
}

/// Runs a command line in this process.
///
/// # Errors
/// The error of the command; usage for an invalid command line.
async fn dispatch(command_line: impl IntoIterator<Item = String>) -> Result<Exit, Failure> {
    let cli = Cli::try_parse_from(command_line)?;
    // Boxed, because the future is recursive: a step of the action is a command that runs commands.
    Box::pin(run(cli.command)).await
}

async fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Init(args) => init::run(*args).await,
        Command::Demo(args) => Box::pin(demo::run(args)).await,
        Command::Action(args) => action::run(args).await,
        Command::Approve(args) => approve::run(args).await,
        Command::Nvml(args) => block_in_place(|| nvml::run(&args)),
        Command::Watchdog(args) => watchdog::run(args).await,
        Command::Check(args) => block_in_place(|| check::run(args)),
        Command::Schema(args) => block_in_place(|| schema::run(&args)),
        Command::Completions(args) => block_in_place(|| completions::run(&args)),
        Command::Man(args) => block_in_place(|| man::run(&args)),
        Command::Plan(args) => plan::run(args).await,
        Command::Matrix(args) => block_in_place(|| matrix::run(args)),
        Command::Changelog(args) => block_in_place(|| changelog::run(args)),
        Command::Doctor(args) => doctor::run(*args).await,
        Command::Run(args) => Box::pin(run::run(*args)).await,
        Command::Sweep(args) => Box::pin(sweep::run(*args)).await,
        Command::Ready(args) => ready::run(args).await,
        Command::ImportImage(args) => block_in_place(|| import_image::run(args)),
        Command::Bench(args) => block_in_place(|| bench::run(*args)),
        Command::Eval(args) => block_in_place(|| eval::run(*args)),
        Command::Normalize(args) => block_in_place(|| normalize::run(args)),
        Command::Sim(args) => block_in_place(|| sim::run(args)),
        Command::Collect(args) => collect::run(args).await,
        Command::Publish(args) => publish::run(*args).await,
        Command::Dispatch(args) => dispatch::run(*args).await,
        Command::Import(args) => import::run(args).await,
        Command::Export(args) => export::run(args).await,
        Command::Token(args) => token::run(args).await,
        Command::Watch(args) => watch::run(args).await,
        Command::Serve(args) => serve::run(*args).await,
        Command::History(args) => history::run(args).await,
        Command::Compare(args) => compare::run(args).await,
        Command::Report(args) => report::run(args).await,
        Command::Comment(args) => comment::run(args).await,
        Command::Progress(args) => progress::run(args).await,
        Command::Notify(args) => notify::run(args).await,
    }
}
