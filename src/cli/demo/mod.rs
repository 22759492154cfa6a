//! `imax demo`: the whole pipeline on this machine. It creates a benchmark repository with two changelog commits and does the same as the
//! action for each: plan, run every row against an engine process, collect. The commits are measured alternately in several rounds, from
//! which the noise of the machine is known. Then the runs of the two commits are compared and reported. Only the engines are simulated;
//! processes, sockets, measurements and results are real.

mod measure;
mod repository;

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::report::with_pages;
use super::{Exit, Failure, OrExit as _, output, terminal};
use crate::analysis::{self, Knowledge, Run, Side};
use crate::report::{Format, View};
use crate::store::hardware;
use crate::system::cancellation::Cancellation;
use crate::system::files;
use measure::Measured;
use repository::{DemoRepository, SecondCommit, Step};

/// Run the whole pipeline on this machine, with simulated engines.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  imax demo --dir demo && open demo/report.html\n  imax demo --unchanged --dir aa")]
pub struct DemoArgs {
    /// Folder for everything that the demo creates; it must be empty or absent [default: a new temporary folder].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Only create the git repository with its two changelog commits, as an example or to try workflows.
    #[arg(long)]
    repository_only: bool,
    /// Number of times both commits are measured, alternately. With one, the noise of the machine is assumed instead of measured.
    #[arg(long, value_name = "N", default_value = "3")]
    rounds: NonZeroU32,
    /// Make a second commit that changes nothing (an A/A test): every difference reported is a false alarm.
    #[arg(long)]
    unchanged: bool,
}

/// Runs the command.
///
/// # Errors
/// If the folder cannot be used, and the errors of the pipeline's steps.
pub async fn run(args: DemoArgs) -> Result<Exit, Failure> {
    let DemoArgs {
        dir,
        repository_only,
        rounds,
        unchanged,
    } = args;
    let second = if unchanged {
        SecondCommit::Unchanged
    } else {
        SecondCommit::NewImage
    };
    let folder = destination(dir.as_deref())?;
    if repository_only {
        let mut repository = DemoRepository::create(&folder, second)?;
        for step in [Step::First, Step::Second] {
            repository.advance(step)?;
        }
        output::say(&format!("created the repository {}", folder.display()));
        return Ok(Exit::Success);
    }
    let cancellation = Cancellation::on_signals()?;
    let mut repository = DemoRepository::create(&folder.join("repository"), second)?;
    output::say(&format!("the repository is {}\n", repository.folder().display()));
    // Paths are relative to the repository, as in the checkout of a job.
    std::env::set_current_dir(repository.folder()).or_exit(Exit::Infrastructure)?;

    let first = repository.advance(Step::First)?;
    let first = measure::plan(Step::First, first, &folder, rounds)?;
    let second = repository.advance(Step::Second)?;
    let second = measure::plan(Step::Second, second, &folder, rounds)?;
    let measured = measure::measure([first, second], &repository, &cancellation).await;
    // Whichever commit was measured last, the user finds the files of the second.
    repository.check_out_newest()?;
    match measured? {
        Measured::Complete([first, second]) => report(&folder, &first, &second).await,
        Measured::Ended(exit) => Ok(exit),
    }
}

fn destination(dir: Option<&Path>) -> Result<PathBuf, Failure> {
    let Some(dir) = dir else {
        return Ok(files::create_unique_folder(&std::env::temp_dir(), "imax-demo-")?);
    };
    let occupied = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(Failure::new(
            Exit::Usage,
            format!("{} is not empty; name another folder, or remove it", dir.display()),
        ));
    }
    files::create_folder(dir)?;
    dir.canonicalize()
        .with_context(|| format!("cannot resolve the path {}", dir.display()))
        .or_exit(Exit::Infrastructure)
}

/// Compares the runs of the second commit with those of the first, and writes the report to the terminal and to files.
async fn report(folder: &Path, first: &[Run], second: &[Run]) -> Result<Exit, Failure> {
    let comparison = analysis::compare(&side(Step::First, first), &side(Step::Second, second), &Knowledge::default());
    let Some(newest) = second.first() else {
        return Err(Failure::new(Exit::Infrastructure, "nothing was measured"));
    };
    let view = View::new(newest, Some(&comparison)).with_costs(&hardware::cost_model(None, None)?);
    let view = with_pages(view).await?;
    files::write_json(&folder.join("comparison.json"), &comparison)?;
    let texts = [
        ("summary.md", Format::Markdown),
        ("report.html", Format::Html),
        ("report.csv", Format::Csv),
    ];
    for (name, format) in texts {
        files::write(&folder.join(name), &format.bytes(&view, "imax demo")?)?;
    }
    output::emit(&Format::Table.text(&view, "imax demo", terminal::stdout_style())?)?;
    output::say(&format!(
        "\nall files are in {}\nopen {} in a browser",
        folder.display(),
        folder.join("report.html").display()
    ));
    Ok(Exit::Success)
}

fn side(step: Step, runs: &[Run]) -> Side<'_> {
    Side {
        name: step.title(),
        runs: runs.iter().collect(),
    }
}
