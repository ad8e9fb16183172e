//! How long a call may take: until the next byte, and altogether. One timer for both, as there are many calls.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::time::{Instant, Sleep};

use super::client::Deadlines;

/// Runs out when nothing came for too long, or when the whole took too long.
#[derive(Debug)]
pub(super) struct Deadline<'a> {
    deadlines: Deadlines,
    end: Instant,
    /// When something came last.
    heard: Instant,
    /// Runs until some deadline, perhaps an earlier one than the present: it is set again only when it has run out, as there
    /// are many calls in which it never does.
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
        let now = Instant::now();
        Self { deadlines, end: now + deadlines.total, heard: now, timer }
    }

    /// Waits for what comes next. That is pinned where it is made: moved in here, every call would hold the room for it twice.
    pub(super) async fn hold<T>(&mut self, mut next: Pin<&mut impl Future<Output = T>>) -> Result<T, Late> {
        let mut waited = false;
        let value = poll_fn(|context| {
            if let Poll::Ready(value) = next.as_mut().poll(context) {
                return Poll::Ready(Ok(value));
            }
            waited = true;
            while self.timer.as_mut().poll(context).is_ready() {
                if let Some(late) = self.late() {
                    return Poll::Ready(Err(late));
                }
                let deadline = self.end.min(self.heard + self.deadlines.idle);
                self.timer.as_mut().reset(deadline);
            }
            Poll::Pending
        });
        let value = value.await?;
        // What was there already came with what was heard last.
        if waited {
            self.heard = Instant::now();
        }
        Ok(value)
    }

    fn late(&self) -> Option<Late> {
        let now = Instant::now();
        if now >= self.end {
            return Some(Late::Unfinished);
        }
        (now >= self.heard + self.deadlines.idle).then_some(Late::Silent)
    }
}
