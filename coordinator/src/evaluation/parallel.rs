//! Does independent pieces of work on all cores.

use std::iter;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ScopedJoinHandle};

/// The result of `work` for each item, in the items' order.
pub(super) fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let of_threads = on_each_thread(items, |items| items.map(|(at, item)| (at, work(item))).collect::<Vec<_>>());
    let mut done: Vec<(usize, R)> = of_threads.into_iter().flatten().collect();
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The result of each thread, in any order. `work` gets the items with their positions, one at a time, of those that no
/// thread has taken yet.
pub(super) fn on_each_thread<'t, T: Sync, R: Send>(
    items: &'t [T],
    work: impl Fn(&mut dyn Iterator<Item = (usize, &'t T)>) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || {
        let at = next.fetch_add(1, Ordering::Relaxed);
        Some((at, items.get(at)?))
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(items.len());
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(&mut iter::from_fn(take)))).collect();
        threads.into_iter().map(joined).collect()
    })
}

/// The result of a thread. If it panicked, its panic continues here.
pub(super) fn joined<R>(thread: ScopedJoinHandle<'_, R>) -> R {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..1000).collect();
        let squares: Vec<u64> = items.iter().map(|item| item * item).collect();
        assert_eq!(in_parallel(&items, |item| item * item), squares);
        assert_eq!(in_parallel(&[], |item: &u64| *item), [0_u64; 0]);
    }

    #[test]
    #[should_panic(expected = "item 7")]
    fn a_panic_keeps_its_message() {
        let items: Vec<u64> = (0..20).collect();
        in_parallel(&items, |item| assert_ne!(*item, 7, "item {item}"));
    }
}
