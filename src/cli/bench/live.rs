//! Progress of a measurement: a bar or a table on a terminal, otherwise a line every ten seconds.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::heartbeat::LINE_INTERVAL;
use super::super::output::say;
use super::super::terminal;
use crate::load::Progress;
use crate::model::count;

#[derive(Debug)]
pub enum Live {
    /// One or several lines that are redrawn.
    Drawn(ProgressBar),
    /// Log lines; the next is due at `next`.
    Lines {
        next: Instant,
    },
    Hidden,
}

impl Live {
    /// A bar on a terminal, otherwise lines; nothing if `quiet`.
    #[must_use]
    pub fn bar(quiet: bool) -> Self {
        Self::with_template(quiet, "{prefix:>9} [{bar:30}] {pos}/{len} {msg}")
    }

    /// Text of several lines on a terminal, otherwise lines; nothing if `quiet`.
    #[must_use]
    pub fn text(quiet: bool) -> Self {
        Self::with_template(quiet, "{msg}")
    }

    fn with_template(quiet: bool, template: &str) -> Self {
        if quiet {
            return Self::Hidden;
        }
        if !terminal::draws_on_stderr() {
            return Self::Lines {
                next: Instant::now() + LINE_INTERVAL,
            };
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        Self::Drawn(bar)
    }

    /// Shows the progress of a run. `name` is the prefix of its lines, empty for a single run.
    pub fn show(&mut self, name: &str, progress: &Progress) {
        let phase = if progress.warming_up { "warm-up" } else { "measuring" };
        match self {
            Self::Drawn(bar) => {
                bar.set_prefix(phase);
                bar.set_length(u64::from(progress.total));
                bar.set_position(u64::from(progress.completed + progress.failed));
                bar.set_message(figures(progress));
            }
            Self::Lines { .. } => self.line(&format!("{name}{phase}: {}", requests(progress)), progress),
            Self::Hidden => {}
        }
    }

    /// Shows `text` on a terminal, otherwise a line with the progress of the run.
    pub fn show_text(&mut self, name: &str, progress: &Progress, text: impl FnOnce() -> String) {
        match self {
            Self::Drawn(bar) => bar.set_message(text()),
            Self::Lines { .. } => self.line(&format!("{name}{} requests", progress.completed + progress.failed), progress),
            Self::Hidden => {}
        }
    }

    fn line(&mut self, what: &str, progress: &Progress) {
        let Self::Lines { next } = self else { return };
        let now = Instant::now();
        if now < *next {
            return;
        }
        // Counted from now, not from the time it was due: after a pause there is one line, not several.
        *next = now + LINE_INTERVAL;
        say(&format!("{what} in {:.0} s, {}", progress.elapsed.as_secs_f64(), figures(progress)));
    }

    pub fn clear(&mut self) {
        match self {
            Self::Drawn(bar) => bar.finish_and_clear(),
            Self::Lines { .. } | Self::Hidden => {}
        }
    }
}

fn requests(progress: &Progress) -> String {
    format!("{} of {} requests", progress.completed + progress.failed, progress.total)
}

/// Throughput, mean TTFT and failures so far.
fn figures(progress: &Progress) -> String {
    let failed = if progress.failed > 0 {
        format!(", {} failed", progress.failed)
    } else {
        String::new()
    };
    let ttft = progress.mean_ttft.as_secs_f64() * 1e3;
    format!("{:.0} tok/s, TTFT {ttft:.1} ms{failed}", output_rate(progress))
}

/// Output tokens per second so far.
#[must_use]
pub fn output_rate(progress: &Progress) -> f64 {
    let seconds = progress.elapsed.as_secs_f64();
    let tokens = count(progress.output_tokens);
    if seconds > 0.0 { tokens / seconds } else { 0.0 }
}
