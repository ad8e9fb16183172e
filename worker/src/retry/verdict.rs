//! Decides whose fault a failed call is: that of its prompt, of the settings, or of a provider that will be back. The one place
//! that does, and pure.
//!
//! ```text
//!   limits, overload, no connection ──────────────────────────────> tried again
//!   money, a wrong key, a setting that no call can have ──────────> the run stops
//!   policy, length ───────────────────────────────────────────────> the prompt ends so
//!   a 4xx: before any answer ─────────────────────────────────────> the run stops
//!          afterwards: twice more; then were others answered? yes > the prompt ends rejected
//!                                                             no ─> a probe tells
//!   failures that pass: is it more than chance, while others are answered? the same
//! ```

use crate::evidence::Seen;
use crate::provider::{CallErrorKind, Decision};

/// How often the same bytes are tried where a provider rejects them.
const TRIES_OF_REJECTED: u32 = 3;

/// How often they are tried at least where it may be the provider that fails.
const TRIES_OF_FAILED: u32 = 5;

/// How many responses may be no chat completion, for one prompt or for all in a row. Each of them may be billed, and a
/// provider that sends five will send more.
pub(crate) const MAX_MALFORMED: u32 = 5;

/// A prompt is at fault where a provider that fails at random would fail it so often only once in this many prompts (as a
/// natural logarithm: a billion).
const BEYOND_CHANCE: f64 = 20.7;

/// What to do about a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Try again after a while.
    Retry,
    /// Send a short prompt: whether that is answered tells whose fault it is.
    Probe,
    /// This prompt gets no reply: it is too long, or against a policy.
    Declined,
    /// This prompt gets no reply, and nobody knows why.
    Rejected,
    /// No further call will be answered.
    Stop,
}

/// What one call has seen so far.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct History {
    /// Responses that rejected it.
    rejected: u32,
    /// Failures that may be the provider's or the prompt's.
    failed: u32,
    /// Responses that were no chat completion.
    malformed: u32,
    /// What was known when it first failed.
    first: Option<Seen>,
}

/// What is known of the endpoint and model at the time of a verdict.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Known {
    /// Whether any call was ever answered.
    pub(crate) has_answered: bool,
    /// The calls so far.
    pub(crate) seen: Seen,
    /// Responses in a row that were no chat completion.
    pub(crate) malformed_in_a_row: u32,
}

impl History {
    /// Adds a failure, before which this was known.
    pub(crate) fn add(&mut self, kind: CallErrorKind, seen: Seen) {
        if kind.decision() == Decision::Weigh && kind != CallErrorKind::Page {
            self.rejected += 1;
        }
        if may_be_the_prompts(kind) {
            self.failed += 1;
        }
        self.malformed += u32::from(kind == CallErrorKind::Malformed);
        self.first.get_or_insert(seen);
    }

    /// What is to be done after the last failure, which was of this kind.
    pub(crate) fn verdict(&self, kind: CallErrorKind, known: Known) -> Verdict {
        match kind.decision() {
            Decision::StopProvider => Verdict::Stop,
            Decision::GiveUpOnPrompt => Verdict::Declined,
            Decision::Weigh if !known.has_answered => Verdict::Stop,
            Decision::Weigh if kind != CallErrorKind::Page => self.of_rejected(known),
            _ if kind == CallErrorKind::Malformed && self.is_malformed_too_often(known) => self.of_malformed(known),
            Decision::Weigh | Decision::Retry if may_be_the_prompts(kind) => self.of_failed(known),
            Decision::Weigh | Decision::Retry | Decision::SlowDown => Verdict::Retry,
        }
    }

    fn of_rejected(&self, known: Known) -> Verdict {
        if self.rejected < TRIES_OF_REJECTED {
            Verdict::Retry
        } else if self.since_first(known).answered > 0 {
            Verdict::Rejected
        } else {
            Verdict::Probe
        }
    }

    const fn is_malformed_too_often(&self, known: Known) -> bool {
        self.malformed >= MAX_MALFORMED || known.malformed_in_a_row >= MAX_MALFORMED
    }

    fn of_malformed(&self, known: Known) -> Verdict {
        if !known.has_answered {
            Verdict::Stop
        } else if self.since_first(known).answered == 0 || known.malformed_in_a_row >= MAX_MALFORMED {
            Verdict::Probe
        } else {
            Verdict::Rejected
        }
    }

    fn of_failed(&self, known: Known) -> Verdict {
        if self.failed < TRIES_OF_FAILED || !known.has_answered {
            Verdict::Retry
        } else if self.is_beyond_chance(known) {
            Verdict::Rejected
        } else {
            Verdict::Probe
        }
    }

    /// Whether so many failures of one prompt are more than chance, by how often other calls failed in the same time.
    fn is_beyond_chance(&self, known: Known) -> bool {
        let Seen { answered, failed } = self.since_first(known);
        let of_others = failed.saturating_sub(u64::from(self.failed));
        let share = (of_others + 1) as f64 / (answered + of_others + 2) as f64;
        f64::from(self.failed) * -share.ln() > BEYOND_CHANCE
    }

    /// The calls since the first failure of this one.
    fn since_first(&self, known: Known) -> Seen {
        let first = self.first.unwrap_or(known.seen);
        Seen {
            answered: known.seen.answered.saturating_sub(first.answered),
            failed: known.seen.failed.saturating_sub(first.failed),
        }
    }
}

/// Whether a prompt may be the reason why a provider fails so, although it usually is not.
pub(crate) const fn may_be_the_prompts(kind: CallErrorKind) -> bool {
    matches!(
        kind,
        CallErrorKind::TimedOut
            | CallErrorKind::ConnectionBroken
            | CallErrorKind::Malformed
            | CallErrorKind::Intermediary
            | CallErrorKind::Interrupted
            | CallErrorKind::Page
            | CallErrorKind::ServerFault
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use CallErrorKind as Kind;

    /// The verdicts on a call that fails so again and again, while so many other calls are answered and fail between two of its
    /// failures; up to the first that is no retry.
    fn verdicts(kind: Kind, mut known: Known, (answered, failed): (u64, u64)) -> (usize, Verdict) {
        let mut history = History::default();
        for tries in 1..10_000 {
            let before = known.seen;
            known.seen.failed += u64::from(may_be_the_prompts(kind));
            history.add(kind, before);
            let verdict = history.verdict(kind, known);
            if verdict != Verdict::Retry {
                return (tries, verdict);
            }
            known.seen.answered += answered;
            known.seen.failed += failed;
        }
        (10_000, Verdict::Retry)
    }

    const ANSWERED: Known = Known { has_answered: true, seen: Seen { answered: 9, failed: 3 }, malformed_in_a_row: 0 };
    const NOTHING: Known = Known { has_answered: false, seen: Seen { answered: 0, failed: 0 }, malformed_in_a_row: 0 };

    #[test]
    fn a_rejection_before_any_answer_is_about_the_settings() {
        for kind in [Kind::BadRequest, Kind::UnknownModel, Kind::Forbidden, Kind::Page, Kind::NotRetryable] {
            assert_eq!(verdicts(kind, NOTHING, (0, 0)), (1, Verdict::Stop), "{kind}");
        }
    }

    #[test]
    fn a_rejection_after_answers_is_tried_twice_more_and_then_about_the_prompt() {
        for kind in [Kind::BadRequest, Kind::UnknownModel, Kind::Forbidden, Kind::NotRetryable] {
            assert_eq!(verdicts(kind, ANSWERED, (1, 0)), (3, Verdict::Rejected), "{kind}");
            assert_eq!(verdicts(kind, ANSWERED, (0, 0)), (3, Verdict::Probe), "{kind}: nothing else is answered");
        }
    }

    #[test]
    fn policy_and_length_need_no_second_try_and_money_and_keys_stop() {
        assert_eq!(verdicts(Kind::Refused, NOTHING, (0, 0)), (1, Verdict::Declined));
        assert_eq!(verdicts(Kind::TooLong, ANSWERED, (9, 0)), (1, Verdict::Declined));
        for kind in [Kind::InsufficientFunds, Kind::WrongKey, Kind::AboveLimit { needed: 2, limit: 1 }] {
            assert_eq!(verdicts(kind, ANSWERED, (9, 0)), (1, Verdict::Stop), "{kind}");
        }
    }

    #[test]
    fn limits_and_outages_are_waited_for() {
        for kind in [Kind::RateLimited, Kind::Overloaded, Kind::Unreachable] {
            assert_eq!(verdicts(kind, ANSWERED, (100, 0)), (10_000, Verdict::Retry), "{kind}");
        }
        assert_eq!(verdicts(Kind::ServerFault, NOTHING, (0, 0)), (10_000, Verdict::Retry), "it never answered");
    }

    #[test]
    fn a_prompt_that_fails_alone_ends_and_one_of_a_flaky_provider_does_not() {
        for kind in [Kind::ServerFault, Kind::Page, Kind::TimedOut] {
            assert_eq!(verdicts(kind, ANSWERED, (30, 0)), (5, Verdict::Rejected), "{kind}");
        }
        // Where half of all calls fail, five failures in a row are nothing special.
        let mut history = History::default();
        let mut known = ANSWERED;
        for tries in 1..=29 {
            known.seen = Seen { answered: 9 + tries * 50, failed: 3 + tries * 51 };
            history.add(Kind::ServerFault, ANSWERED.seen);
            assert_ne!(history.verdict(Kind::ServerFault, known), Verdict::Rejected, "{tries}");
        }
        history.add(Kind::ServerFault, ANSWERED.seen);
        history.add(Kind::ServerFault, ANSWERED.seen);
        assert_eq!(history.verdict(Kind::ServerFault, known), Verdict::Rejected, "31 are");
    }

    #[test]
    fn a_tail_of_failures_is_decided_by_probes() {
        let (mut history, mut known, mut tries) = (History::default(), ANSWERED, 0);
        loop {
            tries += 1;
            known.seen.failed += 1;
            history.add(Kind::ServerFault, ANSWERED.seen);
            match history.verdict(Kind::ServerFault, known) {
                Verdict::Probe => known.seen.answered += 1,
                Verdict::Retry => {}
                verdict => break assert_eq!((tries, verdict), (11, Verdict::Rejected)),
            }
        }
    }

    #[test]
    fn five_responses_that_are_no_completion_are_enough() {
        assert_eq!(verdicts(Kind::Malformed, NOTHING, (0, 0)), (5, Verdict::Stop));
        assert_eq!(verdicts(Kind::Malformed, ANSWERED, (1, 0)), (5, Verdict::Rejected));
        assert_eq!(verdicts(Kind::Malformed, ANSWERED, (0, 0)), (5, Verdict::Probe));
        let in_a_row = Known { malformed_in_a_row: 5, ..ANSWERED };
        assert_eq!(verdicts(Kind::Malformed, in_a_row, (0, 0)), (1, Verdict::Probe));
    }
}
