//! A provider in virtual time, with limits that nobody tells.

use std::collections::VecDeque;

const MINUTE_MS: f64 = 60_000.0;

/// How a provider counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    Window,
    Bucket,
}

/// A provider; times are in milliseconds.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) rule: Rule,
    pub(crate) calls: Option<u64>,
    pub(crate) tokens: Option<u64>,
    pub(crate) in_flight: Option<u64>,
    pub(crate) says_when: bool,
    pub(crate) unrelated: Option<Unrelated>,
    admitted: VecDeque<(f64, u64)>,
    tokens_in_window: u64,
    bucket: f64,
    bucket_at: f64,
    flying: u64,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) most_calls: u64,
    pub(crate) most_tokens: u64,
}

/// Refusals that have nothing to do with the rate of calls: others use the same key, or the provider sheds load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unrelated {
    /// Their share of all calls.
    pub(crate) share: f64,
    pub(crate) retry_after_ms: Option<u64>,
}

/// What came of a call, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) at: f64,
    pub(crate) tokens: u64,
    pub(crate) is_admitted: bool,
}

/// What was refused, and how long to wait.
pub(crate) struct Refused {
    pub(crate) limit: valuesim_shared::permit::quota::LimitKind,
    pub(crate) retry_after_ms: Option<u64>,
}

impl Provider {
    pub(crate) fn new(rule: Rule, calls: Option<u64>, tokens: Option<u64>) -> Self {
        Self {
            rule,
            calls,
            tokens,
            in_flight: None,
            says_when: true,
            unrelated: None,
            admitted: VecDeque::new(),
            tokens_in_window: 0,
            bucket: f64::INFINITY,
            bucket_at: 0.0,
            flying: 0,
            outcomes: Vec::new(),
            most_calls: 0,
            most_tokens: 0,
        }
    }

    /// A call arrives; `chance` is a random number in 0..1.
    pub(crate) fn call(&mut self, at: f64, tokens: u64, chance: f64) -> Result<(), Refused> {
        self.slide(at);
        let refused = self.refuse_by_chance(chance).or_else(|| self.refuse(at, tokens));
        self.outcomes.push(Outcome { at, tokens, is_admitted: refused.is_none() });
        if let Some(refused) = refused {
            return Err(refused);
        }
        self.admitted.push_back((at, tokens));
        self.tokens_in_window += tokens;
        self.bucket -= 1.0;
        self.flying += 1;
        self.most_calls = self.most_calls.max(self.admitted.len() as u64);
        self.most_tokens = self.most_tokens.max(self.tokens_in_window);
        Ok(())
    }

    /// A call is answered.
    pub(crate) fn ended(&mut self) {
        self.flying -= 1;
    }

    fn slide(&mut self, at: f64) {
        while let Some(&(first, tokens)) = self.admitted.front()
            && first + MINUTE_MS <= at
        {
            self.admitted.pop_front();
            self.tokens_in_window -= tokens;
        }
        if let Some(limit) = self.calls {
            self.bucket = (self.bucket + (at - self.bucket_at) * limit as f64 / MINUTE_MS).min(limit as f64);
        }
        self.bucket_at = at;
    }

    fn refuse_by_chance(&self, chance: f64) -> Option<Refused> {
        let unrelated = self.unrelated.filter(|it| chance < it.share)?;
        let limit = valuesim_shared::permit::quota::LimitKind::Calls;
        Some(Refused { limit, retry_after_ms: unrelated.retry_after_ms })
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time of less than a minute")]
    fn refuse(&self, at: f64, tokens: u64) -> Option<Refused> {
        use valuesim_shared::permit::TokenKind;
        use valuesim_shared::permit::quota::LimitKind;
        let says = |wait: f64| self.says_when.then_some(wait.max(0.0).ceil() as u64);
        let refused = |limit, wait| Some(Refused { limit, retry_after_ms: says(wait) });
        if self.in_flight.is_some_and(|limit| self.flying >= limit) {
            return refused(LimitKind::InFlight, 500.0);
        }
        if let Some(limit) = self.calls {
            let over = (self.admitted.len() as u64 + 1).saturating_sub(limit) as usize;
            match self.rule {
                Rule::Window if over > 0 => {
                    return refused(LimitKind::Calls, self.admitted[over - 1].0 + MINUTE_MS - at);
                }
                Rule::Bucket if self.bucket < 1.0 => {
                    return refused(LimitKind::Calls, (1.0 - self.bucket) / limit as f64 * MINUTE_MS);
                }
                Rule::Window | Rule::Bucket => {}
            }
        }
        let over = self.tokens.map_or(0, |limit| (self.tokens_in_window + tokens).saturating_sub(limit));
        if over > 0 {
            let mut gone = 0;
            let until = self.admitted.iter().find(|(_, tokens)| {
                gone += tokens;
                gone >= over
            });
            return refused(
                LimitKind::Tokens(TokenKind::All),
                until.map_or(MINUTE_MS, |(first, _)| first + MINUTE_MS - at),
            );
        }
        None
    }

    /// The calls, the tokens, and the refused calls of a time.
    pub(crate) fn between(&self, from: f64, to: f64) -> (u64, u64, u64) {
        let these = self.outcomes.iter().filter(|outcome| (from..to).contains(&outcome.at));
        these.fold((0, 0, 0), |(calls, tokens, refused), outcome| {
            if outcome.is_admitted {
                (calls + 1, tokens + outcome.tokens, refused)
            } else {
                (calls, tokens, refused + 1)
            }
        })
    }
}
