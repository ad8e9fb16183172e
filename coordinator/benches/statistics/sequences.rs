//! How often confidence sequences contain the population's mean at every sample size at once, and how soon they decide.

use valuesim_coordinator::statistics::{Bounds, Population, SequentialTest, Shown};

use crate::population::{Everybody, PEOPLE, Urn};
use crate::{Promises, REPETITIONS, count};

/// Looked at after each person, up to here.
const PEOPLE_ASKED: usize = 5000;

const ALWAYS: (f64, f64) = (0.95, 1.0);

pub(crate) fn measure(everybody: &Everybody, promises: &mut Promises) {
    let scores = &everybody.scores;
    let mean = scores.iter().sum::<f64>() / PEOPLE as f64;
    let covered = always_covers(|place| scores[place], mean, Bounds::SHARE);
    promises.share(&format!("sequence of scores, after each of {PEOPLE_ASKED} people"), covered, ALWAYS);
    let covered = always_covers(|place| everybody.answers[place], answers_mean(everybody), Bounds::SHARE);
    promises.share(
        &format!("sequence of answers to one question, after each of {PEOPLE_ASKED} people"),
        covered,
        ALWAYS,
    );
    let covered = always_covers(|place| everybody.differences[place][0], 0.0, Bounds::DIFFERENCE);
    promises.share(&format!("sequence of differences, after each of {PEOPLE_ASKED} people"), covered, ALWAYS);
    for gain in [0.01, 0.02, 0.05] {
        decides(everybody, gain, promises);
    }
}

fn answers_mean(everybody: &Everybody) -> f64 {
    everybody.answers.iter().sum::<f64>() / PEOPLE as f64
}

fn test(mean: f64, bounds: Bounds) -> SequentialTest {
    SequentialTest::new(mean, Population::Finite(PEOPLE as u64), bounds, 0.05)
}

fn always_covers(value: impl Fn(usize) -> f64, mean: f64, bounds: Bounds) -> usize {
    let mut urn = Urn::new(11);
    count(|_| {
        let mut test = test(mean, bounds);
        urn.draw(PEOPLE_ASKED).iter().all(|&place| {
            test.add(value(place)).expect("within bounds");
            test.shown().is_none()
        })
    })
}

/// A true gain must never be shown as a loss in more than the level; and how many people it takes to show it.
fn decides(everybody: &Everybody, gain: f64, promises: &mut Promises) {
    let (mut urn, mut asked, mut decided) = (Urn::new(12), 0, 0);
    let not_wrong = count(|_| {
        let mut test = test(0.0, Bounds::DIFFERENCE);
        let places = urn.draw(PEOPLE_ASKED);
        let after = places.iter().position(|&place| {
            test.add(everybody.differences[place][0] + gain).expect("within bounds");
            test.shown().is_some()
        });
        asked += after.map_or(PEOPLE_ASKED, |place| place + 1);
        decided += usize::from(test.shown() == Some(Shown::Above));
        test.shown() != Some(Shown::Below)
    });
    let (asked, decided) = (asked / REPETITIONS, decided as f64 / REPETITIONS as f64 * 100.0);
    let what = format!("gain of {gain}: shown in {decided:.0} %, {asked} people on average; never called a loss");
    promises.share(&what, not_wrong, ALWAYS);
}
