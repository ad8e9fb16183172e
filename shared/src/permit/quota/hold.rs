//! Pauses of all calls, each of which ends with a probe: one call that shows whether the pause has helped.

use serde::{Deserialize, Serialize};

/// No pause is longer, whatever the provider asks for: a longer one is a mistake or a daily quota, and trying again costs
/// one call of one worker.
pub(super) const LONGEST_MS: u64 = 30_000;

/// A probe without an outcome is given up after this long, and another call tries.
const PROBE_MS: u64 = 15_000;

/// What a pause is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cause {
    /// The provider asked for it, or refused a call for its limit.
    Provider,
    /// The provider has stopped answering.
    Circuit,
    /// The store was lost, and workers say what they have sent.
    Recovery,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Probe {
    #[default]
    None,
    /// The next call is one.
    Due,
    /// Granted at this time.
    Out(u64),
}

/// The present pause.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hold {
    began: u64,
    until: u64,
    cause: Option<Cause>,
    probe: Probe,
}

/// How many calls may go, as far as pauses matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// All.
    Free,
    /// One, as a probe.
    One,
    /// None until a probe has an outcome.
    AfterProbe,
    /// None for so many milliseconds.
    Closed(Cause, u64),
}

impl Hold {
    /// Begins a pause of so many milliseconds, unless the present one ends later.
    pub(super) fn begin(&mut self, now: u64, ms: u64, cause: Cause) {
        let until = now + ms.min(LONGEST_MS);
        if until > self.until.max(now) {
            (self.began, self.until, self.cause) = (now, until, Some(cause));
        }
        if cause != Cause::Recovery {
            self.probe = Probe::Due;
        }
    }

    /// Extends a pause for a call that was sent before it began. The pause is never longer than the longest after all, so
    /// that a stream of refusals cannot move its end on and on.
    pub(super) fn extend(&mut self, now: u64, ms: u64) {
        let until = (now + ms).min(self.began + LONGEST_MS);
        if self.until > now {
            self.until = self.until.max(until);
        }
    }

    pub(super) fn is_on(&self, now: u64) -> bool {
        now < self.until
    }

    pub(super) fn passage(&self, now: u64) -> Passage {
        if let Some(cause) = self.cause.filter(|_| self.is_on(now)) {
            return Passage::Closed(cause, self.until - now);
        }
        match self.probe {
            Probe::None => Passage::Free,
            Probe::Due => Passage::One,
            Probe::Out(since) if now.saturating_sub(since) >= PROBE_MS => Passage::One,
            Probe::Out(_) => Passage::AfterProbe,
        }
    }

    /// The probe was granted.
    pub(super) fn probe_granted(&mut self, now: u64) {
        self.probe = Probe::Out(now);
    }

    /// The probe was not sent: another call is to be it.
    pub(super) fn probe_unsent(&mut self) {
        if self.is_probed() {
            self.probe = Probe::Due;
        }
    }

    /// A call was answered that was granted after the pause.
    pub(super) fn passed(&mut self) {
        self.probe = Probe::None;
    }

    /// Whether a probe is under way.
    pub(super) fn is_probed(&self) -> bool {
        matches!(self.probe, Probe::Out(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_with_one_probe_whose_outcome_decides() {
        let mut hold = Hold::default();
        assert_eq!(hold.passage(0), Passage::Free);
        hold.begin(1_000, 5_000, Cause::Provider);
        hold.begin(1_500, 2_000, Cause::Circuit);
        assert_eq!(hold.passage(2_000), Passage::Closed(Cause::Provider, 4_000), "the longer pause stands");
        assert_eq!(hold.passage(6_000), Passage::One);
        hold.probe_granted(6_000);
        assert_eq!(hold.passage(6_100), Passage::AfterProbe);
        hold.probe_unsent();
        assert_eq!(hold.passage(6_200), Passage::One);
        hold.probe_granted(6_200);
        assert_eq!(hold.passage(6_200 + PROBE_MS), Passage::One, "its worker died");
        hold.passed();
        assert_eq!(hold.passage(6_300), Passage::Free);
    }

    #[test]
    fn however_many_calls_are_refused_a_pause_ends_after_the_longest() {
        let mut hold = Hold::default();
        hold.begin(0, 60_000, Cause::Provider);
        for now in 0..40_000 {
            hold.extend(now, 30_000);
        }
        assert_eq!(hold.passage(LONGEST_MS - 1), Passage::Closed(Cause::Provider, 1));
        assert_eq!(hold.passage(LONGEST_MS), Passage::One);
    }
}
