//! How far the work is, on a terminal: standard error has a bar that goes away. Elsewhere nothing.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Whether anything is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// If there is a terminal.
    Progress,
    /// Never.
    Nothing,
}

/// A bar that goes away when dropped.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(count: usize, show: Show) -> Self {
        let target = match show {
            Show::Progress => ProgressDrawTarget::stderr(),
            Show::Nothing => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(Some(count as u64), target);
        if !bar.is_hidden() {
            let style = ProgressStyle::with_template("{wide_bar} {pos}/{len}{msg} {elapsed}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            // So that a long case does not look like a standstill.
            bar.enable_steady_tick(Duration::from_millis(250));
        }
        Self(bar)
    }

    /// One more is done; `failed` are not accepted so far.
    pub(crate) fn step(&self, failed: usize) {
        if failed > 0 {
            self.0.set_message(format!(", {failed} failed"));
        }
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
