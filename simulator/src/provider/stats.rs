//! What a provider has done so far, as `GET /stats` tells it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::fault::Spoil;
use super::gate::Passed;
use super::prompts::Known;
use crate::person::Kind;

/// What a simulated provider has done since it started, or since `POST /stats/reset`.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Requests for a completion of any sort, readable or not.
    pub requests: u64,
    /// Requests that could be read, by what was asked for: `story`, `cognitive`, .., `other`. Refused ones count too.
    pub calls: BTreeMap<String, u64>,
    /// Calls that got a reply.
    pub answered: u64,
    /// Calls that got an error, by status.
    pub errors: BTreeMap<u16, u64>,
    /// Calls that were left without an answer on purpose.
    pub hung: u64,
    /// Calls whose connection was broken on purpose.
    pub cut: u64,
    /// Calls that the client gave up before they were answered, those left without an answer included.
    pub abandoned: u64,
    /// Replies that were made not to keep to the format.
    pub malformed: u64,
    /// Replies that were ended too early.
    pub truncated: u64,
    /// Replies that were refusals.
    pub refused: u64,
    /// Calls that were let in, and the tokens of those, in the fullest windows.
    pub windows: WindowStats,
    /// Calls being answered now.
    pub in_flight: u64,
    /// Most calls that were being answered at a time.
    pub most_in_flight: u64,
    /// Calls whose prompt had been answered before.
    pub repeated_prompts: u64,
    /// Prompts that are remembered in order to recognise repeated ones.
    pub prompts_remembered: u64,
    /// Calls that could not be compared because too many prompts came before.
    pub prompts_not_remembered: u64,
    /// Tokens of the calls that got a reply.
    pub tokens: TokenStats,
}

/// The fullest windows: at every moment, what was let in during the time before it.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowStats {
    /// Most calls in any window of one second.
    pub most_calls_in_second: u64,
    /// Most calls in any window of the limits.
    pub most_calls_in_window: u64,
    /// Most tokens in any window of the limits.
    pub most_tokens_in_window: u64,
    /// How long a window of the limits is.
    pub window_ms: u64,
}

/// Tokens, by the provider's own count.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenStats {
    /// Tokens of prompts, cached ones included.
    pub input: u64,
    /// Tokens of prompts that the cache had.
    pub cached_input: u64,
    /// Tokens of replies.
    pub output: u64,
    /// Tokens of prompts and replies that were made and then lost when the connection was cut.
    pub lost: u64,
    /// `cached_input` over `input`; 0 without input.
    pub cached_share: f64,
}

/// What happened to one call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    /// A request came.
    Requested,
    /// It could be read.
    Called(Kind),
    /// It was answered.
    Answered { input: u64, cached_input: u64, output: u64, spoil: Spoil },
    /// It was answered with an error.
    Failed(u16),
    /// It is left without an answer.
    Hung,
    /// Its reply was broken off.
    Cut { tokens: u64 },
    /// The client went away.
    Abandoned,
}

/// Counts events.
#[derive(Debug, Default)]
pub(crate) struct Counter(Mutex<Stats>);

impl Counter {
    /// Counts one event.
    pub(crate) fn count(&self, event: Event) {
        self.0.lock().expect(NEVER_POISONED).count(event);
    }

    /// Begins anew.
    pub(crate) fn reset(&self) {
        *self.0.lock().expect(NEVER_POISONED) = Stats::default();
    }

    /// What was counted, together with what others know.
    pub(crate) fn stats(&self, passed: Passed, known: Known, window_ms: u64) -> Stats {
        let mut stats = self.0.lock().expect(NEVER_POISONED).clone();
        for kind in Kind::ALL {
            stats.calls.entry(kind.name().to_owned()).or_default();
        }
        stats.windows = WindowStats {
            most_calls_in_second: passed.most_calls_in_second,
            most_calls_in_window: passed.most_calls_in_window,
            most_tokens_in_window: passed.most_tokens_in_window,
            window_ms,
        };
        stats.in_flight = passed.in_flight;
        stats.most_in_flight = passed.most_in_flight;
        stats.repeated_prompts = known.repeated;
        stats.prompts_remembered = known.remembered;
        stats.prompts_not_remembered = known.not_remembered;
        if stats.tokens.input > 0 {
            stats.tokens.cached_share = stats.tokens.cached_input as f64 / stats.tokens.input as f64;
        }
        stats
    }
}

const NEVER_POISONED: &str = "nothing panics while it counts";

impl Stats {
    fn count(&mut self, event: Event) {
        match event {
            Event::Requested => self.requests += 1,
            Event::Called(kind) => match self.calls.get_mut(kind.name()) {
                Some(calls) => *calls += 1,
                None => drop(self.calls.insert(kind.name().to_owned(), 1)),
            },
            Event::Answered { input, cached_input, output, spoil } => {
                self.answered += 1;
                self.tokens.input += input;
                self.tokens.cached_input += cached_input;
                self.tokens.output += output;
                self.count_spoilt(spoil);
            }
            Event::Failed(status) => *self.errors.entry(status).or_default() += 1,
            Event::Hung => self.hung += 1,
            Event::Cut { tokens } => {
                self.cut += 1;
                self.tokens.lost += tokens;
            }
            Event::Abandoned => self.abandoned += 1,
        }
    }

    fn count_spoilt(&mut self, spoil: Spoil) {
        match spoil {
            Spoil::Not => {}
            Spoil::Malformed => self.malformed += 1,
            Spoil::Truncated => self.truncated += 1,
            Spoil::Refused => self.refused += 1,
        }
    }
}
