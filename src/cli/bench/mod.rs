//! `imax bench`: load-tests a server. Flags, live progress and tables of results.

mod arguments;
mod live;
mod load_table;
mod noise;
mod overview;
mod search_table;
mod table;
mod url_alone;

pub use arguments::{ArgumentError, BenchArgs, hint, with_dashes};

use std::io;

use super::output::{self, say};
use super::{Exit, Failure, terminal};
use crate::measure::{BenchEvent, BenchOutcome, BenchSettings, SearchGoal, SearchOutcome, SearchSettings, bench, search};
use crate::report::wrapped_text;
use crate::system::cancellation::Cancellation;
use arguments::BenchTask;
use live::Live;
use noise::NoiseRuns;
use overview::{Overview, OverviewArgs};
pub use table::table;
use url_alone::UrlAloneDisplay;

/// Runs the command.
///
/// # Errors
/// Usage for an invalid command line; otherwise the errors of the measurement.
pub fn run(arguments: BenchArgs) -> Result<Exit, Failure> {
    let quiet = arguments.disable_tqdm;
    let pages = arguments.overview.clone();
    if let Some(remark) = arguments.remark() {
        say(&format!("warning: {remark}"));
    }
    let noise = arguments.noise.clone().into_settings();
    let task = BenchTask::try_from(arguments)?;
    let stop = Cancellation::on_signals()?;
    let mut display = Display {
        quiet,
        live: None,
        load: String::new(),
        overview: Overview::default(),
    };
    match task {
        BenchTask::Loads(settings) => {
            let noise = noise.map(|noise| NoiseRuns::begin(noise, &settings.loads)).transpose()?;
            let exit = measure_loads(&settings, noise, &stop, &mut display)?;
            display.overview.finish(&pages)?;
            Ok(exit)
        }
        BenchTask::Search(settings) => {
            let outcome = search(&settings, &stop, &mut |event| display.show(&event));
            display.end_progress();
            let exit = conclude_search(&outcome?, &settings.goal)?;
            display.overview.finish(&pages)?;
            Ok(exit)
        }
        BenchTask::UrlAlone(settings) => measure_url_alone(&settings, pages, &stop, quiet),
    }
}

/// Measures a server of which only the URL is given.
fn measure_url_alone(settings: &SearchSettings, pages: OverviewArgs, stop: &Cancellation, quiet: bool) -> Result<Exit, Failure> {
    let mut display = UrlAloneDisplay::begin(settings, quiet);
    let outcome = search(settings, stop, &mut |event| display.show(&event));
    display.clear();
    let result = match outcome? {
        SearchOutcome::Found(result) => result,
        SearchOutcome::Ended(outcome) => return Ok(outcome.into()),
    };
    output::emit(&display.table())?;
    let conclusion = search_table::conclusion(&result, &settings.goal);
    let conclusion = wrapped_text(conclusion.trim_end(), 0, terminal::stdout_style().width);
    output::emit(&format!("{conclusion}\n"))?;
    let files = settings.bench.result_files.as_ref();
    let pages = match files {
        Some(files) => pages.with_page(files.folder.join("report.html")),
        None => pages,
    };
    let Some(_) = result.best else { return Ok(Exit::MeasurementFailed) };
    let overview = std::mem::take(&mut display.overview);
    overview.write(&pages)?;
    display.say_next(&result, files, pages.page());
    Ok(Exit::Success)
}

/// Measures the loads; A/A runs are then added to a history.
fn measure_loads(
    settings: &BenchSettings,
    mut noise: Option<NoiseRuns>,
    stop: &Cancellation,
    display: &mut Display,
) -> Result<Exit, Failure> {
    let outcome = bench(settings, stop, &mut |event| {
        if let (BenchEvent::Measured(measured), Some(noise)) = (&event, &mut noise) {
            noise.keep(measured);
        }
        display.show(&event)
    });
    display.end_progress();
    let outcome = outcome?;
    match (noise, outcome) {
        // The noise is estimated from complete sets of valid runs only.
        (Some(noise), BenchOutcome::Passed) => noise.finish()?,
        (Some(_), BenchOutcome::Failed | BenchOutcome::ClientSaturated | BenchOutcome::Stopped(_)) => {
            say("nothing was added to the history: at least one run is not valid");
        }
        (None, _) => {}
    }
    Ok(outcome.into())
}

/// Prints the result of a search. It has failed if no load meets the goal.
fn conclude_search(outcome: &SearchOutcome, goal: &SearchGoal) -> Result<Exit, Failure> {
    match outcome {
        SearchOutcome::Ended(outcome) => Ok((*outcome).into()),
        SearchOutcome::Found(result) => {
            output::emit(&search_table::search_table(result, goal, terminal::stdout_style()))?;
            Ok(match result.best {
                Some(_) => Exit::Success,
                None => Exit::MeasurementFailed,
            })
        }
    }
}

struct Display {
    quiet: bool,
    live: Option<Live>,
    /// Name of the running load, for progress lines.
    load: String,
    overview: Overview,
}

impl Display {
    fn show(&mut self, event: &BenchEvent<'_>) -> io::Result<()> {
        match event {
            BenchEvent::Found(found) => {
                if found.backend.is_some() || found.tokenizer.is_some() {
                    url_alone::say_found(found);
                }
                Ok(())
            }
            BenchEvent::Started(load) => {
                self.load = load
                    .arrival
                    .max_concurrency
                    .map_or_else(String::new, |number| format!("concurrency {number}: "));
                Ok(())
            }
            BenchEvent::Progress(progress) => {
                let quiet = self.quiet;
                self.live.get_or_insert_with(|| Live::bar(quiet)).show(&self.load, progress);
                Ok(())
            }
            BenchEvent::Measured(measured) => {
                self.end_progress();
                self.overview.add(measured);
                for notice in &measured.notices {
                    say(&format!("note: {notice}"));
                }
                for doubt in &measured.doubts {
                    say(&format!(
                        "warning: the result is marked `{}`: {}",
                        doubt.code(),
                        doubt.explanation()
                    ));
                }
                output::write(&table(measured, terminal::stdout_style()))
            }
            BenchEvent::Repeated(runs) => output::write(&table::spread_table(runs, terminal::stdout_style())),
            BenchEvent::Saved(path) => {
                say(&format!("wrote {}", path.display()));
                self.overview.saved(path);
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
