//! The live progress of a measurement: a bar on a terminal, silence elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::load::Progress;

#[derive(Debug)]
pub struct Live(ProgressBar);

impl Live {
    /// A bar on stderr; hidden with `quiet`, and if stderr is not a terminal.
    #[must_use]
    pub fn new(quiet: bool) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let style = ProgressStyle::with_template("{prefix:>9} [{bar:30}] {pos}/{len} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        Self(bar)
    }

    pub fn show(&mut self, progress: &Progress) {
        self.0.set_prefix(if progress.warming_up { "warm-up" } else { "measuring" });
        self.0.set_length(u64::from(progress.total));
        self.0.set_position(u64::from(progress.completed + progress.failed));
        let seconds = progress.elapsed.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "shown with no decimals")]
        let rate = if seconds > 0.0 {
            progress.output_tokens as f64 / seconds
        } else {
            0.0
        };
        let ttft = progress.mean_ttft.as_secs_f64() * 1e3;
        let failed = if progress.failed > 0 {
            format!(", {} failed", progress.failed)
        } else {
            String::new()
        };
        self.0.set_message(format!("{rate:.0} tok/s, TTFT {ttft:.1} ms{failed}"));
    }

    pub fn clear(&mut self) {
        self.0.finish_and_clear();
    }
}
