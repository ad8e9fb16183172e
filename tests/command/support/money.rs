//! What calls cost at the simulated provider, by its own count.

use valuesim_simulator::provider::Stats;

/// Prices of the tests, as `--price` takes them: nano-dollars for an input and an output token are a thousandth of it.
pub(crate) const PRICE: &str = "1,2";

/// What the provider charges at [`PRICE`], in nano-dollars. What was cut off on its way is charged, too, as the dearer kind.
pub(crate) fn charged(stats: &Stats) -> u64 {
    stats.tokens.input * 1000 + stats.tokens.output * 2000 + stats.tokens.lost * 2000
}
