//! A population like the survey's: 97,220 people with skewed scores, in groups, with survey weights.

/// As many as the survey has.
pub(crate) const PEOPLE: usize = 97_220;

/// How many arms are compared with the first, which is no different in the population's mean.
pub(crate) const ARMS: usize = 8;

/// How many groups there are, as countries.
pub(crate) const GROUPS: usize = 60;

/// Numbers that look random, the same in every run (Steele, Lea and Flood 2014, `SplitMix64`).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        bits ^ (bits >> 31)
    }

    /// From 0 to 1, both excluded.
    pub(crate) fn share(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        let place = (u128::from(self.next()) * end as u128) >> 64;
        usize::try_from(place).expect("below the end")
    }
}

/// What is known of everybody.
pub(crate) struct Everybody {
    /// Accuracies per person, from 0 to 1, skewed: Kumaraswamy's distribution with parameters 2 and 5.
    pub(crate) scores: Vec<f64>,
    /// Right answers to one hard question, which a twentieth know: 0 or 1.
    pub(crate) answers: Vec<f64>,
    /// How many of a person's answers count, from 20 to 290.
    pub(crate) counted: Vec<f64>,
    /// Differences of arms from the first, whose mean over everybody is zero.
    pub(crate) differences: Vec<[f64; ARMS]>,
    /// Survey weights.
    pub(crate) weights: Vec<f64>,
    /// Groups of equal chance.
    pub(crate) groups: Vec<usize>,
    /// The scores, moved so that the means of all groups are the same in the population.
    pub(crate) level_scores: Vec<f64>,
}

impl Everybody {
    pub(crate) fn new() -> Self {
        let mut random = Random::new(1);
        let scores: Vec<f64> = (0..PEOPLE).map(|_| (1.0 - random.share().powf(0.2)).sqrt()).collect();
        let answers = scores.iter().map(|score| f64::from(u8::from(random.share() < 0.16 * score))).collect();
        let counted = (0..PEOPLE).map(|_| (20.0 + 270.0 * random.share()).floor()).collect();
        let weights = (0..PEOPLE).map(|_| 0.3 + 2.0 * random.share().powi(2)).collect();
        let groups: Vec<usize> = (0..PEOPLE).map(|_| random.below(GROUPS)).collect();
        let mut differences: Vec<[f64; ARMS]> = scores.iter().map(|&score| difference(score, &mut random)).collect();
        for arm in 0..ARMS {
            let mean = differences.iter().map(|arms| arms[arm]).sum::<f64>() / PEOPLE as f64;
            for arms in &mut differences {
                arms[arm] -= mean;
            }
        }
        let level_scores = level(&scores, &groups);
        Self { scores, answers, counted, differences, weights, groups, level_scores }
    }
}

fn level(scores: &[f64], groups: &[usize]) -> Vec<f64> {
    let (mut sums, mut counts) = ([0.0; GROUPS], [0.0; GROUPS]);
    for (score, &group) in scores.iter().zip(groups) {
        sums[group] += score;
        counts[group] += 1.0;
    }
    let mean = sums.iter().sum::<f64>() / PEOPLE as f64;
    scores.iter().zip(groups).map(|(score, &group)| score + mean - sums[group] / counts[group]).collect()
}

/// Skewed, larger for high scores, and alike between arms, as these are compared with the same one.
fn difference(score: f64, random: &mut Random) -> [f64; ARMS] {
    let shared = random.share().powi(2);
    [(); ARMS].map(|()| 0.15 * (0.5 + score) * (shared + 2.0 * random.share().powi(2) - 1.0))
}

/// Samples without replacement from everybody.
pub(crate) struct Urn {
    places: Vec<usize>,
    random: Random,
}

impl Urn {
    pub(crate) fn new(seed: u64) -> Self {
        Self { places: (0..PEOPLE).collect(), random: Random::new(seed) }
    }

    /// The places of `people` people in random order.
    pub(crate) fn draw(&mut self, people: usize) -> &[usize] {
        for place in 0..people {
            let other = place + self.random.below(PEOPLE - place);
            self.places.swap(place, other);
        }
        &self.places[..people]
    }
}
