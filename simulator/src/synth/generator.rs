//! Generates respondents: traits from country and person, leanings from traits, answers from leanings.

use valuesim_shared::codebook::Codebook;
use valuesim_shared::id::{Code, QUESTIONS};

use super::SynthRow;
use super::biography::Biography;
use super::countries::{self, CountryFacts};
use super::keyed_rng::{Draw, KeyedRng, NormalTable, single};
use super::missing::MissingAnswers;
use crate::traits::{Item, TRAITS, Trait, TraitModel};

/// The variance of a country's effect on the leaning of a question, in addition to its traits.
const COUNTRY_VARIANCE: f64 = 0.04;
/// The standard deviation of the logarithm of people's nonresponse.
const NONRESPONSE_SIGMA: f32 = 0.8;

/// Everything that generating respondents requires.
#[derive(Debug)]
pub(super) struct Generator {
    countries: Vec<CountryFacts>,
    choices: Vec<Option<ChoiceModel>>,
    missing: MissingAnswers,
    normals: NormalTable,
    /// The standard deviation of each trait within a country.
    spreads: [f32; TRAITS],
}

/// A question with options, prepared for drawing answers fast.
#[derive(Debug)]
struct ChoiceModel {
    weights: Vec<(usize, f32)>,
    /// The thresholds between neighbouring answers, ascending; one fewer than codes.
    thresholds: Vec<f32>,
    codes: Vec<Code>,
    /// The standard deviation of the leaning's residual.
    residual: f32,
    /// Each country's effect on the leaning.
    countries: Vec<f32>,
}

impl Generator {
    /// Generates answers to the questions of this codebook.
    pub(super) fn new(codebook: &Codebook) -> Self {
        let model = TraitModel::new(codebook);
        let countries = countries::countries();
        let normals = NormalTable::new();
        let choices = codebook
            .questions()
            .iter()
            .map(|question| Some(ChoiceModel::new(question.id.index(), model.item(question.id)?, &countries, &normals)))
            .collect();
        let missing = MissingAnswers::new(codebook, &countries);
        let spreads = Trait::ALL.map(|each| single((1.0 - countries::between_countries(each)).sqrt()));
        Self { countries, choices, missing, normals, spreads }
    }

    /// The countries in the order of the file.
    pub(super) fn countries(&self) -> &[CountryFacts] {
        &self.countries
    }

    /// The respondent with this number within the country at this position.
    pub(super) fn row(&self, country: usize, number: u32, rng: KeyedRng) -> SynthRow {
        let here = &self.countries[country];
        let traits = self.traits(here, rng);
        let mut codes = [Code(0); QUESTIONS];
        for (at, choice) in self.choices.iter().enumerate() {
            if let Some(choice) = choice {
                codes[at] = choice.answer(country, &traits, self.normals.draw(rng, Draw::Answer(at)));
            }
        }
        Biography { country: here, countries: &self.countries, traits: &traits, rng }.fill(&mut codes);
        self.missing.apply(country, rng, self.nonresponse(rng), &mut codes);
        SynthRow { country: here.code, codes, country_index: country, number, rng }
    }

    fn traits(&self, country: &CountryFacts, rng: KeyedRng) -> [f32; TRAITS] {
        std::array::from_fn(|at| {
            single(country.traits[at]) + self.spreads[at] * self.normals.draw(rng, Draw::Trait(at))
        })
    }

    /// The person's rate of missing answers relative to the average: log-normal with mean 1.
    fn nonresponse(&self, rng: KeyedRng) -> f32 {
        let deviate = self.normals.draw(rng, Draw::Nonresponse);
        (NONRESPONSE_SIGMA * deviate - 0.5 * NONRESPONSE_SIGMA * NONRESPONSE_SIGMA).exp()
    }
}

impl ChoiceModel {
    fn new(at: usize, item: &Item, countries: &[CountryFacts], normals: &NormalTable) -> Self {
        let country_effect = single(COUNTRY_VARIANCE.sqrt());
        Self {
            weights: item.weights.iter().map(|&(each, weight)| (each.index(), single(weight))).collect(),
            thresholds: item.answers[..item.answers.len() - 1].iter().map(|a| single(a.threshold)).collect(),
            codes: item.answers.iter().map(|answer| answer.code).collect(),
            residual: single((1.0 - item.explained - COUNTRY_VARIANCE).max(0.0).sqrt()),
            countries: countries.iter().map(|p| country_effect * normals.draw(p.rng, Draw::Answer(at))).collect(),
        }
    }

    fn answer(&self, country: usize, traits: &[f32; TRAITS], deviate: f32) -> Code {
        let explained: f32 = self.weights.iter().map(|&(at, weight)| weight * traits[at]).sum();
        let leaning = explained + self.countries[country] + self.residual * deviate;
        self.codes[self.thresholds.iter().filter(|&&threshold| threshold < leaning).count()]
    }
}
