//! Describes what is run, for the announcement and the report.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::{Experiment, PAPER_SEED, PAPER_USERS, Sample, SplitSettings, Users};
use valuesim_shared::id::Country;
use valuesim_shared::survey::{AsRead, Release, Survey};

use crate::grouped::{counted, grouped};
use crate::plan::Plan;

/// The facts of an experiment, one line each; the report uses the same lines.
pub fn facts(experiment: &Experiment, plan: &Plan, survey: &Survey, codebook: &Codebook) -> Vec<String> {
    let models: Vec<&str> = experiment.models.iter().map(|model| model.name.as_str()).collect();
    let methods: Vec<_> = experiment.methods.iter().map(|method| method.name()).collect();
    let simulated = if experiment.simulate.is_some() { " (SIMULATED: replies come from this program)" } else { "" };
    let mut facts = vec![survey_fact(experiment, survey), sample_fact(experiment, plan, survey)];
    facts.extend(strata_facts(experiment, plan, codebook));
    facts.push(folds_fact(experiment, plan));
    facts.extend(not_asked_fact(plan));
    facts.extend([
        format!("methods: {}, in behaviour `{}`", methods.join(", "), experiment.behaviour),
        format!("models: {}{simulated}", models.join(", ")),
    ]);
    facts
}

/// Why the paper's published figures must not stand beside this run's, a sentence each; none if they may.
pub(crate) fn published_elsewhere(experiment: &Experiment, plan: &Plan, survey: &Survey) -> Vec<String> {
    let papers = SplitSettings::default();
    let reasons = [
        (survey.is_synthetic(), "the survey is synthetic"),
        (experiment.simulate.is_some(), "the replies are simulated"),
        (
            experiment.split.seed != papers.seed || experiment.split.folds != papers.folds,
            "the questions are split in another way than the paper's",
        ),
        (plan.folds().len() < usize::from(experiment.split.folds), "not all folds were run"),
    ];
    reasons.into_iter().filter(|(applies, _)| *applies).map(|(_, reason)| reason.to_owned()).collect()
}

fn people(count: usize) -> String {
    counted(count as u64, "respondent", "respondents")
}

fn survey_fact(experiment: &Experiment, survey: &Survey) -> String {
    let rows = people(survey.respondents());
    match &experiment.survey.file {
        Some(file) => {
            let version = &survey.edition().version;
            let version =
                if version.is_empty() { "no version named".to_owned() } else { format!("version {version:?}") };
            format!("survey: {}, {rows}, {version}{}", file.display(), as_read(survey))
        }
        None => format!("survey: SYNTHETIC, {rows}, seed {}", experiment.survey.synthetic_seed),
    }
}

/// What was unusual about the survey file, each part after a semicolon.
fn as_read(survey: &Survey) -> String {
    let AsRead { separator, lines_above, ids_from, blanks } = survey.as_read();
    let extract = survey.extract_of().map(|rows| {
        let (here, all) = (grouped(survey.respondents() as u64), grouped(rows as u64));
        let release = survey.edition().release;
        format!("an extract: {here} of the {all} rows of {release}, so baselines and intervals are about these {here}")
    });
    let separator = separator.map(|separator| match separator {
        '\t' => "fields separated by tabs".to_owned(),
        other => format!("fields separated by `{other}`"),
    });
    let ids = ids_from.as_ref().map(|column| format!("respondents named by `{column}`"));
    let above = counted(*lines_above, "line above the header skipped", "lines above the header skipped");
    let blanks_text = counted(*blanks, "blank value taken as missing", "blank values taken as missing");
    let parts = [extract, ids, separator, (*lines_above > 0).then_some(above), (*blanks > 0).then_some(blanks_text)];
    std::iter::once(String::new()).chain(parts.into_iter().flatten()).collect::<Vec<_>>().join("; ")
}

fn sample_fact(experiment: &Experiment, plan: &Plan, survey: &Survey) -> String {
    let sample = &experiment.sample;
    let sampled = people(plan.respondents().len());
    let from = if sample.countries.is_empty() { String::new() } else { format!(" of {}", sample.countries.join(", ")) };
    if sample.is_in_rounds() {
        let (most, seed) = (grouped(plan.most_respondents()), sample.seed);
        let aim = aim(sample);
        return format!("sample: rounds of respondents{from}, at most {most}, drawn with seed {seed}, until {aim}");
    }
    let papers = survey.edition().release == Release::V6
        && survey.extract_of().is_none()
        && survey.as_read().ids_from.is_none()
        && sample.seed == PAPER_SEED
        && sample.users == Some(Users::Count(PAPER_USERS))
        && sample.countries.is_empty()
        && sample.stratify.is_none();
    match sample.users {
        None => format!("sample: the {sampled} listed{from}"),
        Some(Users::All) => format!("sample: all {sampled}{from}"),
        Some(Users::Count(_)) if papers => format!("sample: the paper's {sampled} (seed {PAPER_SEED})"),
        Some(Users::Count(_)) => format!("sample: {sampled}{from}, drawn with seed {}", sample.seed),
    }
}

/// What strata mean for scores.
const STRATA: &str = "strata: scores, and tests between arms, count each country by its people in the file; groups and single \
                      questions count every person alike";

/// How a stratified sample is spread, and what that means for intervals.
fn strata_facts(experiment: &Experiment, plan: &Plan, codebook: &Codebook) -> Vec<String> {
    if plan.strata().is_empty() {
        return Vec::new();
    }
    let allocation = experiment.sample.allocation.unwrap_or_default();
    let alpha =
        |country: Country| codebook.country(country).map_or_else(|| country.0.to_string(), |known| known.alpha.clone());
    let mut by_count: BTreeMap<Reverse<u32>, Vec<String>> = BTreeMap::new();
    for stratum in plan.strata() {
        by_count.entry(Reverse(stratum.drawn)).or_default().push(alpha(stratum.country));
    }
    let spread = by_count.iter().map(|(Reverse(drawn), countries)| format!("{drawn} of {}", countries.join(", ")));
    let spread = spread.collect::<Vec<_>>().join("; ");
    vec![format!("stratified by country, {} allocation: {spread}", allocation.name()), STRATA.to_owned()]
}

/// What the rounds are for.
fn aim(sample: &Sample) -> String {
    let Some(half_width) = sample.precision else {
        let arms: Vec<String> = sample.until_decided.iter().map(ToString::to_string).collect();
        return format!("one of {} is shown to be more accurate", arms.join(" and "));
    };
    let each = sample.precision_by.as_ref().map_or_else(String::new, |column| format!(" in each group of {column}"));
    format!("half of the 95 % t interval of each arm's accuracy{each} is at most {half_width}")
}

fn folds_fact(experiment: &Experiment, plan: &Plan) -> String {
    let folds: Vec<String> = plan.folds().iter().map(ToString::to_string).collect();
    let held_out = plan.folds().first().map_or(0, |&fold| plan.split().held_out(fold).len());
    let of = experiment.split.folds;
    let seed = experiment.split.seed;
    format!("folds: {} of {of}, each holds out {held_out} questions (seed {seed})", folds.join(", "))
}

/// Which questions are left out, if any are.
fn not_asked_fact(plan: &Plan) -> Option<String> {
    let not_asked: Vec<String> = plan.not_asked().iter().map(ToString::to_string).collect();
    let are =
        if not_asked.len() == 1 { "an open question, which never counts" } else { "open questions, which never count" };
    (!not_asked.is_empty()).then(|| format!("not asked: {} ({are} for a score)", not_asked.join(", ")))
}
