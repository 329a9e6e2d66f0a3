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

/// A bar that goes away when dropped, or nothing.
#[derive(Debug)]
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(crate) fn new(count: usize, show: Show) -> Self {
        if show == Show::Nothing {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::stderr());
        if bar.is_hidden() {
            return Self(None); // no terminal
        }
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len}{msg} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        // So that a long case does not look like a standstill.
        bar.enable_steady_tick(Duration::from_millis(250));
        Self(Some(bar))
    }

    /// One more is done; `failed` are not accepted so far.
    pub(crate) fn step(&self, failed: usize) {
        let Some(bar) = &self.0 else { return };
        if failed > 0 {
            bar.set_message(format!(", {failed} failed"));
        }
        bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
