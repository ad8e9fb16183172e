//! How often the modules agree, and what the coordinator makes of them.

use serde::{Deserialize, Serialize};
use valuesim_shared::method::Module;

use crate::score::Arm;

/// How the modules of one arm answered, and how their answers were decided, over the scored cells' predictions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleResults {
    /// The arm; only arms that ask modules are listed.
    pub arm: Arm,
    /// Each module that the arm asks.
    pub modules: Vec<ModuleScore>,
    /// How many modules gave a valid answer, and whether these agree.
    pub agreement: Agreement,
    /// What the coordinator did where it was asked; `None` for arms that never ask it.
    pub coordinator: Option<CoordinatorResults>,
}

/// One module on its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleScore {
    /// Which module.
    pub module: Module,
    /// Its valid answers.
    pub valid: u64,
    /// Those of them whose truth is known.
    pub with_truth: u64,
    /// Those of them that equal the truth.
    pub correct: u64,
}

/// How the modules' valid answers to a question agree. The counts add up to all predictions.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// At least two valid answers, all the same.
    pub all_equal: u64,
    /// Three valid answers, two of them the same.
    pub two_equal: u64,
    /// At least two valid answers, no two of them the same.
    pub all_differ: u64,
    /// One valid answer.
    pub one_valid: u64,
    /// No valid answer.
    pub none_valid: u64,
}

/// What the coordinator did with the modules' answers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoordinatorResults {
    /// How often it was asked.
    pub asked: u64,
    /// How often it gave a valid answer.
    pub valid: u64,
    /// Valid answers that equal the answer of two of three modules.
    pub followed_majority: u64,
    /// Valid answers that equal one module's against two others.
    pub followed_minority: u64,
    /// Valid answers, with no majority among the modules, that equal one module's.
    pub followed_one: u64,
    /// Valid answers that no module gave.
    pub own_answer: u64,
    /// Against the majority, where there is one and the truth is known.
    pub against_majority: HelpAndHarm,
    /// Against the mean of the modules' answers, rounded up, where the truth is known.
    pub against_average: HelpAndHarm,
}

/// The coordinator's answers against those that a rule would give.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HelpAndHarm {
    /// Answers that were compared.
    pub compared: u64,
    /// The coordinator is right and the rule is wrong.
    pub helped: u64,
    /// The coordinator is wrong and the rule is right.
    pub harmed: u64,
}
