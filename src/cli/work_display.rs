//! How far long work of a history is, on stderr: a bar on a terminal, elsewhere a line every ten seconds.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::heartbeat::Heartbeat;
use super::terminal;
use crate::store::Work;

/// Time between two states of the bar. Work that is done before the first shows none.
const REDRAW: Duration = Duration::from_millis(250);

/// Shows work until it is dropped.
#[derive(Debug)]
pub(super) struct WorkDisplay {
    /// Dropped first, so that nothing is drawn after the bar is removed.
    heartbeat: Option<Heartbeat>,
    bar: Option<ProgressBar>,
}

impl WorkDisplay {
    /// `name` says what is done, such as `import`; `steps` what is counted, such as `runs`.
    pub fn start(name: &'static str, steps: &'static str, work: Arc<Work>) -> Self {
        if !terminal::draws_on_stderr() {
            let heartbeat = Heartbeat::start(false, move |elapsed| line(name, steps, &work, elapsed));
            return Self {
                heartbeat: Some(heartbeat),
                bar: None,
            };
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        // The template is a constant; the default bar is good enough where indicatif cannot parse it.
        if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {pos}/{len} {msg} {eta}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(name);
        bar.set_message(steps);
        let drawn = bar.clone();
        let heartbeat = Heartbeat::every(REDRAW, move |_| {
            if drawn.is_hidden() {
                drawn.set_draw_target(ProgressDrawTarget::stderr());
            }
            drawn.set_length(work.expected());
            drawn.set_position(work.done());
        });
        Self {
            heartbeat: Some(heartbeat),
            bar: Some(bar),
        }
    }
}

fn line(name: &str, steps: &str, work: &Work, elapsed: Duration) -> String {
    format!(
        "{name}: {} of {} {steps} after {} s",
        work.done(),
        work.expected(),
        elapsed.as_secs()
    )
}

impl Drop for WorkDisplay {
    fn drop(&mut self) {
        self.heartbeat = None;
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_says_how_far_the_work_is() {
        let work = Work::default();
        work.expect(200);
        work.advance(37);
        assert_eq!(
            line("import", "runs", &work, Duration::from_secs(20)),
            "import: 37 of 200 runs after 20 s"
        );
        work.advance(200);
        assert!(line("import", "runs", &work, Duration::ZERO).starts_with("import: 237 of 237 runs"));
    }
}
