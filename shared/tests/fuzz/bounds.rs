//! The time and memory allowed for hostile inputs, and the number of inputs tried.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};

/// The size of inputs meant to take long. Smaller without optimisation.
pub(crate) const HOSTILE_BYTES: usize = if cfg!(debug_assertions) { 4 << 10 } else { 1 << 20 };

/// The most processor time for one input. Anything slower than linear takes minutes for [`HOSTILE_BYTES`].
const MAX_TIME: Duration = Duration::from_secs(1);

/// The minimum number of cases of a target.
const FEWEST_CASES: u32 = 16;

/// The peak memory allowed while an input is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Bytes for any input.
    pub(crate) fixed: usize,
    /// Bytes for each byte of the input.
    pub(crate) per_byte: usize,
}

/// Reads an input of `bytes` bytes, and panics if that takes too much memory or time.
pub(crate) fn bounded<T>(bytes: usize, memory: Memory, read: impl FnOnce() -> T) -> T {
    let mut outcome = None;
    let begun = processor_time();
    // The counter must stay in order if `read` panics, because proptest then shrinks the failing case.
    let used = allocation_counter::measure(|| outcome = Some(catch_unwind(AssertUnwindSafe(read))));
    let took = processor_time().saturating_sub(begun);
    let value = outcome.expect("the counter calls its closure").unwrap_or_else(|panic| resume_unwind(panic));
    let most = memory.fixed + memory.per_byte * bytes;
    assert!(
        used.bytes_max <= most as u64,
        "{} bytes of memory for an input of {bytes} bytes, expected at most {most}",
        used.bytes_max
    );
    assert!(took <= MAX_TIME, "{took:?} for an input of {bytes} bytes, expected at most {MAX_TIME:?}");
    value
}

/// The processor time of this thread, which does not depend on the machine's load; wall-clock time if the system does not
/// provide it.
fn processor_time() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = schedstat.and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

/// Runs `check` on `VALUESIM_FUZZ_CASES` / `costs` inputs; the variable's default is 256.
///
/// A failure shows the smallest failing input.
pub(crate) fn fuzz<S: Strategy>(costs: u32, inputs: &S, check: impl Fn(S::Value))
where
    S::Value: Debug,
{
    let asked = std::env::var("VALUESIM_FUZZ_CASES").map_or(256, |cases| cases.parse().expect("a number of cases"));
    let cases = (asked / costs).max(FEWEST_CASES);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(inputs, |input| {
        check(input);
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
