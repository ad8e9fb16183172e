//! The calls of a process that wait for a grant, by run; questions about a backstory go before new backstories.

use std::collections::VecDeque;
use std::hash::Hasher as _;

use tokio::sync::oneshot;
use xxhash_rust::xxh3::Xxh3;

use crate::id::RunId;
use crate::stage::StageKind;

use super::office::{Refusal, Request};
use super::quota::Want;
use super::token_kinds::TokenCounts;

/// So many calls of a run are asked for at a time.
const ASKED_FOR: usize = 256;

/// The waiting calls.
#[derive(Debug)]
pub(super) struct Waiting<P> {
    runs: Vec<RunCalls<P>>,
}

#[derive(Debug)]
struct RunCalls<P> {
    run: u64,
    weight: u32,
    questions: VecDeque<Caller<P>>,
    stories: VecDeque<Caller<P>>,
}

/// A run by its number, and its weight beside other runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claimant {
    pub(super) run: u64,
    pub(super) weight: u32,
}

/// A waiting call, which will get a `P`.
#[derive(Debug)]
pub(super) struct Caller<P> {
    pub(super) request: Request,
    pub(super) tokens: TokenCounts,
    pub(super) turn: oneshot::Sender<Result<P, Refusal>>,
}

/// What a run's calls want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RunWants {
    pub(super) run: u64,
    pub(super) weight: u32,
    pub(super) tokens: Vec<TokenCounts>,
}

impl RunWants {
    pub(super) fn want(&self) -> Want<'_> {
        Want { run: self.run, weight: self.weight, tokens: &self.tokens }
    }
}

/// The number by which all workers know a run.
pub(super) fn run_number(run: &RunId) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.write(run.0.as_bytes());
    hasher.finish()
}

impl<P> Default for Waiting<P> {
    fn default() -> Self {
        Self { runs: Vec::new() }
    }
}

impl<P> Waiting<P> {
    pub(super) fn push(&mut self, Claimant { run, weight }: Claimant, caller: Caller<P>) {
        let at = self.runs.iter().position(|known| known.run == run).unwrap_or_else(|| {
            self.runs.push(RunCalls { run, weight, questions: VecDeque::new(), stories: VecDeque::new() });
            self.runs.len() - 1
        });
        let calls = &mut self.runs[at];
        let is_story = caller.request.stage.kind() == StageKind::Story;
        if is_story { calls.stories.push_back(caller) } else { calls.questions.push_back(caller) }
    }

    /// Forgets calls that were given up.
    pub(super) fn prune(&mut self) {
        for calls in &mut self.runs {
            calls.questions.retain(|caller| !caller.turn.is_closed());
            calls.stories.retain(|caller| !caller.turn.is_closed());
        }
        self.runs.retain(|calls| !calls.questions.is_empty() || !calls.stories.is_empty());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.iter().all(|calls| calls.questions.is_empty() && calls.stories.is_empty())
    }

    /// Whether a call waits that was not given up.
    pub(super) fn has_callers(&self) -> bool {
        let waits = |caller: &Caller<P>| !caller.turn.is_closed();
        self.runs.iter().any(|calls| calls.questions.iter().chain(&calls.stories).any(waits))
    }

    /// What the calls want, another run first each time.
    pub(super) fn wants(&mut self) -> Vec<RunWants> {
        let next = usize::from(self.runs.len() > 1);
        self.runs.rotate_left(next);
        let tokens = |calls: &RunCalls<P>| {
            calls.questions.iter().chain(&calls.stories).take(ASKED_FOR).map(|caller| caller.tokens).collect()
        };
        self.runs.iter().map(|calls| RunWants { run: calls.run, weight: calls.weight, tokens: tokens(calls) }).collect()
    }

    /// The next call of a run.
    pub(super) fn pop(&mut self, run: u64) -> Option<Caller<P>> {
        let calls = self.runs.iter_mut().find(|calls| calls.run == run)?;
        calls.questions.pop_front().or_else(|| calls.stories.pop_front())
    }

    /// All calls.
    pub(super) fn drain(&mut self) -> Vec<Caller<P>> {
        self.runs.drain(..).flat_map(|calls| calls.questions.into_iter().chain(calls.stories)).collect()
    }
}
