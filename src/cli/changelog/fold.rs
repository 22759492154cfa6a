//! `imax changelog fold`: moves fragments to the end of the log.

use anyhow::Context as _;
use clap::Args;

use super::files::{ChangelogFiles, Repo};
use crate::changelog;
use crate::cli::{Exit, Failure, OrExit as _, output};
use crate::system::files;

/// Moves all fragments to the end of the changelog and removes their files.
///
/// Run it on the main branch, after pull requests with fragments were merged. Folding adds nothing: `imax plan` finds
/// no new entry in a commit that only folds.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  imax changelog fold && git add -A perf-changelog.yaml perf-changelog.d")]
pub struct FoldArgs {
    #[command(flatten)]
    files: ChangelogFiles,

    #[command(flatten)]
    repo: Repo,
}

pub fn run(args: &FoldArgs) -> Result<Exit, Failure> {
    let state = args.files.in_checkout()?;
    if state.fragments.is_empty() {
        output::say(&format!("no fragments in {}", args.files.fragments_folder().display()));
        return Ok(Exit::Success);
    }
    let folded = changelog::fold(state.log.text.as_bytes(), &state.fragments, &args.repo.repo).or_exit(Exit::InvalidInput)?;
    files::write(args.files.log(), &folded).or_exit(Exit::Infrastructure)?;
    for fragment in &state.fragments {
        let removed = std::fs::remove_file(&fragment.path);
        let removed = removed.with_context(|| {
            format!(
                "the log has the entries of {}, but the file cannot be removed; remove it",
                fragment.path
            )
        });
        removed.or_exit(Exit::Infrastructure)?;
    }
    output::say(&format!(
        "{}: folded {} fragments in",
        args.files.changelog_file,
        state.fragments.len()
    ));
    Ok(Exit::Success)
}
