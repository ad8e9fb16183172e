//! Whether the statistics keep what they promise, on samples from a population like the survey's: how often intervals cover
//! the population's value, and how often differences are found that are not there.
//!
//! `cargo bench -p valuesim-coordinator --bench statistics` takes less than a minute, and fails if a promise is not kept.

#![expect(clippy::print_stdout, reason = "a benchmark's figures are its output")]

mod coverage;
mod false_findings;
mod population;
mod sequences;

use population::Everybody;

/// Samples of each kind.
const REPETITIONS: usize = 1000;

fn main() {
    let everybody = Everybody::new();
    let mut promises = Promises::default();
    coverage::measure(&everybody, &mut promises);
    false_findings::measure(&everybody, &mut promises);
    sequences::measure(&everybody, &mut promises);
    promises.end();
}

/// What was promised, and found.
#[derive(Default)]
struct Promises {
    broken: usize,
}

impl Promises {
    /// A share of the repetitions that must lie within limits.
    fn share(&mut self, what: &str, count: usize, (from, to): (f64, f64)) {
        let share = count as f64 / REPETITIONS as f64;
        let is_kept = (from..=to).contains(&share);
        self.broken += usize::from(!is_kept);
        let mark = if is_kept { "" } else { "  BROKEN" };
        println!("{what:<76}{:>6.1} %  ({:.1} to {:.1} %){mark}", share * 100.0, from * 100.0, to * 100.0);
    }

    fn end(&self) {
        assert_eq!(self.broken, 0, "promises that were not kept");
    }
}

/// How often something holds.
fn count(mut holds: impl FnMut(usize) -> bool) -> usize {
    (0..REPETITIONS).filter(|&repetition| holds(repetition)).count()
}
