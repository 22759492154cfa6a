//! `imax doctor`: examines this node with the same checks as `imax run` before a job.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::row::read_row;
use super::terminal::stdout_style;
use super::{Exit, Failure, output};
use crate::execution::{Examination, ExaminationError, ExaminationRequest, examine};
use crate::job::Grade;
use crate::report::{Mark, TextStyle, wrapped_text};
use crate::system::cancellation::Cancellation;

/// Examine this node: GPUs, driver, disk, port, model hub, services, clock, leftovers.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  imax doctor --profile h100 --format json\n\nExits with 0 if a job can run here, also with warnings, and with 4 if it cannot."
)]
pub struct DoctorArgs {
    /// Runner profile, instead of the one that the runner's name selects; `local` is built in.
    #[arg(long, value_name = "NAME", env = "IMAX_PROFILE")]
    profile: Option<String>,
    /// Folder of the runner profiles and launch scripts.
    #[arg(long, value_name = "DIR", default_value = "runners")]
    runner_dir: PathBuf,
    /// Name of this runner, `<prefix>_<n>` [default: this machine's name].
    #[arg(long, value_name = "NAME", env = "RUNNER_NAME")]
    runner_name: Option<String>,
    /// File with the matrix row, from which the number of GPUs is taken; `-` reads stdin.
    #[arg(long, value_name = "FILE")]
    row: Option<PathBuf>,
    /// Number of GPUs that the job needs on this node, instead of the row's.
    #[arg(long, value_name = "N", conflicts_with = "row")]
    gpus: Option<u64>,
    /// Examine only the GPUs and the clock, from within a job on this node, and print problems to stderr.
    #[arg(long)]
    inside_job: bool,
    /// Output folder of the job.
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    /// Port of the engine.
    #[arg(long, env = "PORT")]
    port: Option<u16>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people
    Table,
    /// JSON
    Json,
}

fn request(args: DoctorArgs) -> Result<(ExaminationRequest, Format), Failure> {
    let DoctorArgs {
        profile,
        runner_dir,
        runner_name,
        row,
        gpus,
        inside_job,
        out,
        port,
        format,
    } = args;
    let row = row.as_deref().map(|row| read_row(Some(row))).transpose()?;
    let request = ExaminationRequest {
        profile,
        runner_dir,
        runner_name,
        gpus: gpus.or(row.map(|row| row.layout.gpus())),
        inside_job,
        out,
        port,
    };
    Ok((request, format))
}

/// Runs the command.
///
/// # Errors
/// For an invalid profile or row.
pub fn run(args: DoctorArgs) -> Result<Exit, Failure> {
    let cancellation = Cancellation::on_signals()?;
    let (request, format) = request(args)?;
    let examination = match examine(&request, &cancellation) {
        Ok(examination) => examination,
        Err(ExaminationError::Cancelled(cause)) => return Ok(cause.into()),
        Err(error) => return Err(error.into()),
    };
    if request.inside_job {
        print_problems(&examination);
    }
    match format {
        Format::Table => output::emit(&table(&examination, stdout_style()))?,
        Format::Json => output::emit_json(&examination)?,
    }
    Ok(match examination.worst {
        Grade::Ok | Grade::Unknown | Grade::Warning => Exit::Success,
        Grade::Failed => Exit::Infrastructure,
    })
}

fn print_problems(examination: &Examination) {
    for finding in examination.findings.iter().filter(|finding| finding.grade == Grade::Failed) {
        output::say(&format!("{}: {}", finding.check.as_str(), finding.detail));
    }
}

/// A line per finding: grade, check and detail, wrapped to the width of the terminal.
fn table(examination: &Examination, style: TextStyle) -> String {
    let checks = examination.findings.iter().map(|finding| finding.check.as_str().len());
    let width = checks.max().unwrap_or(0);
    let mut text = String::new();
    for finding in &examination.findings {
        let detail: String = finding.detail.chars().filter(|c| !c.is_control()).collect();
        let detail = wrapped_text(&detail, GRADE_WIDTH + width + 4, style.width);
        let grade = style.painted(mark_of(finding.grade), &format!("{:GRADE_WIDTH$}", finding.grade.as_str()));
        text.push_str(&format!("{grade}  {:width$}  {detail}\n", finding.check.as_str()));
    }
    let worst = style.painted(mark_of(examination.worst), examination.worst.as_str());
    format!("{text}{} with profile {}: {worst}\n", examination.host, examination.profile)
}

/// Columns of the longest grade.
const GRADE_WIDTH: usize = 7;

fn mark_of(grade: Grade) -> Mark {
    match grade {
        Grade::Ok => Mark::Good,
        Grade::Unknown => Mark::Neutral,
        Grade::Warning => Mark::Unsure,
        Grade::Failed => Mark::Bad,
    }
}
