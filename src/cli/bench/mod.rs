//! `imax bench`: load-tests a server. Its flags, the live progress on a terminal, and the table of results.

mod arguments;
mod live;
mod table;

pub use arguments::{ArgumentError, BenchArgs, hint, with_dashes};

use std::io;

use super::output::{self, say};
use super::{Exit, Failure, OrExit as _};
use crate::measure::{BenchEvent, BenchSettings, bench};
use crate::system::cancellation::Cancellation;
use live::Live;

/// Runs the command.
///
/// # Errors
/// Any failure, with the exit code that its kind has.
pub fn run(arguments: BenchArgs) -> Result<Exit, Failure> {
    let quiet = arguments.disable_tqdm;
    if let Some(remark) = arguments.remark() {
        say(&format!("warning: {remark}"));
    }
    let settings = BenchSettings::try_from(arguments)?;
    let stop = Cancellation::on_signals().or_exit(Exit::Infrastructure)?;
    let mut display = Display { quiet, live: None };
    let outcome = bench(&settings, &stop, &mut |event| display.show(&event));
    display.end_progress();
    Ok(outcome?.into())
}

struct Display {
    quiet: bool,
    live: Option<Live>,
}

impl Display {
    fn show(&mut self, event: &BenchEvent<'_>) -> io::Result<()> {
        match event {
            BenchEvent::Progress(progress) => {
                let quiet = self.quiet;
                self.live.get_or_insert_with(|| Live::new(quiet)).show(progress);
                Ok(())
            }
            BenchEvent::Measured(measured) => {
                self.end_progress();
                for doubt in &measured.doubts {
                    say(&format!("warning: the result is marked `{}`", doubt.code()));
                }
                output::write(&table::table(measured))
            }
            BenchEvent::Repeated(runs) => output::write(&table::spread_table(runs)),
            BenchEvent::Saved(path) => {
                say(&format!("wrote {}", path.display()));
                Ok(())
            }
        }
    }

    fn end_progress(&mut self) {
        if let Some(mut live) = self.live.take() {
            live.clear();
        }
    }
}
