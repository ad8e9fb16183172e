//! Checks the models of an experiment, each and together.

use std::collections::BTreeSet;

use super::Experiment;
use crate::method::Behaviour;

/// The most models of one experiment: more than anyone compares, and few enough for their numbers in messages.
pub const MAX_MODELS: usize = 1_000;

/// What is said of answers that are constrained in behaviour `paper`.
const NOT_OF_THE_PAPER: &str = "answer_format is not for behaviour `paper`, whose program asks for text: leave it out";

/// What to do about a model whose price is not known.
const NO_PRICE: &str = "its price is unknown: say one with --price or `price`, bring a table with --prices, or run it with \
                        --price-unknown (`price_unknown = true`)";

impl Experiment {
    /// The problems of its models.
    pub(super) fn model_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut unless = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        let count = self.models.len();
        unless(count <= MAX_MODELS, format!("{count} models: expected at most {MAX_MODELS}; split the experiment"));
        let mut names = BTreeSet::new();
        for model in self.models.iter().take(MAX_MODELS) {
            unless(
                names.insert(&model.name),
                format!("model {:?} is listed twice: give each an `id` of its own", model.name),
            );
            for problem in model.problems(self.simulate.is_some()) {
                unless(false, problem);
            }
            let may_constrain = self.behaviour == Behaviour::Corrected || model.answer_format.is_usual();
            unless(may_constrain, format!("model {:?}: {NOT_OF_THE_PAPER}", model.name));
            // Unknown is never zero: whoever pays must have said that it is all right.
            let price_is_settled = self.simulate.is_some() || self.price_unknown || model.price.is_some();
            unless(price_is_settled, format!("model {:?}: {NO_PRICE}", model.name));
        }
        problems
    }
}
