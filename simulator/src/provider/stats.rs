//! The statistics of a provider, as `GET /stats` reports them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::fault::Defect;
use super::prompt_history::PromptCounts;
use super::rate_limiter::Traffic;
use crate::person::Kind;

/// The statistics of a simulated provider since its start or the last `POST /stats/reset`.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// All requests for completions and embeddings, valid or not.
    pub requests: u64,
    /// Valid requests by kind: `story`, `cognitive`, .., `other`. Includes refused ones.
    pub calls: BTreeMap<String, u64>,
    /// Texts that got a vector.
    #[serde(default)]
    pub embedded_texts: u64,
    /// Calls that got a reply.
    pub answered: u64,
    /// Calls that got an error, by status.
    pub errors: BTreeMap<u16, u64>,
    /// Calls deliberately left without a reply.
    pub hung: u64,
    /// Calls whose connection was deliberately cut.
    pub cut: u64,
    /// Calls that the client abandoned before a reply, including those deliberately left without one.
    pub abandoned: u64,
    /// Replies that deliberately violated the format.
    pub malformed: u64,
    /// Replies that deliberately ended too early.
    pub truncated: u64,
    /// Replies that were refusals.
    pub refused: u64,
    /// The admitted calls and their tokens in the fullest windows.
    pub windows: WindowStats,
    /// Calls in progress now.
    pub in_flight: u64,
    /// The maximum number of calls in progress at a time.
    pub most_in_flight: u64,
    /// Calls whose prompt had been answered before.
    pub repeated_prompts: u64,
    /// Prompts remembered to recognise repeated ones.
    pub prompts_remembered: u64,
    /// Calls whose prompt was not remembered because there were too many.
    pub prompts_not_remembered: u64,
    /// Tokens of the calls that got a reply.
    pub tokens: TokenStats,
}

/// The maxima over all sliding windows of admitted calls.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowStats {
    /// The maximum calls in any window of one second.
    pub most_calls_in_second: u64,
    /// The maximum calls in any window of the limits.
    pub most_calls_in_window: u64,
    /// The maximum tokens in any window of the limits.
    pub most_tokens_in_window: u64,
    /// The length of the limits' window.
    pub window_ms: u64,
}

/// Tokens by the provider's own count.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenStats {
    /// Tokens of prompts, including cached ones.
    pub input: u64,
    /// Cached tokens of prompts.
    pub cached_input: u64,
    /// Tokens of replies.
    pub output: u64,
    /// Tokens of prompts and replies lost when the connection was cut.
    pub lost: u64,
    /// `cached_input` divided by `input`; 0 without input.
    pub cached_share: f64,
}

/// An event in the life of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    /// A request arrived.
    Requested,
    /// It was valid.
    Called(Kind),
    /// It was answered.
    Answered { input: u64, cached_input: u64, output: u64, defect: Defect },
    /// A request was answered with the vectors of its texts.
    Embedded { texts: u64, input: u64 },
    /// It was answered with an error.
    Failed(u16),
    /// It was deliberately left without a reply.
    Hung,
    /// Its connection was cut.
    Cut { tokens: u64 },
    /// The client disconnected.
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

    /// Resets all counts.
    pub(crate) fn reset(&self) {
        *self.0.lock().expect(NEVER_POISONED) = Stats::default();
    }

    /// The counts, together with those of other components.
    pub(crate) fn stats(&self, traffic: Traffic, prompts: PromptCounts, window_ms: u64) -> Stats {
        let mut stats = self.0.lock().expect(NEVER_POISONED).clone();
        for kind in Kind::ALL {
            stats.calls.entry(kind.name().to_owned()).or_default();
        }
        stats.windows = WindowStats {
            most_calls_in_second: traffic.most_calls_in_second,
            most_calls_in_window: traffic.most_calls_in_window,
            most_tokens_in_window: traffic.most_tokens_in_window,
            window_ms,
        };
        stats.in_flight = traffic.in_flight;
        stats.most_in_flight = traffic.most_in_flight;
        stats.repeated_prompts = prompts.repeated;
        stats.prompts_remembered = prompts.remembered;
        stats.prompts_not_remembered = prompts.not_remembered;
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
            Event::Answered { input, cached_input, output, defect } => {
                self.answered += 1;
                self.tokens.input += input;
                self.tokens.cached_input += cached_input;
                self.tokens.output += output;
                self.count_defect(defect);
            }
            Event::Embedded { texts, input } => {
                self.answered += 1;
                self.embedded_texts += texts;
                self.tokens.input += input;
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

    fn count_defect(&mut self, defect: Defect) {
        match defect {
            Defect::None => {}
            Defect::Malformed => self.malformed += 1,
            Defect::Truncated => self.truncated += 1,
            Defect::Refused => self.refused += 1,
        }
    }
}
