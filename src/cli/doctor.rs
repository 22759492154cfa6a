//! `imax doctor`: examines this node with the checks that `imax run` makes before it starts anything.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use super::run::{profile_of, read_row};
use super::{Exit, Failure, OrExit as _, output};
use crate::fleet::node::{Questions, gather, gather_inside};
use crate::job::{Finding, Grade, NodeFacts, RunnerProfile, Wanted, check_idle, check_node, worst};
use crate::system::cancellation::Cancellation;
use crate::system::host;

/// How long an examination may take: far beyond what a node needs whose tools answer.
const LIMIT: Duration = Duration::from_secs(300);

/// Examine this node: GPUs, driver, disk, port, model hub, services, clock, leftovers.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  imax doctor --profile h100 --format json\n\nEnds with 0 where a job can run, also with warnings, and with 4 where it cannot."
)]
pub struct DoctorArgs {
    /// Runner profile, instead of the one found by the runner's name; `local` is built in.
    #[arg(long, value_name = "NAME", env = "IMAX_PROFILE")]
    profile: Option<String>,
    /// Folder of the runner profiles and launch scripts.
    #[arg(long, value_name = "DIR", default_value = "runners")]
    runner_dir: PathBuf,
    /// This runner's name, `<prefix>_<n>`; else this machine's name.
    #[arg(long, value_name = "NAME", env = "RUNNER_NAME")]
    runner_name: Option<String>,
    /// File with the row that is to run, for the number of GPUs; `-` reads stdin.
    #[arg(long, value_name = "FILE")]
    row: Option<PathBuf>,
    /// GPUs that the job needs here, instead of those of the row.
    #[arg(long, value_name = "N", conflicts_with = "row")]
    gpus: Option<u64>,
    /// From within a job that has this node: look at its GPUs and its clock alone, and name on stderr what is wrong.
    #[arg(long)]
    inside_job: bool,
    /// Folder for the job's files.
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    /// Port for the engine.
    #[arg(long, env = "PORT")]
    port: Option<u16>,
    /// How it is shown.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For machines
    Json,
}

#[derive(Serialize)]
struct Examination<'a> {
    host: String,
    profile: &'a str,
    worst: Grade,
    findings: &'a [Finding],
    facts: &'a NodeFacts,
}

/// Runs the command.
///
/// # Errors
/// For a profile or a row that cannot be used.
pub fn run(args: &DoctorArgs) -> Result<Exit, Failure> {
    let stop = Cancellation::on_signals().or_exit(Exit::Infrastructure)?;
    let profile = profile_of(args.profile.as_deref(), args.runner_name.as_deref(), &args.runner_dir)?;
    let row = args.row.as_deref().map(|row| read_row(Some(row))).transpose()?;
    let absolute = |path: &Path| std::path::absolute(path).or_exit(Exit::Infrastructure);
    let (out, workspace) = (absolute(&args.out)?, absolute(Path::new("."))?);
    let visible = profile.visible_choice(&|name| own_variable(&profile, name));
    let look = if args.inside_job { gather_inside } else { gather };
    let facts = look(&Questions {
        vendor: profile.vendor,
        visible: visible.as_deref(),
        launch: &profile.launch,
        out: &out,
        workspace: &workspace,
        hub_cache: profile.hf_cache.as_deref(),
        port: args.port,
        inside_job: args.inside_job,
        stop: &stop,
        until: Instant::now() + LIMIT,
    });
    if let Some(cause) = stop.cause() {
        return Ok(cause.into());
    }
    let mut node = profile.node.clone();
    if args.inside_job {
        // The job sees the GPUs that it was given, not all of the node.
        node.gpus = None;
    }
    let wanted = Wanted {
        node: &node,
        gpus: args.gpus.or(row.as_ref().map(|row| row.layout.gpus())),
        token: profile.wants_hub_token() && !args.inside_job,
    };
    let mut findings = check_node(&facts, wanted);
    findings.extend(check_idle(&facts, wanted));
    let worst = worst(&findings);
    let examination = Examination {
        host: host::host_name(),
        profile: &profile.name,
        worst,
        findings: &findings,
        facts: &facts,
    };
    if args.inside_job {
        for finding in findings.iter().filter(|finding| finding.grade == Grade::Failed) {
            output::say(&format!("{}: {}", finding.check.as_str(), finding.detail));
        }
    }
    match args.format {
        Format::Table => output::emit(&table(&examination))?,
        Format::Json => {
            let mut text = serde_json::to_string_pretty(&examination).or_exit(Exit::Infrastructure)?;
            text.push('\n');
            output::emit(&text)?;
        }
    }
    Ok(match worst {
        Grade::Ok | Grade::Unknown | Grade::Warning => Exit::Success,
        Grade::Failed => Exit::Infrastructure,
    })
}

/// A variable as a recipe would get it.
fn own_variable(profile: &RunnerProfile, name: &str) -> Option<String> {
    let set = profile.environment.get(name).cloned();
    set.or_else(|| std::env::var(name).ok()).filter(|value| !value.is_empty())
}

fn table(examination: &Examination<'_>) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["check", "", "what was found"]);
    for finding in examination.findings {
        let detail: String = finding.detail.chars().filter(|c| !c.is_control()).collect();
        table.add_row([finding.check.as_str(), finding.grade.as_str(), &detail]);
    }
    format!(
        "{table}\n{} with profile {}: {}\n",
        examination.host,
        examination.profile,
        examination.worst.as_str()
    )
}
