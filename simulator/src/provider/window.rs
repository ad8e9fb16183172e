//! Counts calls and tokens in a sliding window of time, exactly.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Calls that a window holds at most; at this many, 64 MB, the oldest are dropped and the count is no longer exact.
const MOST_CALLS: usize = 4_000_000;

/// What happened in the last `span`: at every moment, the calls in `(now - span, now]`.
#[derive(Debug)]
pub(crate) struct Window {
    span: Duration,
    calls: VecDeque<(Instant, u64)>,
    tokens: u64,
    most: Most,
}

/// The fullest that a window has been.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Most {
    /// Most calls at once in the window.
    pub(crate) calls: u64,
    /// Most tokens at once in the window.
    pub(crate) tokens: u64,
}

impl Window {
    pub(crate) fn new(span: Duration) -> Self {
        Self { span, calls: VecDeque::new(), tokens: 0, most: Most::default() }
    }

    /// Forgets what has left the window at `now`.
    pub(crate) fn slide(&mut self, now: Instant) {
        while let Some(&(at, tokens)) = self.calls.front()
            && at + self.span <= now
        {
            self.calls.pop_front();
            self.tokens -= tokens;
        }
    }

    /// Counts a call at `now`, which is not before any earlier one.
    pub(crate) fn count(&mut self, now: Instant, tokens: u64) {
        self.slide(now);
        if self.calls.len() == MOST_CALLS
            && let Some((_, tokens)) = self.calls.pop_front()
        {
            self.tokens -= tokens;
        }
        self.calls.push_back((now, tokens));
        self.tokens += tokens;
        self.most.calls = self.most.calls.max(self.calls());
        self.most.tokens = self.most.tokens.max(self.tokens);
    }

    /// Calls in the window, since it was last slid.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.len() as u64
    }

    /// Tokens in the window, since it was last slid.
    pub(crate) fn tokens(&self) -> u64 {
        self.tokens
    }

    /// The fullest that it has been.
    pub(crate) fn most(&self) -> Most {
        self.most
    }

    /// Starts anew to look for the fullest, from what is in the window.
    pub(crate) fn reset_most(&mut self) {
        self.most = Most { calls: self.calls(), tokens: self.tokens };
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

    /// How long until the window is empty, if nothing more comes.
    pub(crate) fn until_empty(&self, now: Instant) -> Duration {
        self.calls.back().map_or(Duration::ZERO, |&(at, _)| (at + self.span).saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn says_when_enough_has_gone() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut window = Window::new(Duration::from_mins(1));
        for (seconds, tokens) in [(0, 10), (10, 20), (30, 5)] {
            window.count(at(seconds), tokens);
        }
        assert_eq!(window.until_gone(at(30), 1, 0), Duration::from_secs(30));
        assert_eq!(window.until_gone(at(30), 0, 11), Duration::from_secs(40));
        assert_eq!(window.until_empty(at(30)), Duration::from_mins(1));
        window.slide(at(70));
        assert_eq!((window.calls(), window.tokens()), (1, 5));
        assert_eq!(window.most(), Most { calls: 3, tokens: 35 });
    }

    proptest! {
        #[test]
        fn the_fullest_is_what_counting_every_window_finds(gaps in prop::collection::vec((0_u64..30, 0_u64..9), 1..60)) {
            let (start, span) = (Instant::now(), 40);
            let mut window = Window::new(Duration::from_millis(span));
            let mut calls: Vec<(u64, u64)> = Vec::new();
            for (gap, tokens) in gaps {
                let at = calls.last().map_or(0, |last| last.0) + gap;
                calls.push((at, tokens));
                window.count(start + Duration::from_millis(at), tokens);
            }
            let in_window = |end: u64| calls.iter().filter(move |call| call.0 <= end && call.0 + span > end);
            let most = Most {
                calls: calls.iter().map(|call| in_window(call.0).count() as u64).max().unwrap(),
                tokens: calls.iter().map(|call| in_window(call.0).map(|call| call.1).sum()).max().unwrap(),
            };
            prop_assert_eq!(window.most(), most);
        }
    }
}
