//! Refusals that have nothing to do with the rate of calls: others use the same key, or the provider sheds load.

use crate::fleet::{Fleet, Setting};
use crate::provider::{Provider, Rule, Unrelated};

/// The calls in flight of each of eight workers, at 2.27 s a call: they come to about 3,000 and 600 calls a minute.
const CAPACITIES: [u32; 2] = [14, 3];

/// The calls that are answered from 120 s to 300 s by a provider without a limit.
fn answered(capacity: u32, seed: u64, names_limit: bool, unrelated: Option<Unrelated>) -> u64 {
    let mut provider = Provider::new(Rule::Window, None, None);
    provider.unrelated = unrelated;
    // Seeds that are close to each other would begin with small random numbers.
    let seed = seed * 7_919 * 104_729;
    let setting = Setting { capacity, names_limit, seed, ..Setting::default() };
    Fleet::new(setting, provider).run().provider.between(120_000.0, 300_000.0).0
}

/// The shares of the demand that are answered, for some seeds, the least first.
fn shares(capacity: u32, unrelated: Unrelated) -> Vec<f64> {
    let demand = answered(capacity, 1, true, None) as f64;
    let share = |seed: u64| answered(capacity, seed, seed.is_multiple_of(2), Some(unrelated)) as f64 / demand;
    let mut shares: Vec<f64> = (1..=12).map(share).collect();
    shares.sort_by(f64::total_cmp);
    shares
}

#[test]
fn refusals_that_follow_no_limit_hold_no_run_down() {
    for capacity in CAPACITIES {
        for share in [0.005, 0.02, 0.05] {
            let found = shares(capacity, Unrelated { share, retry_after_ms: None });
            assert!(found[0] >= 0.7 && found[2] >= 0.95, "{capacity} calls in flight, {share}: {found:.2?}");
        }
    }
}

/// Each asks all workers to wait for a second, and one call shows whether that has helped: three seconds of no calls.
#[test]
fn refusals_that_follow_no_limit_and_ask_for_a_pause_cost_the_pauses() {
    for (capacity, share, least) in [(14, 0.005, 0.5), (14, 0.02, 0.4), (3, 0.005, 0.7), (3, 0.02, 0.6)] {
        let found = shares(capacity, Unrelated { share, retry_after_ms: Some(1_000) });
        assert!(found[2] >= least, "{capacity} calls in flight, {share}: {found:.2?}");
    }
}
