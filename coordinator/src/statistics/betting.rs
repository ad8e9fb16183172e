//! Bets on the mean of bounded values, one value after the other: who says that it is `m`, and is wrong, loses.
//!
//! If the mean is `m`, the capital of a fair game stays below 1/α at all times with chance 1 - α (Ville's inequality). The
//! game is the hedged capital process of Waudby-Smith and Ramdas (2020, Confidence sequences for sampling without
//! replacement; 2024, Estimating means of bounded random variables by betting, section 5).

use super::population::Population;

/// The largest share of its capital that a bet may lose.
const MAX_AT_RISK: f64 = 0.75;

/// The values so far, and how much to bet on the next: chosen before it is seen, so that the game stays fair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bettor {
    population: Population,
    alpha: f64,
    count: u64,
    sum: f64,
    /// Sum of squared distances of each value from the mean that was expected after it.
    squares: f64,
}

/// A bet on the next value, and what is left of the population to draw it from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Round {
    size: f64,
    population: Population,
    count: u64,
    sum: f64,
}

impl Bettor {
    /// A bettor about the mean of values from 0 to 1, at level `alpha`.
    pub(super) fn new(population: Population, alpha: f64) -> Self {
        Self { population, alpha, count: 0, sum: 0.0, squares: 0.0 }
    }

    /// The next bet: √(2 ln(2/α) / (σ² t ln(t + 1))), the predictable plug-in.
    pub(super) fn round(&self) -> Round {
        let t = (self.count + 1) as f64;
        let variance = (0.25 + self.squares) / t;
        let size = (2.0 * (2.0 / self.alpha).ln() / (variance * t * t.ln_1p())).sqrt();
        Round { size, population: self.population, count: self.count, sum: self.sum }
    }

    /// Between which means that of the population must lie, whatever those score who were not drawn yet. What bets cannot
    /// refute while some of a finite population are left, this does in the end.
    pub(super) fn possible_means(&self) -> (f64, f64) {
        match self.population {
            Population::Unlimited => (0.0, 1.0),
            Population::Finite(people) => {
                let everybody = people.max(self.count).max(1) as f64;
                (self.sum / everybody, (self.sum + everybody - self.count as f64) / everybody)
            }
        }
    }

    /// Learns a value from 0 to 1.
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        let mean = (0.5 + self.sum) / (self.count + 1) as f64;
        self.squares += (value - mean) * (value - mean);
    }
}

impl Round {
    /// The mean of those who were not drawn yet, if that of all is `mean`.
    fn expected(&self, mean: f64) -> f64 {
        match self.population {
            Population::Unlimited => mean,
            Population::Finite(people) => {
                (people as f64 * mean - self.sum) / people.saturating_sub(self.count).max(1) as f64
            }
        }
    }
}

/// The largest capital so far of two who doubt that the mean is `mean`: one says that it is more, one that it is less.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Capital {
    mean: f64,
    says_more: Purse,
    says_less: Purse,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Purse {
    now: f64,
    most: f64,
}

impl Purse {
    fn multiply(&mut self, factor: f64) {
        self.now *= factor;
        self.most = self.most.max(self.now);
    }
}

impl Capital {
    pub(super) fn new(mean: f64) -> Self {
        let purse = Purse { now: 1.0, most: 1.0 };
        Self { mean, says_more: purse, says_less: purse }
    }

    /// Plays a round, which came out as `value`.
    ///
    /// Each factor only falls (rises) with the mean in question, so that all smaller (larger) means are refuted with one. A
    /// mean that has become impossible is left to [`Bettor::possible_means`].
    pub(super) fn play(&mut self, round: &Round, value: f64) {
        let expected = round.expected(self.mean);
        let missing = 1.0 - expected;
        let is_possible = expected > 0.0 && missing > 0.0;
        if is_possible {
            self.says_more.multiply(1.0 + round.size.min(MAX_AT_RISK / expected) * (value - expected));
            self.says_less.multiply(1.0 - round.size.min(MAX_AT_RISK / missing) * (value - expected));
        }
    }

    /// Whether the mean is shown to be more, at level `alpha` for both sides together.
    pub(super) fn is_more(&self, alpha: f64) -> bool {
        self.says_more.most >= 2.0 / alpha
    }

    /// Whether the mean is shown to be less, at level `alpha` for both sides together.
    pub(super) fn is_less(&self, alpha: f64) -> bool {
        self.says_less.most >= 2.0 / alpha
    }
}
