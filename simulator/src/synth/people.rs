//! Makes respondents: traits of the country and the person, leanings of each question, answers.

use valuesim_shared::codebook::Codebook;
use valuesim_shared::id::{Code, QUESTIONS};

use super::SynthRow;
use super::biography::Biography;
use super::chance::{Chance, Draw, Normals, single};
use super::gaps::Gaps;
use super::place::{self, Place};
use crate::traits::{Item, TRAITS, Trait, TraitModel};

/// The variance of a country's own leaning on a question, beside what its traits explain.
const COUNTRY_VARIANCE: f64 = 0.04;
/// How much people differ in carelessness, as the deviation of its logarithm.
const CARELESSNESS_SPREAD: f32 = 0.8;

/// Everything that respondents are made from.
#[derive(Debug)]
pub(super) struct People {
    places: Vec<Place>,
    choices: Vec<Option<Choice>>,
    gaps: Gaps,
    normals: Normals,
    /// How far a person's traits lie from the country's average: standard deviations by trait.
    spreads: [f32; TRAITS],
}

/// A question with options, ready for drawing answers fast.
#[derive(Debug)]
struct Choice {
    weights: Vec<(usize, f32)>,
    /// The leanings between neighbouring answers, ascending, and the answers' codes, one more.
    cuts: Vec<f32>,
    codes: Vec<Code>,
    /// The deviation of a person's own part of the leaning.
    own: f32,
    /// Each country's own leaning.
    countries: Vec<f32>,
}

impl People {
    /// The people who answer the questions of this codebook.
    pub(super) fn new(codebook: &Codebook) -> Self {
        let model = TraitModel::new(codebook);
        let places = place::places();
        let normals = Normals::new();
        let choices = codebook
            .questions()
            .iter()
            .map(|question| Some(Choice::new(question.id.index(), model.item(question.id)?, &places, &normals)))
            .collect();
        let gaps = Gaps::new(codebook, &places);
        let spreads = Trait::ALL.map(|each| single((1.0 - place::between(each)).sqrt()));
        Self { places, choices, gaps, normals, spreads }
    }

    /// The countries they live in, in the order of the file.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    /// The respondent with this number within the country at position `place`.
    pub(super) fn row(&self, place: usize, number: u32, chance: Chance) -> SynthRow {
        let here = &self.places[place];
        let traits = self.traits(here, chance);
        let mut codes = [Code(0); QUESTIONS];
        for (at, choice) in self.choices.iter().enumerate() {
            if let Some(choice) = choice {
                codes[at] = choice.answer(place, &traits, self.normals.draw(chance, Draw::Answer(at)));
            }
        }
        Biography { place: here, places: &self.places, traits: &traits, chance }.fill(&mut codes);
        self.gaps.cut(place, chance, self.carelessness(chance), &mut codes);
        SynthRow { country: here.country, codes, place, number, chance }
    }

    fn traits(&self, place: &Place, chance: Chance) -> [f32; TRAITS] {
        std::array::from_fn(|at| {
            single(place.traits[at]) + self.spreads[at] * self.normals.draw(chance, Draw::Trait(at))
        })
    }

    /// How often a person does not answer: log-normal with mean 1.
    fn carelessness(&self, chance: Chance) -> f32 {
        let deviate = self.normals.draw(chance, Draw::Carelessness);
        (CARELESSNESS_SPREAD * deviate - 0.5 * CARELESSNESS_SPREAD * CARELESSNESS_SPREAD).exp()
    }
}

impl Choice {
    fn new(at: usize, item: &Item, places: &[Place], normals: &Normals) -> Self {
        let country = single(COUNTRY_VARIANCE.sqrt());
        Self {
            weights: item.weights.iter().map(|&(each, weight)| (each.index(), single(weight))).collect(),
            cuts: item.answers.iter().map(|answer| single(answer.cut)).take(item.answers.len() - 1).collect(),
            codes: item.answers.iter().map(|answer| answer.code).collect(),
            own: single((1.0 - item.explained - COUNTRY_VARIANCE).max(0.0).sqrt()),
            countries: places.iter().map(|p| country * normals.draw(p.chance, Draw::Answer(at))).collect(),
        }
    }

    fn answer(&self, place: usize, traits: &[f32; TRAITS], deviate: f32) -> Code {
        let explained: f32 = self.weights.iter().map(|&(at, weight)| weight * traits[at]).sum();
        let leaning = explained + self.countries[place] + self.own * deviate;
        self.codes[self.cuts.iter().filter(|&&cut| cut < leaning).count()]
    }
}
