//! The paragraph on methods that a paper needs, from what the run itself recorded.

use super::super::document::{Block, Section};
use super::super::lineup::{Lineup, LineupArm};
use crate::call_dates::CallDates;
use crate::grouped::grouped;
use crate::results::{Results, Rounds, StageTotals};
use crate::statistics::Population;
use crate::table::percent;

/// The section: a paragraph for each run to be quoted, and all that was recorded.
pub(crate) fn section(lineup: &Lineup<'_>) -> Section {
    let mut blocks = vec![Block::Paragraph("Ready to be quoted; what this program cannot know is marked.".to_owned())];
    for run in lineup.runs {
        if lineup.runs.len() > 1 {
            blocks.push(Block::Heading(format!("Run {}", run.run)));
        }
        blocks.push(Block::Quote(paragraph(run, lineup)));
        blocks.push(Block::List(run.facts.iter().chain(&run.notes).chain(&run.provenance).cloned().collect()));
    }
    Section { id: "methods", title: "Methods".to_owned(), blocks }
}

/// The paragraphs of all runs, for LaTeX.
pub(crate) fn paragraphs(lineup: &Lineup<'_>) -> String {
    lineup.runs.iter().map(|run| paragraph(run, lineup)).collect::<Vec<_>>().join(" ")
}

/// The releases that made these runs.
pub(super) fn program(runs: &[Results]) -> String {
    let mut found: Vec<&str> = Vec::new();
    for version in runs.iter().flat_map(|run| &run.provenance).filter_map(|line| line.strip_prefix("valuesim ")) {
        if !found.contains(&version) {
            found.push(version);
        }
    }
    found.join(", ")
}

fn paragraph(run: &Results, lineup: &Lineup<'_>) -> String {
    let arms: Vec<&LineupArm<'_>> = lineup.asking.iter().filter(|arm| arm.is_of(run)).collect();
    let sentences = [
        run.warnings().into_iter().map(|warning| format!("{warning}.")).collect::<Vec<_>>().join(" "),
        what_was_run(run),
        facts(run),
        run.rounds.iter().flat_map(Rounds::sentences).collect::<Vec<_>>().join(" "),
        coverage(&arms),
        scores(run),
        calls(run),
        prices(run),
        dates(run),
        digests(run),
    ];
    sentences.into_iter().filter(|sentence| !sentence.is_empty()).collect::<Vec<_>>().join(" ")
}

fn what_was_run(run: &Results) -> String {
    let people = run.arms.iter().map(|arm| arm.score.respondents).max().unwrap_or(0);
    format!(
        "We ran the ValueSim evaluation with valuesim {} (run {}, behaviour {}) on n = {} respondents; {} of {} cells of \
         respondent, fold and model were finished.",
        program(std::slice::from_ref(run)),
        run.run,
        run.behaviour,
        grouped(people),
        grouped(run.cells_finished),
        grouped(run.cells_planned),
    )
}

/// The facts of the run as sentences.
fn facts(run: &Results) -> String {
    let sentence = |fact: &String| {
        let mut letters = fact.chars();
        let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
        format!("{first}{}.", letters.as_str().replace('`', ""))
    };
    run.facts.iter().map(sentence).collect::<Vec<_>>().join(" ")
}

fn coverage(arms: &[&LineupArm<'_>]) -> String {
    let predictions: u64 = arms.iter().map(|arm| arm.results.score.predictions).sum();
    let shares = arms.iter().filter_map(|arm| arm.results.score.overall.coverage);
    let (least, most) =
        shares.fold((f64::INFINITY, 0.0_f64), |(least, most), share| (least.min(share), most.max(share)));
    if least > most {
        return String::new();
    }
    let [least, most] = [least, most].map(|share| percent(Some(share)));
    let range = if least == most { least } else { format!("between {least} and {most}, by arm") };
    format!("The {} predictions have a coverage (share of valid answers) of {range}.", grouped(predictions))
}

fn scores(run: &Results) -> String {
    let population = match run.population {
        Population::Finite(count) => format!(
            ", for the mean of the {} people from whom the respondents were drawn, with finite population correction",
            grouped(count)
        ),
        Population::Unlimited => String::new(),
    };
    format!(
        "Scores are means over respondents of each one's own score, with 95 % intervals over respondents{population}."
    )
}

fn calls(run: &Results) -> String {
    let mut all = StageTotals::NOTHING;
    for totals in run.spend.iter().flat_map(|model| model.stages.values()) {
        all.add(totals);
    }
    if all.requests == 0 {
        return String::new();
    }
    let cost = all.cost_nano_usd.map_or_else(|| "an unknown amount".to_owned(), |cost| cost.to_string());
    let reported = run.spend.iter().filter(|model| !run.simulated && !model.reported_models.is_empty());
    let reported: Vec<String> =
        reported.map(|model| format!("{} as {}", model.model, model.reported_models.join(", "))).collect();
    let reported =
        if reported.is_empty() { String::new() } else { format!(" Providers reported {}.", reported.join("; ")) };
    format!(
        "The models were called {} times ({} input tokens, {} of them from a cache; {} output tokens), for {cost}.{reported}",
        grouped(all.requests),
        grouped(all.input_tokens),
        grouped(all.cached_tokens),
        grouped(all.output_tokens),
    )
}

fn prices(run: &Results) -> String {
    let prices: Vec<&str> =
        run.provenance.iter().filter(|line| line.starts_with("price of ")).map(String::as_str).collect();
    if prices.is_empty() { String::new() } else { format!("Prices: {}.", prices.join("; ")) }
}

/// When the calls were made. Those of earlier builds are not known.
fn dates(run: &Results) -> String {
    match &run.call_dates {
        None => "The calls were made in [COMPLETE: dates].".to_owned(),
        Some(CallDates { first, last }) if first == last => {
            format!("All cells were finished on {first} (UTC).")
        }
        Some(CallDates { first, last }) => {
            format!("The cells were finished from {first} to {last} (UTC).")
        }
    }
}

fn digests(run: &Results) -> String {
    let digests = run.provenance.iter().filter(|line| line.contains("digest"));
    let digests: Vec<&str> = digests.map(String::as_str).collect();
    if digests.is_empty() {
        String::new()
    } else {
        format!("Inputs are identified by their digests: {}.", digests.join("; "))
    }
}
