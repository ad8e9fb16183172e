//! Defines a run's results as `results.json` stores them: everything that reports are made of.
//!
//! The size of the file does not grow with the number of people: lists of people and groups are bounded.

mod arm;
mod breakdown;
mod calibration;
mod comparison;
mod layout;
mod measure;
mod missing;
mod modules;
mod people;
mod question;
mod rounds;
mod spend;

use serde::{Deserialize, Serialize};
use valuesim_shared::id::RunId;
use valuesim_shared::method::Behaviour;

use crate::call_dates::CallDates;
use crate::grouped::{counted, grouped};
use crate::statistics::Population;

pub use arm::{ArmResults, ArmScore, PersonMeans, Pooled, Score, WeightedMeans};
pub use breakdown::{Breakdown, Extremes, GroupArm, GroupDifference, GroupResults};
pub use calibration::{Calibration, CalibrationGroup};
pub use comparison::{Comparison, PairedTest, Power};
pub use measure::Measure;
pub use missing::Missing;
pub use modules::{Agreement, CoordinatorResults, HelpAndHarm, ModuleResults, ModuleScore};
pub use people::{PeopleResults, Person};
pub use question::{ByCountry, DistanceKind, DistributionSummary, QuestionArm, QuestionResults};
pub use rounds::{Rounds, RoundsAim, RoundsEnd, Saved};
pub use spend::{ModelSpend, StageTotals};

pub use crate::statistics::{Estimate, Interval, IntervalKind, NoInterval, Uncertainty, Verdict};

/// The version of `results.json`; readers refuse all others.
pub const RESULTS_VERSION: u16 = 3;

/// A group with fewer scored people is marked, and is not compared with others.
pub const MIN_GROUP_PEOPLE: u64 = 15;

/// The most groups of one column in `results.json`: enough for all countries.
pub const MAX_GROUPS: usize = 100;

/// The most people in a list of those who are predicted best or worst; half of all, if that is less.
pub const MAX_PEOPLE_LISTED: usize = 20;

/// A run's results. Scores are unrounded shares from 0 to 1; unknown values are null, never 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// [`RESULTS_VERSION`] of the writer.
    pub version: u16,
    /// Which run.
    pub run: RunId,
    /// The run's title in its report.
    pub title: String,
    /// Which faults of the paper's code are reproduced, in calls and in scores.
    pub behaviour: Behaviour,
    /// Whether the replies came from the simulated provider.
    pub simulated: bool,
    /// Whether the survey is synthetic.
    pub synthetic_survey: bool,
    /// Whom the respondents represent; determines the intervals.
    pub population: Population,
    /// Cells of the plan.
    pub cells_planned: u64,
    /// Cells that are in the ledger.
    pub cells_finished: u64,
    /// Cells that were given up: they are among the dead letters, and no score includes them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cells_dead: u64,
    /// How the rounds ended, if people were asked in rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<Rounds>,
    /// What is scored, and what is missing in all scores.
    pub missing: Missing,
    /// Descriptions of what was run, for people.
    pub facts: Vec<String>,
    /// Why the paper's published figures must not stand beside this run's; empty if they may.
    pub published_elsewhere: Vec<String>,
    /// The column with the survey weights that `weighted` scores use.
    pub weights: Option<String>,
    /// Scores, in any order; tables show the arms that ask a model first. Other lists "in the order of the results' arms" have
    /// this order.
    pub arms: Vec<ArmResults>,
    /// Paired tests of each arm that asks a model against each baseline and against the other arms that ask a model.
    pub comparisons: Vec<Comparison>,
    /// What differences the sample can show, for each arm that asks a model against the best baseline.
    pub power: Vec<Power>,
    /// How each question with options was answered and predicted, in the order of the questionnaire.
    pub questions: Vec<QuestionResults>,
    /// Scores of groups of people, column by column.
    pub breakdowns: Vec<Breakdown>,
    /// Whether the scored people are like those of the file, column by column.
    pub calibration: Vec<Calibration>,
    /// How well single people are predicted.
    pub people: Vec<PeopleResults>,
    /// How often modules agree, and what the coordinator makes of them.
    pub modules: Vec<ModuleResults>,
    /// What a reader must know about the data and the scores, one sentence each.
    pub notes: Vec<String>,
    /// When the calls were made; `None` before the first cell is finished, or if an earlier build recorded cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_dates: Option<CallDates>,
    /// What the calls used, by model.
    pub spend: Vec<ModelSpend>,
    /// Where the numbers come from: versions, digests, prompts, prices; one line each, for people.
    pub provenance: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Why results cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// They are not valid JSON, or lack the fields of results.
    #[error("read results: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// They have another version.
    #[error(
        "the results have version {0}, this program reads version {RESULTS_VERSION}: use the release that wrote them"
    )]
    Version(u16),
}

impl Results {
    /// The results as `results.json` stores them.
    ///
    /// # Panics
    /// Never: all keys are text or names of categories and stages, and scores are finite.
    pub fn to_json(&self) -> String {
        layout::to_json(self)
    }

    /// Reads `results.json`; refuses other versions before it looks at the rest.
    pub fn from_json(json: &str) -> Result<Self, ResultsError> {
        #[derive(Deserialize)]
        struct Head {
            version: u16,
        }
        let head: Head = serde_json::from_str(json)?;
        if head.version != RESULTS_VERSION {
            return Err(ResultsError::Version(head.version));
        }
        Ok(serde_json::from_str(json)?)
    }

    /// The arms that ask a model.
    pub fn model_arms(&self) -> impl Iterator<Item = &ArmResults> {
        self.arms.iter().filter(|results| results.arm.model.is_some())
    }

    /// The arms that ask no model.
    pub fn no_model_arms(&self) -> impl Iterator<Item = &ArmResults> {
        self.arms.iter().filter(|results| results.arm.model.is_none())
    }

    /// Warnings that must precede any display of these results.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        warnings.extend(self.not_real().map(str::to_owned));
        if self.cells_dead > 0 {
            let (dead, run) = (counted(self.cells_dead, "DEAD CELL", "DEAD CELLS"), &self.run);
            warnings.push(format!(
                "FINISHED WITH {dead}: no score includes what is missing; `valuesim dead list {run}` shows why"
            ));
        }
        if self.cells_finished + self.cells_dead < self.cells_planned {
            let (finished, planned) = (grouped(self.cells_finished), grouped(self.cells_planned));
            warnings.push(format!("UNFINISHED: {finished} of {planned} cells; run the same command again to continue"));
        }
        warnings
    }

    /// The suffix of its tables' titles if replies or survey are not real.
    pub fn marks(&self) -> &'static str {
        match (self.simulated, self.synthetic_survey) {
            (true, true) => " - SIMULATED - SYNTHETIC SURVEY",
            (true, false) => " - SIMULATED",
            (false, true) => " - SYNTHETIC SURVEY",
            (false, false) => "",
        }
    }

    fn not_real(&self) -> Option<&'static str> {
        match (self.simulated, self.synthetic_survey) {
            (true, true) => {
                Some("SIMULATED replies on a SYNTHETIC SURVEY: no number says anything about a model or about people")
            }
            (true, false) => Some("SIMULATED replies: no number of an arm says anything about a model"),
            (false, true) => Some("SYNTHETIC SURVEY: no number says anything about people"),
            (false, false) => None,
        }
    }
}
