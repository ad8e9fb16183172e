//! The recent rate of a counter, for reports that are more frequent than what they count.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two samples, so that an extra report does not shift the window.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// A counter's growth over a window that ends now. At first the window is shorter: it begins when the rate was created.
#[derive(Debug)]
pub struct Rate {
    window: Duration,
    /// The first sample is the last one before the window.
    samples: VecDeque<(Instant, u64)>,
}

impl Rate {
    /// A rate over the last `window`, for a counter that is now at `count`.
    pub fn over(window: Duration, count: u64) -> Self {
        Self { window, samples: VecDeque::from([(Instant::now(), count)]) }
    }

    /// The rate per second, with the counter now at `count`.
    pub fn per_second(&mut self, count: u64) -> f64 {
        let now = Instant::now();
        while self.samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= self.window) {
            self.samples.pop_front();
        }
        let (since, before) = self.samples[0];
        if self.samples.back().is_some_and(|(at, _)| now.duration_since(*at) >= SAMPLE_INTERVAL) {
            self.samples.push_back((now, count));
        }
        count.saturating_sub(before) as f64 / now.duration_since(since).max(SAMPLE_INTERVAL).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[track_caller]
    fn is_about(rate: f64, expected: f64) {
        assert!((rate - expected).abs() <= 0.05, "{rate} per second, expected {expected}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_of_bursts_is_even() {
        let mut rate = Rate::over(MINUTE, 100);
        let mut count = 100;
        // A cell every ten seconds, a report every two.
        for second in (2..=300).step_by(2) {
            advance(Duration::from_secs(2)).await;
            count += u64::from(second % 10 == 0);
            let now = rate.per_second(count);
            if second > 60 {
                assert!((0.08..=0.12).contains(&now), "{now} after {second} s");
            }
        }
        assert!(rate.samples.len() <= 32, "{} samples", rate.samples.len());
        // Without further growth the rate is zero after the window.
        advance(MINUTE * 2).await;
        rate.per_second(count);
        advance(Duration::from_secs(2)).await;
        is_about(rate.per_second(count), 0.0);
    }

    #[tokio::test(start_paused = true)]
    async fn extra_reports_do_not_change_the_rate() {
        let mut rate = Rate::over(MINUTE, 0);
        is_about(rate.per_second(0), 0.0);
        advance(Duration::from_secs(30)).await;
        is_about(rate.per_second(300), 10.0);
        advance(Duration::from_millis(1)).await;
        is_about(rate.per_second(301), 10.0);
        for _ in 0..1_000 {
            rate.per_second(301);
        }
        assert!(rate.samples.len() <= 3);
    }
}
