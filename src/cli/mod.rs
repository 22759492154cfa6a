//! The commands, one file each: a command's arguments and its few lines of wiring between the pure steps and the
//! edge. Data goes to stdout, words for people to stderr, and every end has one of the documented exit codes.

mod action;
mod baseline;
mod bench;
mod changelog;
mod check;
mod collect;
mod comment;
mod compare;
mod configs;
mod demo;
mod dialect;
mod doctor;
mod eval;
mod exit;
mod fail_on;
mod format;
mod import_image;
mod matrix;
mod normalize;
mod notify;
mod nvml;
mod output;
mod plan;
mod progress;
mod pull_request;
mod ready;
mod report;
mod run;
mod schema;
mod selection;
mod settings;
mod sim;

use clap::{Parser, Subcommand};

pub use nvml::main as nvml_main;

pub use exit::{Exit, Failure, OrExit, in_words};

/// Continuous benchmarking of LLM inference.
#[derive(Debug, Parser)]
#[command(
    name = "imax",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// One variant a command; the order is that of the pipeline.
#[derive(Debug, Subcommand)]
enum Command {
    Check(check::CheckArgs),
    Matrix(matrix::MatrixArgs),
    Plan(plan::PlanArgs),
    Changelog(changelog::ChangelogCommandArgs),
    Doctor(doctor::DoctorArgs),
    Run(Box<run::RunArgs>),
    Ready(ready::ReadyArgs),
    ImportImage(import_image::ImportImageArgs),
    Bench(Box<bench::BenchArgs>),
    Eval(Box<eval::EvalArgs>),
    Normalize(normalize::NormalizeArgs),
    Collect(collect::CollectArgs),
    Compare(compare::CompareArgs),
    Report(report::ReportArgs),
    Comment(comment::CommentArgs),
    Progress(progress::ProgressArgs),
    Notify(notify::NotifyArgs),
    Sim(sim::SimArgs),
    Schema(schema::SchemaArgs),
    Demo(demo::DemoArgs),
    #[command(hide = true)]
    Action(action::ActionArgs),
    #[command(hide = true)]
    Nvml(nvml::NvmlArgs),
}

/// Parses the command line, runs the command, says what went wrong, and gives the exit code.
#[must_use]
pub fn main() -> std::process::ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers on stdout, the rest is usage on stderr; clap knows which is which.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Success };
            return match error.print() {
                Ok(()) => exit.into(),
                Err(_) => Exit::Usage.into(),
            };
        }
    };
    match run(cli.command) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.tell();
            failure.exit.into()
        }
    }
}

/// Runs a command line in this process, as [`main`] does.
///
/// # Errors
/// As the command; usage for a command line that is none.
fn dispatch(command_line: impl IntoIterator<Item = String>) -> Result<Exit, Failure> {
    run(Cli::try_parse_from(command_line).or_exit(Exit::Usage)?.command)
}

/// Runs a command that talks to others, on a runtime of its own.
fn block_on(command: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.or_exit(Exit::Infrastructure)?.block_on(command)
}

fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Action(args) => action::run(args),
        Command::Nvml(args) => nvml::run(&args),
        Command::Check(args) => check::run(args),
        Command::Schema(args) => schema::run(&args),
        Command::Plan(args) => plan::run(args),
        Command::Matrix(args) => matrix::run(args),
        Command::Changelog(args) => changelog::run(args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Ready(args) => ready::run(&args),
        Command::ImportImage(args) => import_image::run(&args),
        Command::Bench(arguments) => bench::run(*arguments),
        Command::Eval(arguments) => eval::run(*arguments),
        Command::Normalize(args) => normalize::run(args),
        Command::Sim(arguments) => sim::run(&arguments),
        Command::Collect(args) => block_on(collect::run(args)),
        Command::Compare(args) => compare::run(args),
        Command::Report(args) => block_on(report::run(args)),
        Command::Comment(args) => block_on(comment::run(args)),
        Command::Progress(args) => block_on(progress::run(args)),
        Command::Notify(args) => block_on(notify::run(args)),
    }
}
