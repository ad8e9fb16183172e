//! Lets a limited number of replies through, for tests that keep calls in flight until they release them.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// Initially open. Counts every reply that passes, regardless of the limit at that time.
#[derive(Debug)]
pub(crate) struct ReplyGate {
    limit: watch::Sender<u64>,
    passed: AtomicU64,
}

impl Default for ReplyGate {
    fn default() -> Self {
        Self { limit: watch::Sender::new(u64::MAX), passed: AtomicU64::new(0) }
    }
}

impl ReplyGate {
    /// Closes the gate once this many replies have passed since the start.
    pub(crate) fn close_after(&self, replies: u64) {
        self.limit.send_replace(replies);
    }

    /// Lets all replies pass, including those that wait.
    pub(crate) fn open(&self) {
        self.close_after(u64::MAX);
    }

    /// Waits until the reply may pass. A caller that gives up is not counted.
    pub(crate) async fn pass(&self) {
        if self.try_pass(*self.limit.borrow()) {
            return;
        }
        let mut limit = self.limit.subscribe();
        while !self.try_pass(*limit.borrow_and_update()) {
            limit.changed().await.expect("the gate keeps the sender");
        }
    }

    fn try_pass(&self, limit: u64) -> bool {
        let one_more = |passed| (passed < limit).then_some(passed + 1);
        self.passed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Waker};

    use super::*;

    fn passes(reply: Pin<&mut impl Future<Output = ()>>) -> bool {
        reply.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn the_limit_passes_and_the_next_waits_until_it_may() {
        let gate = ReplyGate::default();
        gate.close_after(2);
        assert!(passes(pin!(gate.pass())));
        assert!(passes(pin!(gate.pass())));
        assert!(!passes(pin!(gate.pass())), "a reply that gives up is not counted");
        let mut third = pin!(gate.pass());
        assert!(!passes(third.as_mut()));
        gate.close_after(3);
        assert!(passes(third));
        assert!(!passes(pin!(gate.pass())));
        gate.open();
        assert!(passes(pin!(gate.pass())));
        gate.close_after(0);
        assert!(!passes(pin!(gate.pass())), "a limit below the replies so far lets no more through");
    }
}
