//! `imax doctor`: examines this node with the same checks as `imax run` before a job, or the settings of a repository on which the
//! security of its runners depends.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tokio::task::block_in_place;

use super::doctor_fleet::{self, FleetArgs};
use super::row::read_row;
use super::terminal::stdout_style;
use super::{Exit, Failure, output};
use crate::execution::{Examination, ExaminationError, ExaminationRequest, examine};
use crate::github::{self, SecurityFinding, SecurityGrade, examine_repository};
use crate::job::Grade;
use crate::report::{Mark, TextStyle, wrapped_text};
use crate::system::cancellation::Cancellation;

/// Examine this node: GPUs, driver, disk, port, model hub, services, clock, leftovers; or a repository: who can start jobs on its runners.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  imax doctor --profile h100 --format json\n  imax doctor --repository octo-org/benchmarks\n  GH_TOKEN=... imax doctor --fleet --repository octo-org/benchmarks\n\nExits with 0 if a job can run here, also with warnings, and with 4 if it cannot."
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
    /// Examine this repository instead, through GitHub's API: approval of forks, permissions of tokens, runners and their groups, pinned
    /// actions, who can set labels. The token comes from GITHUB_TOKEN or GH_TOKEN; that of an administrator sees most.
    #[arg(long, value_name = "OWNER/NAME", conflicts_with_all = ["profile", "row", "gpus", "inside_job"])]
    repository: Option<String>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    fleet: FleetArgs,
}

impl DoctorArgs {
    /// Whether GitHub's API is called.
    pub(super) fn uses_github(&self) -> bool {
        self.repository.is_some() || self.fleet.fleet
    }
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
        repository: _,
        format,
        fleet: _,
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
/// For an invalid profile or row; where GitHub does not answer.
pub async fn run(args: DoctorArgs) -> Result<Exit, Failure> {
    if args.fleet.fleet {
        let is_json = args.format == Format::Json;
        return doctor_fleet::run(args.fleet, args.repository, is_json).await;
    }
    match &args.repository {
        Some(repository) => examine_settings(repository, args.format).await,
        None => block_in_place(|| examine_node(args)),
    }
}

async fn examine_settings(repository: &str, format: Format) -> Result<Exit, Failure> {
    let (client, repository) = github::connect(Some(repository))?;
    let findings = examine_repository(&client, &repository).await?;
    match format {
        Format::Table => output::emit(&settings_table(&findings, stdout_style()))?,
        Format::Json => output::emit_json(&findings)?,
    }
    Ok(Exit::Success)
}

fn examine_node(args: DoctorArgs) -> Result<Exit, Failure> {
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

/// A line of the table.
struct Line<'a> {
    mark: Mark,
    grade: &'a str,
    check: &'a str,
    detail: &'a str,
}

/// A line per finding: grade, check and detail, wrapped to the width of the terminal.
fn lines(lines: &[Line<'_>], style: TextStyle) -> String {
    let width = lines.iter().map(|line| line.check.len()).max().unwrap_or(0);
    let mut text = String::new();
    for Line {
        mark,
        grade,
        check,
        detail,
    } in lines
    {
        let detail: String = detail.chars().filter(|c| !c.is_control()).collect();
        let detail = wrapped_text(&detail, GRADE_WIDTH + width + 4, style.width);
        let grade = style.painted(*mark, &format!("{grade:GRADE_WIDTH$}"));
        text.push_str(&format!("{grade}  {check:width$}  {detail}\n"));
    }
    text
}

fn settings_table(findings: &[SecurityFinding], style: TextStyle) -> String {
    let all: Vec<Line<'_>> = findings
        .iter()
        .map(|finding| {
            let (mark, grade) = match finding.grade {
                SecurityGrade::Ok => (Mark::Good, "ok"),
                SecurityGrade::Weak => (Mark::Bad, "weak"),
                SecurityGrade::Unknown => (Mark::Neutral, "unknown"),
            };
            Line {
                mark,
                grade,
                check: finding.check,
                detail: &finding.detail,
            }
        })
        .collect();
    lines(&all, style)
}

fn table(examination: &Examination, style: TextStyle) -> String {
    let all: Vec<Line<'_>> = examination
        .findings
        .iter()
        .map(|finding| Line {
            mark: mark_of(finding.grade),
            grade: finding.grade.as_str(),
            check: finding.check.as_str(),
            detail: &finding.detail,
        })
        .collect();
    let text = lines(&all, style);
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
