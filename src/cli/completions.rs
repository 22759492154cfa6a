//! `imax completions`: scripts for the completion of commands and flags in a shell.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Exit, Failure, output};

/// Print the completion script of a shell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  imax completions bash > ~/.local/share/bash-completion/completions/imax
  imax completions zsh > ~/.zfunc/_imax        # with fpath+=~/.zfunc in .zshrc, before compinit
  imax completions fish > ~/.config/fish/completions/imax.fish")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command.
///
/// # Errors
/// As [`output::emit`].
pub fn run(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let CompletionsArgs { shell } = args;
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut Cli::command(), "imax", &mut script);
    output::emit(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
