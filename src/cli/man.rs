//! `imax man`: manual pages, generated from the same definitions as `--help`.

use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory as _};
use clap_mangen::Man;

use super::output::{self, OutputError};
use super::{Cli, Exit, Failure};
use crate::system::files;

/// Print the manual page of a command, or write all pages to a folder.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  imax man bench | man -l -
  imax man --dir ~/.local/share/man/man1")]
pub struct ManArgs {
    /// The command and its subcommand, such as `bench` or `matrix full-sweep` [default: imax itself]
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    command: Vec<String>,
    /// Write the page of every command to this folder, as imax.1, imax-bench.1 and so on
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Usage for an unknown command; infrastructure if a page cannot be written.
pub fn run(args: &ManArgs) -> Result<Exit, Failure> {
    let ManArgs { command, dir } = args;
    let mut root = Cli::command();
    // The full names of subcommands are only known after `build`.
    root.build();
    if let Some(dir) = dir {
        files::create_folder(dir)?;
        write_pages(&root, dir)?;
        return Ok(Exit::Success);
    }
    let page = page(find(&root, command)?)?;
    output::emit(&page)?;
    Ok(Exit::Success)
}

fn find<'a>(root: &'a Command, path: &[String]) -> Result<&'a Command, Failure> {
    path.iter().try_fold(root, |command, name| {
        command.find_subcommand(name).ok_or_else(|| {
            let message = format!("{} has no command {name:?}; `imax --help` lists the commands", spaced_name(command));
            Failure::new(Exit::Usage, message)
        })
    })
}

fn write_pages(command: &Command, dir: &Path) -> Result<(), Failure> {
    let path = dir.join(format!("{}.1", page_name(command)));
    files::write(&path, page(command)?.as_bytes())?;
    for subcommand in documented_subcommands(command) {
        write_pages(subcommand, dir)?;
    }
    Ok(())
}

/// Subcommands except hidden ones, which imax starts itself, and clap's `help`, whose page would repeat the others.
fn documented_subcommands(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set() && subcommand.get_name() != "help")
}

fn page(command: &Command) -> Result<String, OutputError> {
    let mut text = Vec::new();
    let man = Man::new(command.clone()).title(page_name(command)).manual("imax");
    man.render(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn page_name(command: &Command) -> String {
    spaced_name(command).replace(' ', "-")
}

fn spaced_name(command: &Command) -> &str {
    command.get_bin_name().unwrap_or(command.get_name())
}
