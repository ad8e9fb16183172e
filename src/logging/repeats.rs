//! Says a warning or an error that repeats once, and from then on how often it came, with the last one as an example.
//!
//! Two are the same if they come from one place in the code, are about one run, and their messages differ in nothing but words with
//! digits. Other details do not count: a cell, an address, a reason.

use std::collections::HashMap;
use std::fmt::{Debug, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use indicatif::HumanCount;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

/// How long the same warning is counted instead of said, at first and at most. While it goes on, the time doubles.
const FIRST_PERIOD: Duration = Duration::from_secs(10);
const LONGEST_PERIOD: Duration = Duration::from_mins(10);

/// How often to look whether a count is due.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many kinds of warnings from one place are told apart: what others wrote may be in them.
const MAX_KINDS: usize = 50;

/// The kind of those beyond.
const OTHERS: u64 = 0;

/// The target of the lines with counts, which are always said.
const COUNTS: &str = "valuesim::repeats";

/// The warnings of this process.
static SEEN: OnceLock<Mutex<Repeats<Identifier>>> = OnceLock::new();

/// Lets a warning through the first time.
pub(super) struct SaidOnce;

/// Warnings by the place that they come from, and by their kind.
#[derive(Debug)]
struct Repeats<P>(HashMap<P, HashMap<u64, Repeated>>);

#[derive(Debug)]
struct Repeated {
    /// How long it is counted.
    period: Duration,
    /// Since when.
    since: Instant,
    count: u64,
    last: String,
}

/// A count that is due.
#[derive(Debug, PartialEq, Eq)]
struct Count {
    times: u64,
    seconds: u64,
    last: String,
}

impl Repeated {
    fn has_rested(&self, now: Instant) -> bool {
        self.count == 0 && now.saturating_duration_since(self.since) >= self.period
    }
}

impl<P: Eq + Hash> Repeats<P> {
    /// Counts a warning; returns whether it is said.
    fn is_said(&mut self, place: P, now: Instant, text: String) -> bool {
        let kinds = self.0.entry(place).or_default();
        let mut kind = kind(&text);
        if kinds.len() >= MAX_KINDS && !kinds.contains_key(&kind) {
            kinds.retain(|_, known| !known.has_rested(now));
            kind = if kinds.len() < MAX_KINDS { kind } else { OTHERS };
        }
        let fresh = || Repeated { period: FIRST_PERIOD, since: now, count: 0, last: String::new() };
        let Some(known) = kinds.get_mut(&kind) else {
            kinds.insert(kind, fresh());
            return true;
        };
        if known.has_rested(now) {
            *known = fresh();
            return true;
        }
        known.count += 1;
        known.last = text;
        false
    }

    /// The counts that are due, or all if the process ends; begins the next period of each.
    fn due(&mut self, now: Instant, is_end: bool) -> Vec<Count> {
        let is_due = |known: &&mut Repeated| {
            known.count > 0 && (is_end || now.saturating_duration_since(known.since) >= known.period)
        };
        let counts = self.0.values_mut().flat_map(HashMap::values_mut).filter(is_due).map(|known| {
            let seconds = now.saturating_duration_since(known.since).as_secs();
            let count = Count { times: known.count, seconds, last: std::mem::take(&mut known.last) };
            (known.count, known.since, known.period) = (0, now, (known.period * 2).min(LONGEST_PERIOD));
            count
        });
        counts.collect()
    }
}

impl<S: Subscriber> Filter<S> for SaidOnce {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let about = event.metadata();
        // What is asked for in detail is told in detail.
        let is_counted = *about.level() <= Level::WARN && about.target() != COUNTS;
        !is_counted || seen().is_said(about.callsite(), Instant::now(), text(event))
    }
}

/// Tells counts from now on, as they are due.
#[expect(clippy::disallowed_methods, reason = "the thread has nothing else to do")]
pub(super) fn start() {
    let looking = std::thread::Builder::new().name("log".to_owned()).spawn(|| {
        loop {
            std::thread::sleep(LOOK_EVERY);
            tell(false);
        }
    });
    // Without the thread they are told at the end.
    drop(looking);
}

/// Tells the counts that were not told yet, because the process ends.
pub(crate) fn finish() {
    tell(true);
}

fn tell(is_end: bool) {
    let due = seen().due(Instant::now(), is_end);
    for Count { times, seconds, last } in due {
        let times = HumanCount(times);
        tracing::warn!(target: COUNTS, "{times} more like it in {seconds} s; the last: {last}");
    }
}

fn seen() -> MutexGuard<'static, Repeats<Identifier>> {
    let seen = SEEN.get_or_init(|| Mutex::new(Repeats(HashMap::new())));
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is the same in warnings that repeat: the run, and the words of the message without digits. Its other fields are details, of
/// which the count shows the last.
fn kind(text: &str) -> u64 {
    let mut digest = DefaultHasher::new();
    let message = text.split_whitespace().take_while(|word| !word.contains('='));
    message.filter(|word| !word.contains(|c: char| c.is_ascii_digit())).for_each(|word| word.hash(&mut digest));
    text.split_whitespace().find(|word| word.starts_with("run=")).hash(&mut digest);
    digest.finish()
}

/// The message and the fields of an event.
fn text(event: &Event<'_>) -> String {
    let mut text = Text(String::new());
    event.record(&mut text);
    text.0
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, "{name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_said_once_with_a_count_and_an_example() {
        let (mut repeats, start) = (Repeats(HashMap::new()), Instant::now());
        let second = |seconds: u64| start + Duration::from_secs(seconds);
        let mut said = |place, at, text: &str| repeats.is_said(place, at, text.to_owned());
        assert!(said("dead letter", second(0), "cell 1"));
        assert!((2..=1_000).all(|cell| !said("dead letter", second(1), &format!("cell {cell}"))));
        assert!(said("broker lost", second(1), ""), "another place");
        assert_eq!(repeats.due(second(9), false), []);
        let last = "cell 1000".to_owned();
        assert_eq!(repeats.due(second(10), false), [Count { times: 999, seconds: 10, last }]);
        assert_eq!(repeats.due(second(100), false), []);
    }

    #[test]
    fn the_longer_it_goes_on_the_less_often_it_is_counted() {
        let (mut repeats, start) = (Repeats(HashMap::new()), Instant::now());
        let (mut lines, mut told_at) = (0, Vec::new());
        for second in 0..3_600 {
            let now = start + Duration::from_secs(second);
            lines += u32::from(repeats.is_said((), now, String::new()));
            told_at.extend(repeats.due(now, false).iter().map(|_| second));
        }
        assert_eq!(lines, 1);
        assert_eq!(told_at[..4], [10, 30, 70, 150]);
        assert!(told_at.len() < 12, "{told_at:?}");
    }

    #[test]
    fn what_comes_again_after_a_rest_is_said_again_and_what_is_left_is_told_at_the_end() {
        let (mut repeats, start) = (Repeats(HashMap::new()), Instant::now());
        assert!(repeats.is_said((), start, "first 1".to_owned()));
        assert!(repeats.is_said((), start + FIRST_PERIOD, "first 2".to_owned()));
        assert!(!repeats.is_said((), start + FIRST_PERIOD, "first 3".to_owned()));
        let end = repeats.due(start + FIRST_PERIOD, true);
        assert_eq!(end, [Count { times: 1, seconds: 0, last: "first 3".to_owned() }]);
    }

    #[test]
    fn other_runs_and_other_messages_are_said_and_other_details_are_not() {
        let (mut repeats, now) = (Repeats(HashMap::new()), Instant::now());
        let mut said = |text: &str| repeats.is_said("could not serve", now, text.to_owned());
        assert!(said("could not serve the run run=r-7 error=no key for 10.0.0.1:443 request=a1"));
        assert!(!said("could not serve the run run=r-7 error=no key for 10.0.0.2:443 request=b22"));
        assert!(said("could not serve the run run=r-8 error=no key for 10.0.0.1:443 request=a1"));
        assert!(!said("could not serve the run run=r-7 error=the account is empty request=a1"));
        assert!(said("could not leave the run run=r-7 error=the account is empty request=a1"));
    }

    #[test]
    fn a_place_whose_every_text_differs_does_not_fill_the_log() {
        let (mut repeats, now) = (Repeats(HashMap::new()), Instant::now());
        let text = |number: usize| "x".repeat(number);
        let mut said = |at, from: usize| (from..from + 1_000).filter(|&i| repeats.is_said((), at, text(i))).count();
        assert_eq!(said(now, 1), MAX_KINDS + 1);
        assert_eq!(said(now + FIRST_PERIOD, 5_000), MAX_KINDS - 1, "as many as have rested");
        assert!(repeats.0.values().all(|kinds| kinds.len() <= MAX_KINDS + 1));
    }
}
