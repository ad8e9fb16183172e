//! Counts calls and tokens in a sliding time window, exactly.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The maximum number of calls in a window (64 MB). Beyond it the oldest are dropped and the count is no longer exact.
const MAX_CALLS: usize = 4_000_000;

/// The calls of the last `span`: those in `(now - span, now]`.
#[derive(Debug, Clone)]
pub(crate) struct SlidingWindow {
    span: Duration,
    calls: VecDeque<(Instant, u64)>,
    tokens: u64,
    peak: Peak,
}

/// The maxima of a window so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peak {
    /// The maximum calls in the window.
    pub(crate) calls: u64,
    /// The maximum tokens in the window.
    pub(crate) tokens: u64,
}

impl SlidingWindow {
    pub(crate) fn new(span: Duration) -> Self {
        Self { span, calls: VecDeque::new(), tokens: 0, peak: Peak::default() }
    }

    /// Drops calls that have left the window at `now`.
    pub(crate) fn slide(&mut self, now: Instant) {
        while let Some(&(at, tokens)) = self.calls.front()
            && at + self.span <= now
        {
            self.calls.pop_front();
            self.tokens -= tokens;
        }
    }

    /// Counts a call at `now`, which must not be before any earlier call.
    pub(crate) fn count(&mut self, now: Instant, tokens: u64) {
        self.slide(now);
        if self.calls.len() == MAX_CALLS
            && let Some((_, tokens)) = self.calls.pop_front()
        {
            self.tokens -= tokens;
        }
        self.calls.push_back((now, tokens));
        self.tokens += tokens;
        self.peak.calls = self.peak.calls.max(self.calls());
        self.peak.tokens = self.peak.tokens.max(self.tokens);
    }

    /// The calls in the window as of the last slide.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.len() as u64
    }

    /// The tokens in the window as of the last slide.
    pub(crate) fn tokens(&self) -> u64 {
        self.tokens
    }

    /// The maxima so far.
    pub(crate) fn peak(&self) -> Peak {
        self.peak
    }

    /// Resets the maxima to the present content of the window.
    pub(crate) fn reset_peak(&mut self) {
        self.peak = Peak { calls: self.calls(), tokens: self.tokens };
    }

    /// How long until `calls` calls and `tokens` tokens have left the window.
    pub(crate) fn until_gone(&self, now: Instant, calls: u64, tokens: u64) -> Duration {
        let mut gone = 0;
        for (index, &(at, of_call)) in self.calls.iter().enumerate() {
            gone += of_call;
            if index as u64 + 1 >= calls && gone >= tokens {
                return (at + self.span).saturating_duration_since(now);
            }
        }
        self.span
    }

    /// How long until the window is empty, if no more calls come.
    pub(crate) fn until_empty(&self, now: Instant) -> Duration {
        self.calls.back().map_or(Duration::ZERO, |&(at, _)| (at + self.span).saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_time_until_calls_and_tokens_have_left_is_exact() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut window = SlidingWindow::new(Duration::from_mins(1));
        for (seconds, tokens) in [(0, 10), (10, 20), (30, 5)] {
            window.count(at(seconds), tokens);
        }
        assert_eq!(window.until_gone(at(30), 1, 0), Duration::from_secs(30));
        assert_eq!(window.until_gone(at(30), 0, 11), Duration::from_secs(40));
        assert_eq!(window.until_empty(at(30)), Duration::from_mins(1));
        window.slide(at(70));
        assert_eq!((window.calls(), window.tokens()), (1, 5));
        assert_eq!(window.peak(), Peak { calls: 3, tokens: 35 });
    }

    proptest! {
        #[test]
        fn the_peak_equals_a_count_of_every_window(gaps in prop::collection::vec((0_u64..30, 0_u64..9), 1..60)) {
            let (start, span) = (Instant::now(), 40);
            let mut window = SlidingWindow::new(Duration::from_millis(span));
            let mut calls: Vec<(u64, u64)> = Vec::new();
            for (gap, tokens) in gaps {
                let at = calls.last().map_or(0, |last| last.0) + gap;
                calls.push((at, tokens));
                window.count(start + Duration::from_millis(at), tokens);
            }
            let in_window = |end: u64| calls.iter().filter(move |call| call.0 <= end && call.0 + span > end);
            let peak = Peak {
                calls: calls.iter().map(|call| in_window(call.0).count() as u64).max().unwrap(),
                tokens: calls.iter().map(|call| in_window(call.0).map(|call| call.1).sum()).max().unwrap(),
            };
            prop_assert_eq!(window.peak(), peak);
        }
    }
}
