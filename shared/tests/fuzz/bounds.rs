//! What reading a hostile input may take, and how many inputs are tried.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestRunner};

/// The size of the inputs that are made to take long. Unoptimised code gets less to do.
pub(crate) const HOSTILE_BYTES: usize = if cfg!(debug_assertions) { 4 << 10 } else { 1 << 20 };

/// The longest that a processor may be busy with one input. Whatever takes more than linear time takes minutes for
/// [`HOSTILE_BYTES`].
const MOST_TIME: Duration = Duration::from_secs(1);

/// The fewest cases of a target.
const FEWEST_CASES: u32 = 16;

/// Memory that may be in use at once while an input is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Bytes, whatever the input.
    pub(crate) fixed: usize,
    /// Bytes for each byte of the input.
    pub(crate) per_byte: usize,
}

/// Reads an input of `bytes` bytes, and panics where that takes more memory or time than it may.
pub(crate) fn bounded<T>(bytes: usize, memory: Memory, read: impl FnOnce() -> T) -> T {
    let mut outcome = None;
    let begun = processor_time();
    // The counter must be left in order also when `read` panics, because a failing case is then made smaller.
    let used = allocation_counter::measure(|| outcome = Some(catch_unwind(AssertUnwindSafe(read))));
    let took = processor_time().saturating_sub(begun);
    let value = outcome.expect("the counter calls what it measures").unwrap_or_else(|panic| resume_unwind(panic));
    let most = memory.fixed + memory.per_byte * bytes;
    assert!(used.bytes_max <= most as u64, "{} bytes of memory for {bytes} bytes, at most {most}", used.bytes_max);
    assert!(took <= MOST_TIME, "{took:?} for {bytes} bytes, at most {MOST_TIME:?}");
    value
}

/// How long this thread was on a processor, which does not depend on what else the machine does; where the system does
/// not say that, the time of the clock.
fn processor_time() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let said = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = said.and_then(|said| said.split(' ').next()?.parse().ok());
    nanoseconds.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

/// Tries `check` on inputs of `inputs`: one in `costs` of `VALUESIM_FUZZ_CASES`, which is 256 where it is not set.
///
/// The message of a failure shows the smallest input that fails.
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
