//! How long a call may take: until the next byte, and altogether. One timer for both, as there are many calls.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::time::{Instant, Sleep};

use super::client::Deadlines;

/// Runs out when nothing came for too long, or when the whole took too long.
#[derive(Debug)]
pub(super) struct Deadline<'a> {
    deadlines: Deadlines,
    end: Instant,
    timer: Pin<&'a mut Sleep>,
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Late {
    /// The next byte.
    Silent,
    /// The whole.
    Unfinished,
}

impl<'a> Deadline<'a> {
    /// Begins now, with any timer that is still to run.
    pub(super) fn new(deadlines: Deadlines, timer: Pin<&'a mut Sleep>) -> Self {
        Self { deadlines, end: Instant::now() + deadlines.total, timer }
    }

    /// Waits for what comes next.
    pub(super) async fn hold<T>(&mut self, next: impl Future<Output = T>) -> Result<T, Late> {
        let mut next = pin!(next);
        let ended = poll_fn(|context| {
            if let Poll::Ready(value) = next.as_mut().poll(context) {
                return Poll::Ready(Ok(value));
            }
            self.timer.as_mut().poll(context).map(Err)
        });
        match ended.await {
            Ok(value) => {
                self.timer.as_mut().reset(self.end.min(Instant::now() + self.deadlines.idle));
                Ok(value)
            }
            Err(()) if Instant::now() >= self.end => Err(Late::Unfinished),
            Err(()) => Err(Late::Silent),
        }
    }
}
