//! Shows the progress of a run: a live line on a terminal, a plain line now and then on a pipe, or JSON lines.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use valuesim_coordinator::coordinator::Progress;
use valuesim_shared::outcome::StageSpend;
use valuesim_shared::permit::{OwnLimit, Reason, Wait};
use valuesim_worker::meter::{Meter, Reading};

use crate::output::{note, write_event};

/// How often a terminal is redrawn.
const REDRAW: Duration = Duration::from_millis(200);

/// How often a line is written if standard error is not a terminal.
const LINE: Duration = Duration::from_secs(10);

/// How the user wants to see progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// For people, on standard error.
    Text,
    /// For machines: JSON lines on standard output.
    Json,
}

/// Returns which models' calls wait at the moment, and why.
pub(crate) type Waiting = Box<dyn Fn() -> Vec<Wait> + Send + Sync>;

/// What the cells took that were finished before this process started.
#[derive(Debug, Default)]
pub(crate) struct Before {
    pub(crate) backstories: u64,
    pub(crate) spend: StageSpend,
}

/// The run to watch, and its totals.
pub(crate) struct Watch {
    pub(crate) progress: Arc<Progress>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) before: Before,
    pub(crate) waiting: Waiting,
    pub(crate) predictions_per_cell: f64,
    /// Whether all models have a price.
    pub(crate) priced: bool,
}

/// A snapshot of a run: the whole of it, and how fast this process is.
#[derive(Debug, Default, Serialize)]
#[serde(tag = "event", rename = "progress")]
struct Snapshot {
    cells_finished: u64,
    /// The cells that were finished before this process started.
    cells_finished_before: u64,
    cells: u64,
    backstories: u64,
    predictions: u64,
    calls: u64,
    /// Of this process.
    calls_per_second: f64,
    calls_in_flight: u64,
    calls_failed: u64,
    input_tokens: u64,
    cached_tokens: u64,
    output_tokens: u64,
    /// `None` if a model has no price.
    cost_usd: Option<f64>,
    /// Of this process.
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_left: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
    /// Why calls wait on purpose, one sentence for each reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<String>,
}

impl Watch {
    /// Shows progress until `done` is cancelled, then a last time.
    pub(crate) async fn show(self, style: Style, done: CancellationToken) {
        let start = Instant::now();
        let on_terminal = style == Style::Text && std::io::stderr().is_terminal();
        let every = if on_terminal { REDRAW } else { LINE };
        let bar = Self::bar(if on_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
        let finished_before = self.progress.cells_finished();
        loop {
            let last = tokio::select! {
                () = done.cancelled() => true,
                () = tokio::time::sleep(every) => false,
            };
            let snapshot = self.snapshot(start.elapsed(), finished_before);
            match style {
                Style::Json => write_event(&snapshot),
                Style::Text if on_terminal => draw(&bar, &snapshot),
                Style::Text => note(&snapshot.text()),
            }
            if last {
                bar.finish_and_clear();
                return;
            }
        }
    }

    fn bar(target: ProgressDrawTarget) -> ProgressBar {
        let style =
            ProgressStyle::with_template("{bar:20} {percent:>3}% {wide_msg}").expect("the template is a constant");
        ProgressBar::with_draw_target(Some(1000), target).with_style(style)
    }

    fn snapshot(&self, elapsed: Duration, finished_before: u64) -> Snapshot {
        let Reading { backstories, predictions, sent, in_flight, failed, tokens, cost, trouble, .. } =
            self.meter.read();
        let seconds = elapsed.as_secs_f64();
        let cells_finished = self.progress.cells_finished();
        // Predictions of unfinished cells count, too, because a cell may take minutes.
        let done_now = (predictions as f64 / self.predictions_per_cell).max((cells_finished - finished_before) as f64);
        let cells = self.progress.cells_planned();
        let open = cells.saturating_sub(finished_before) as f64 - done_now;
        let seconds_left = (done_now > 0.0 && open > 0.0).then(|| seconds / done_now * open);
        let ended = sent - in_flight;
        let Before { backstories: backstories_before, spend: before } = &self.before;
        Snapshot {
            cells_finished,
            cells_finished_before: finished_before,
            cells,
            backstories: backstories_before + backstories,
            predictions: self.predictions_of(finished_before) + predictions,
            calls: before.sent + ended,
            calls_per_second: ended as f64 / seconds.max(1e-3),
            calls_in_flight: in_flight,
            calls_failed: before.failed + before.abandoned + failed,
            input_tokens: before.tokens.input + tokens.input,
            cached_tokens: before.tokens.cached + tokens.cached,
            output_tokens: before.tokens.output + tokens.output,
            cost_usd: self.priced.then(|| before.cost.dollars() + cost.dollars()),
            seconds,
            seconds_left,
            trouble,
            waiting: (self.waiting)().iter().filter_map(wait_text).collect(),
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of predictions")]
    fn predictions_of(&self, cells: u64) -> u64 {
        (self.predictions_per_cell * cells as f64).round() as u64
    }
}

/// Why calls to a model wait, in a sentence; `None` for waits that are constant or very short.
fn wait_text(Wait { model, reason, left, .. }: &Wait) -> Option<String> {
    let seconds = left.map_or(0, |left| left.as_secs() + 1);
    Some(match *reason {
        Reason::OwnLimit(OwnLimit::RequestsPerMinute(limit)) => {
            format!("{model} waits for its own limit of {} requests a minute", HumanCount(limit.into()))
        }
        Reason::OwnLimit(OwnLimit::TokensPerMinute(kind, limit)) => {
            format!("{model} waits for its own limit of {} {} a minute", HumanCount(limit.into()), kind.text())
        }
        Reason::ProviderLimit(OwnLimit::RequestsPerMinute(limit)) => {
            format!("{model} waits for its provider's limit of {} requests a minute", HumanCount(limit.into()))
        }
        Reason::ProviderLimit(OwnLimit::TokensPerMinute(kind, limit)) => {
            format!("{model} waits for its provider's limit of {} {} a minute", HumanCount(limit.into()), kind.text())
        }
        Reason::ProviderLimit(OwnLimit::CallsInFlight(limit)) => {
            format!("{model} waits for its provider's limit of {} calls in flight", HumanCount(limit.into()))
        }
        Reason::Recovering => format!("{model} waits for {seconds} s until workers have said what they have sent"),
        Reason::Cooldown => format!("{model} pauses for {seconds} s more, because its provider asked for it"),
        Reason::CircuitOpen => format!("{model} is tried again in {seconds} s, because its provider does not answer"),
        Reason::OwnLimit(OwnLimit::CallsInFlight(_)) | Reason::SlowStart(_) | Reason::Stalled => return None,
    })
}

impl Snapshot {
    fn text(&self) -> String {
        let before = match self.cells_finished_before {
            0 => String::new(),
            cells => format!(" ({} of them before)", HumanCount(cells)),
        };
        let mut text = format!(
            "{} of {} cells{before}, {} backstories, {} predictions, {} calls ({:.0}/s), {} tokens, {}",
            HumanCount(self.cells_finished),
            HumanCount(self.cells),
            HumanCount(self.backstories),
            HumanCount(self.predictions),
            HumanCount(self.calls),
            self.calls_per_second,
            HumanCount(self.input_tokens + self.output_tokens),
            self.cost_usd.map_or_else(|| "price unknown".to_owned(), |usd| format!("${usd:.2}")),
        );
        if self.calls_failed > 0 {
            text += &format!(", {} failed", HumanCount(self.calls_failed));
        }
        if let Some(seconds) = self.seconds_left {
            text += &format!(", {} left", HumanDuration(Duration::from_secs_f64(seconds.min(1e9))));
        }
        if let Some(trouble) = &self.trouble {
            text += &format!("; {trouble}");
        }
        for wait in &self.waiting {
            text += &format!("; {wait}");
        }
        text
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a thousand")]
fn draw(bar: &ProgressBar, snapshot: &Snapshot) {
    let share = snapshot.cells_finished as f64 / snapshot.cells.max(1) as f64;
    bar.set_position((share * 1000.0) as u64);
    bar.set_message(snapshot.text());
}

#[cfg(test)]
mod tests {
    use valuesim_shared::permit::{Endpoint, KeyName, TokenKind};

    use super::*;

    fn check(snapshot: &Snapshot, expected: &str) {
        assert_eq!(snapshot.text(), expected);
    }

    /// A terminal of this many columns that keeps what is written.
    #[derive(Debug, Clone)]
    struct Terminal(u16, Arc<std::sync::Mutex<String>>);

    impl indicatif::TermLike for Terminal {
        fn width(&self) -> u16 {
            self.0
        }
        fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> std::io::Result<()> {
            self.write_str(&format!("{text}\n"))
        }
        fn write_str(&self, text: &str) -> std::io::Result<()> {
            self.1.lock().expect("nobody panics").push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> std::io::Result<()> {
            self.write_str("\n")
        }
        fn flush(&self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_narrow_terminal_has_one_line_of_its_width() {
        for width in [20, 40, 80] {
            let terminal = Terminal(width, Arc::default());
            let bar = Watch::bar(ProgressDrawTarget::term_like(Box::new(terminal.clone())));
            let snapshot = Snapshot { cells_finished: 5, cells: 10, ..Snapshot::default() };
            draw(&bar, &snapshot);
            bar.tick();
            let written = terminal.1.lock().expect("nobody panics").clone();
            let longest = written.lines().map(|line| line.trim_end().chars().count()).max().unwrap_or_default();
            assert!(written.contains(" 50%"), "{written:?}");
            assert!(longest <= usize::from(width).max(26), "{longest} columns of {width}: {written:?}");
        }
    }

    #[test]
    fn a_line_says_what_is_done_and_what_it_waits_for() {
        let snapshot =
            Snapshot { cells_finished: 3, cells: 10, calls: 1200, calls_per_second: 8.0, ..Snapshot::default() };
        check(&snapshot, "3 of 10 cells, 0 backstories, 0 predictions, 1,200 calls (8/s), 0 tokens, price unknown");
        let wait = |reason, left| Wait {
            endpoint: Endpoint::new("https://api.example.com/v1", KeyName::None),
            model: "m".to_owned(),
            reason,
            left,
        };
        let waits = [
            wait(Reason::OwnLimit(OwnLimit::RequestsPerMinute(600)), None),
            wait(Reason::OwnLimit(OwnLimit::TokensPerMinute(TokenKind::All, 2_000_000)), None),
            wait(Reason::OwnLimit(OwnLimit::CallsInFlight(64)), None),
            wait(Reason::Cooldown, Some(Duration::from_millis(19_300))),
            wait(Reason::CircuitOpen, Some(Duration::from_secs(4))),
            wait(Reason::Stalled, Some(Duration::from_secs(1))),
        ];
        let waiting = waits.iter().filter_map(wait_text).collect();
        let snapshot = Snapshot { cells_finished_before: 2, waiting, ..snapshot };
        check(
            &snapshot,
            "3 of 10 cells (2 of them before), 0 backstories, 0 predictions, 1,200 calls (8/s), 0 tokens, price unknown; \
             m waits for its own limit of 600 requests a minute; m waits for its own limit of 2,000,000 tokens a minute; \
             m pauses for 20 s more, because its provider asked for it; \
             m is tried again in 5 s, because its provider does not answer",
        );
    }
}
