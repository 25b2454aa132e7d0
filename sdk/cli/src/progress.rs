//! Progress on standard error: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;

use crate::output::printable;
use farsight_compiler::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Shows how far a long piece of work is.
pub(crate) struct Bar {
    bar: Option<ProgressBar>,
    step: String,
}

impl Bar {
    pub(crate) fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            bar.enable_steady_tick(std::time::Duration::from_millis(120));
            bar
        });
        Self { bar, step: String::new() }
    }

    /// Shows a step; each new one begins a line where there is no terminal.
    pub(crate) fn show(&mut self, progress: Progress<'_>) {
        let is_new = self.step != printable(progress.step);
        if is_new {
            self.step = printable(progress.step).into_owned();
        }
        match &self.bar {
            Some(bar) => {
                if is_new {
                    bar.reset();
                    bar.set_style(style(progress.total > 0));
                    bar.set_message(self.step.clone());
                }
                bar.set_length(progress.total as u64);
                bar.set_position(progress.done as u64);
            }
            None if is_new => eprintln!("farsight: {}", self.step),
            None => {}
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(has_end: bool) -> ProgressStyle {
    let template =
        if has_end { "{spinner} {msg} {wide_bar} {pos}/{len}, {eta} left" } else { "{spinner} {msg}" };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
