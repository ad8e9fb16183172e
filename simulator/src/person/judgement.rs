//! How far a judgement errs: by what is asked for, the form of the profile, and who the person is.

use super::knowledge::{Form, Knowledge};
use super::prompt::Kind;
use crate::traits::{Trait, Traits, Weighted};

/// The error of a module that has read a backstory about an average person: the standard deviation of the error in an
/// option's log weight. Chosen so that the three modules disagree on about a third of the questions.
pub(super) const SIGMA: f64 = 0.2;

/// What is added where an answer is given at once, without a perspective to think it over from.
const AT_ONCE: f64 = 0.45;

/// What is added about a list of questions and options, most of whose text is not about the person.
const LISTED: f64 = 0.6;

/// What is added about a person of average familiarity, and at most.
const UNFAMILIAR: f64 = 0.2;
const UNFAMILIAR_AT_MOST: f64 = 1.5;

/// How fast that grows: by this power of e for each standard deviation of familiarity.
const GROWTH: f64 = 1.6;

/// The people whom language models are known to imitate best: educated, well off, of liberal views (Santurkar et al. 2023,
/// "Whose opinions do language models reflect?"; Atari et al. 2023, "Which humans?"). With weights of length 1, so that
/// the sum is standard normal in the population.
const FAMILIAR: [Weighted; 3] = [(Trait::Education, 0.7), (Trait::Permissiveness, 0.6), (Trait::Income, 0.387)];

/// The standard deviation of the error in an option's log weight. Errors are independent, so their variances add up.
pub(super) fn sigma(kind: Kind, knowledge: &Knowledge) -> f64 {
    let at_once = match kind {
        Kind::FullInfo | Kind::Rag | Kind::NoCab | Kind::NoProfile => AT_ONCE,
        _ => 0.0,
    };
    let listed = match knowledge.form {
        Form::Listed => LISTED,
        Form::Told => 0.0,
    };
    let unfamiliar = UNFAMILIAR * (-GROWTH * familiarity(&knowledge.traits)).exp();
    let errors = [SIGMA, at_once, listed, unfamiliar.min(UNFAMILIAR_AT_MOST)];
    errors.iter().map(|error| error * error).sum::<f64>().sqrt()
}

/// How familiar a person is, in standard deviations; 0 for a person of whom nothing is known.
fn familiarity(traits: &Traits) -> f64 {
    FAMILIAR.iter().map(|&(each, weight)| weight * traits.mean(each)).sum()
}
