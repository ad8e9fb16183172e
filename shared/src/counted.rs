//! Counts something for as long as it lasts.

use std::sync::atomic::{AtomicU32, Ordering};

/// Counts something until it is dropped, also where what is counted is cancelled.
#[derive(Debug)]
pub struct Counted<'a>(&'a AtomicU32);

impl<'a> Counted<'a> {
    /// Counts one more.
    pub fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_no_longer_counts() {
        let count = AtomicU32::new(0);
        let both = [Counted::new(&count), Counted::new(&count)];
        assert_eq!(count.load(Ordering::Relaxed), 2);
        drop(both);
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }
}
