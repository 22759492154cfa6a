//! `imax doctor --fleet`: the repository's runners, and labels of configs without an online one.

use chrono::Utc;
use clap::Args;

use super::configs::ConfigArgs;
use super::{Exit, Failure, output};
use crate::notify;
use crate::planning::{self, RunnerFleet};

#[derive(Debug, Args)]
#[command(next_help_heading = "The fleet")]
pub(super) struct FleetArgs {
    /// Examine the self-hosted runners of --repository [default: GITHUB_REPOSITORY] instead of this node: their state, labels and jobs, and which labels of configs
    /// no online runner has. The token (GH_TOKEN) needs `administration: read`; for those that its organisation shares with it,
    /// `organization_self_hosted_runners: read`
    #[arg(long)]
    pub(super) fleet: bool,
    /// With --fleet: tell the webhooks of the environment where a label has no online runner or a runner is offline
    #[arg(long, requires = "fleet")]
    notify: bool,
    #[command(flatten)]
    configs: ConfigArgs,
}

/// Prints the fleet of a repository, by default that of the workflow. Infrastructure where rows of a label find no runner.
pub(super) async fn run(args: FleetArgs, repository: Option<String>, is_json: bool) -> Result<Exit, Failure> {
    let FleetArgs { fleet: _, notify, configs } = args;
    let repository = repository.or_else(|| std::env::var("GITHUB_REPOSITORY").ok());
    let fleet = planning::runner_fleet(repository.as_deref(), &configs.into(), &output::say).await?;
    match is_json {
        true => output::emit_json(&fleet)?,
        false => output::emit(&table(&fleet))?,
    }
    if notify {
        notify_about(&fleet).await?;
    }
    Ok(if fleet.without_runner.is_empty() {
        Exit::Success
    } else {
        Exit::Infrastructure
    })
}

/// A line per runner, and the labels without one.
fn table(fleet: &RunnerFleet) -> String {
    let width = fleet.runners.iter().map(|runner| runner.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for runner in &fleet.runners {
        let job = runner.job.as_ref().map_or(String::new(), |job| format!("  {job}"));
        text.push_str(&format!(
            "{:width$}  {:7}  {}{job}\n",
            runner.name,
            runner.state,
            runner.labels.join(", ")
        ));
    }
    for label in &fleet.without_runner {
        text.push_str(&format!(
            "no online runner for {} ({} offline): {}\n",
            label.label,
            label.offline,
            label.configs.join(", ")
        ));
    }
    // Names and labels are of whoever registered the runner.
    let text: String = text.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    text + &format!("{}\n", summary(fleet))
}

fn summary(fleet: &RunnerFleet) -> String {
    let count = |state| fleet.runners.iter().filter(|runner| runner.state == state).count();
    format!(
        "{} runners: {} idle, {} busy, {} offline; {} labels of configs without an online runner",
        fleet.runners.len(),
        count("idle"),
        count("busy"),
        count("offline"),
        fleet.without_runner.len()
    )
}

async fn notify_about(fleet: &RunnerFleet) -> Result<(), Failure> {
    let is_whole = fleet.without_runner.is_empty() && fleet.runners.iter().all(|runner| runner.state != "offline");
    if is_whole {
        output::say("no notification needed");
        return Ok(());
    }
    let receivers = notify::receivers_from_environment();
    if receivers.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "no receiver; set IMAX_SLACK_WEBHOOK_URL, IMAX_DISCORD_WEBHOOK_URL or IMAX_WEBHOOK_URL",
        ));
    }
    let text = table(fleet);
    let sent_at = Utc::now().to_rfc3339();
    for receiver in &receivers {
        receiver.send_text(&text, &sent_at).await?;
        output::say(&format!("sent to {}", receiver.name()));
    }
    Ok(())
}
