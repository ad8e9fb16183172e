//! How the rounds of a run ended that asked its people in rounds, and what that saved.

use serde::{Deserialize, Serialize};
use valuesim_shared::money::NanoUsd;

use crate::grouped::{counted, grouped};
use crate::score::Arm;
use crate::statistics::Interval;

pub use crate::ledger::RoundsEnd;

/// The rounds of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rounds {
    /// What they were for.
    pub aim: RoundsAim,
    /// How many there were.
    pub rounds: u32,
    /// The people of all rounds.
    pub persons: u64,
    /// The most people who could have been asked: the ceiling of `--users`, or everybody.
    pub persons_at_most: u64,
    /// The people from whom they were drawn.
    pub persons_in_all: u64,
    /// Why no further round followed; `None` while the run goes on.
    pub end: Option<RoundsEnd>,
    /// What was not spent, because not everybody was asked.
    pub saved: Saved,
}

/// What people were asked for in rounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum RoundsAim {
    /// Narrow intervals of all arms' accuracies.
    Precision {
        /// The half-width that each had to reach.
        half_width: f64,
        /// The widest half-width that was reached; `None` if an arm has no interval.
        reached: Option<f64>,
        /// The column whose groups each had to reach it; `None` for all people together.
        by: Option<String>,
    },
    /// Which of two arms is better.
    Decision {
        /// The two.
        arms: [Arm; 2],
        /// The mean difference of their accuracies; `None` if nobody has both.
        difference: Option<f64>,
        /// Its 95 % interval, which holds whenever the rounds stop.
        interval: Option<Interval>,
    },
}

/// What asking everybody would have taken on top, at the rate of those who were asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    /// People who were not asked.
    pub persons: u64,
    /// Calls to all models.
    pub calls: u64,
    /// What these calls would have cost, in billionths of a US dollar; `None` if a price is unknown.
    pub cost_nano_usd: Option<NanoUsd>,
}

impl Rounds {
    /// What happened, for people: a few sentences.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = vec![format!("{} {}", self.what_for(), self.how_it_ended())];
        sentences.extend(self.what_else_is_to_know());
        sentences.extend(self.what_was_saved());
        sentences
    }

    fn what_for(&self) -> String {
        let asked = format!(
            "{} of {} were asked, in {} that were to go on until",
            grouped(self.persons),
            counted(self.persons_in_all, "person", "people"),
            counted(self.rounds.into(), "round", "rounds")
        );
        match &self.aim {
            RoundsAim::Precision { half_width, by, .. } => {
                let of = by.as_ref().map_or_else(String::new, |column| format!(" in each group of {column}"));
                format!("{asked} half of the 95 % t interval of each arm's accuracy{of} was at most {half_width}.")
            }
            RoundsAim::Decision { arms: [one, other], .. } => {
                format!("{asked} {one} or {other} was shown to be more accurate than the other.")
            }
        }
    }

    fn how_it_ended(&self) -> String {
        let all = if self.persons_at_most < self.persons_in_all { "that were allowed" } else { "of the file" };
        match (&self.aim, self.end) {
            (_, None) => "The rounds have not ended.".to_owned(),
            (RoundsAim::Precision { reached, .. }, end) => {
                let widest = reached.map_or_else(|| "unknown".to_owned(), |reached| format!("{reached:.4}"));
                match end {
                    Some(RoundsEnd::NobodyIsLeft) => {
                        format!("All people {all} did not suffice: the widest is {widest}.")
                    }
                    _ => format!("The widest is {widest}."),
                }
            }
            (RoundsAim::Decision { arms: [one, other], difference, interval }, end) => {
                let difference = match (difference, interval) {
                    (Some(difference), Some(Interval { lower, upper, .. })) => {
                        format!(" The difference is {difference:+.4}, between {lower:+.4} and {upper:+.4}.")
                    }
                    _ => String::new(),
                };
                match end {
                    Some(RoundsEnd::FirstIsBetter) => format!("{one} is better.{difference}"),
                    Some(RoundsEnd::SecondIsBetter) => format!("{other} is better.{difference}"),
                    _ => format!("All people {all} were asked, and it is undecided.{difference}"),
                }
            }
        }
    }

    /// That people who look at other tests must know when these stopped.
    fn what_else_is_to_know(&self) -> Option<String> {
        let RoundsAim::Decision { arms: [one, other], .. } = &self.aim else { return None };
        Some(format!(
            "This interval and this decision hold although the rounds stopped on them (a 95 % confidence sequence for draws \
             without replacement); other tests and intervals of {one} and {other} do not account for that."
        ))
    }

    fn what_was_saved(&self) -> Option<String> {
        let Saved { persons, calls, cost_nano_usd } = self.saved;
        let (people, calls) = (counted(persons, "person", "people"), counted(calls, "call", "calls"));
        let what = match cost_nano_usd {
            Some(cost) => format!("{people}, about {calls} and {cost}"),
            None => format!("{people} and about {calls}"),
        };
        (persons > 0).then(|| format!("Against asking everybody that saved {what}."))
    }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::method::Method;

    use super::*;
    use crate::statistics::IntervalKind;

    fn rounds(aim: RoundsAim, end: Option<RoundsEnd>) -> Rounds {
        let saved = Saved { persons: 96_790, calls: 17_035_040, cost_nano_usd: Some(NanoUsd(12_340_000_000)) };
        Rounds { aim, rounds: 6, persons: 430, persons_at_most: 97_220, persons_in_all: 97_220, end, saved }
    }

    fn decision(end: Option<RoundsEnd>) -> Rounds {
        let interval = Interval { lower: 0.001, upper: 0.06, kind: IntervalKind::AlwaysValid };
        let arms = [Arm::with_model(Method::ValueSim, "m"), Arm::without_model(Method::Mode)];
        rounds(RoundsAim::Decision { arms, difference: Some(0.03), interval: Some(interval) }, end)
    }

    #[test]
    fn what_happened_reads_well() {
        let precision = |by: Option<&str>| RoundsAim::Precision {
            half_width: 0.01,
            reached: Some(0.009_87),
            by: by.map(str::to_owned),
        };
        let precise = rounds(precision(None), Some(RoundsEnd::Precise));
        let too_few = Rounds {
            persons_at_most: 430,
            saved: Saved { cost_nano_usd: None, ..precise.saved },
            ..rounds(precision(Some("Q260")), Some(RoundsEnd::NobodyIsLeft))
        };
        let nothing = Saved { persons: 0, calls: 0, cost_nano_usd: None };
        let undecided = Rounds { persons: 97_220, saved: nothing, ..decision(Some(RoundsEnd::NobodyIsLeft)) };
        let all = [precise, too_few, decision(Some(RoundsEnd::FirstIsBetter)), undecided];
        insta::assert_snapshot!(all.map(|rounds| rounds.sentences().join("\n")).join("\n\n"));
    }

    #[test]
    fn the_json_is_as_documented() {
        let json = serde_json::to_string(&decision(Some(RoundsEnd::SecondIsBetter))).expect("writes");
        insta::assert_snapshot!(json);
        assert_eq!(serde_json::from_str::<Rounds>(&json).expect("reads"), decision(Some(RoundsEnd::SecondIsBetter)));
    }
}
