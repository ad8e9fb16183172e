//! How fast a count has grown lately, for reports that come more often than what they count.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What is counted is noted no more often than this, so that a report out of turn makes no window of its own.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// A count's growth over a window that ends now, and begins no earlier than this began.
#[derive(Debug)]
pub struct Rate {
    window: Duration,
    /// The oldest is the last one from before the window.
    noted: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// Over the last `window`; the count is so far at the beginning.
    pub fn over(window: Duration, count: u64) -> Self {
        Self { window, noted: VecDeque::from([(Instant::now(), count)]) }
    }

    /// In a second, now that the count is so far.
    pub fn per_second(&mut self, count: u64) -> f64 {
        let now = Instant::now();
        while self.noted.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= self.window) {
            self.noted.pop_front();
        }
        let (since, before) = self.noted[0];
        if self.noted.back().is_some_and(|(at, _)| now.duration_since(*at) >= NOTE_EVERY) {
            self.noted.push_back((now, count));
        }
        count.saturating_sub(before) as f64 / now.duration_since(since).max(NOTE_EVERY).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[track_caller]
    fn is_about(rate: f64, expected: f64) {
        assert!((rate - expected).abs() <= 0.05, "{rate} in a second, expected {expected}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_bursts_has_an_even_rate() {
        let mut rate = Rate::over(MINUTE, 100);
        let mut count = 100;
        // A cell in ten seconds, a report in two.
        for second in (2..=300).step_by(2) {
            advance(Duration::from_secs(2)).await;
            count += u64::from(second % 10 == 0);
            let now = rate.per_second(count);
            if second > 60 {
                assert!((0.08..=0.12).contains(&now), "{now} after {second} s");
            }
        }
        assert!(rate.noted.len() <= 32, "{} notes", rate.noted.len());
        // Nothing any more: it is forgotten after the window.
        advance(MINUTE * 2).await;
        rate.per_second(count);
        advance(Duration::from_secs(2)).await;
        is_about(rate.per_second(count), 0.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_out_of_turn_changes_nothing() {
        let mut rate = Rate::over(MINUTE, 0);
        is_about(rate.per_second(0), 0.0);
        advance(Duration::from_secs(30)).await;
        is_about(rate.per_second(300), 10.0);
        advance(Duration::from_millis(1)).await;
        is_about(rate.per_second(301), 10.0);
        for _ in 0..1_000 {
            rate.per_second(301);
        }
        assert!(rate.noted.len() <= 3);
    }
}
