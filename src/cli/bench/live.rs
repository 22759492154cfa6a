//! The progress of a measurement: a bar or a table on a terminal, a line every ten seconds elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::super::output::say;
use super::super::terminal;
use crate::load::Progress;

/// Time between two lines where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// The progress of one run.
#[derive(Debug)]
pub enum Live {
    /// A line that is drawn again, or several.
    Drawn(ProgressBar),
    /// Lines of a log; the next is due then.
    Lines {
        next: Instant,
    },
    Hidden,
}

impl Live {
    /// A bar on a terminal, lines elsewhere; nothing with `quiet`.
    #[must_use]
    pub fn bar(quiet: bool) -> Self {
        Self::with_template(quiet, "{prefix:>9} [{bar:30}] {pos}/{len} {msg}")
    }

    /// Text of several lines on a terminal, lines elsewhere; nothing with `quiet`.
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

    /// Shows how far a run is. `name` says which, if there are several.
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

    /// Shows a text on a terminal, or how far a run is elsewhere.
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
        // From now on and not from when it was due: after a pause there is one line, not several.
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

/// Throughput so far, mean TTFT so far, failures.
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
    #[expect(clippy::cast_precision_loss, reason = "shown with no decimals")]
    let tokens = progress.output_tokens as f64;
    if seconds > 0.0 { tokens / seconds } else { 0.0 }
}
