//! `imax changelog set-pr`: fills in the link of a pull request where its new entries have a placeholder.

use clap::Args;

use super::files::{self, ChangelogFiles, Repo};
use super::pull_request::PullRequest;
use crate::changelog::{Links, set_links, set_links_of_fragment};
use crate::cli::{Exit, Failure, OrExit as _, output};
use crate::system;

/// Fills in the pull request's link where its new entries have the placeholder XXX.
///
/// Compares the checkout with `--base-ref` and checks on the way that nothing else changed in the log.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax changelog set-pr 1234 --base-ref origin/main")]
pub struct SetPrArgs {
    #[command(flatten)]
    pull_request: PullRequest,

    /// The commit to compare with
    #[arg(long, default_value = "origin/main", value_name = "REF")]
    base_ref: String,

    #[command(flatten)]
    files: ChangelogFiles,

    #[command(flatten)]
    repo: Repo,
}

pub fn run(args: &SetPrArgs) -> Result<Exit, Failure> {
    let number = args.pull_request.number()?;
    let links = Links::of_pull_request(&args.repo.repo, number);
    let repository = files::repository()?;
    let base = repository.commit(&args.base_ref).or_exit(Exit::Infrastructure)?;
    let log_name = &args.files.changelog_file;
    let missing = || anyhow::anyhow!("{log_name} is not at {}; check `--changelog-file`", args.base_ref);
    let before = repository.file(base, log_name).or_exit(Exit::Infrastructure)?;
    let before = before.ok_or_else(missing).or_exit(Exit::InvalidInput)?;
    let now = system::files::read(args.files.log()).or_exit(Exit::InvalidInput)?;
    let edited = set_links(&before, &now, &links).or_exit(Exit::InvalidInput)?;
    let mut changed = replace(log_name, &now, &edited)?;

    let known = args.files.at(&repository, base, log_name, log_name)?;
    let fragments = args.files.fragments_in_checkout()?;
    for fragment in fragments
        .iter()
        .filter(|new| known.fragments.iter().all(|old| old.path != new.path))
    {
        let now = fragment.source.text.as_bytes();
        let edited = set_links_of_fragment(&fragment.path, now, &links).or_exit(Exit::InvalidInput)?;
        changed |= replace(&fragment.path, now, &edited)?;
    }
    if !changed {
        output::say(&format!("{log_name}: no placeholder to fill in for pull request {number}"));
    }
    Ok(Exit::Success)
}

fn replace(file: &str, now: &[u8], edited: &[u8]) -> Result<bool, Failure> {
    if edited == now {
        return Ok(false);
    }
    system::files::write(file.as_ref(), edited).or_exit(Exit::Infrastructure)?;
    output::say(&format!("{file}: links filled in"));
    Ok(true)
}
