//! Writes the report of a run as Markdown.

use std::collections::BTreeMap;

use valuesim_shared::money::NanoUsd;
use valuesim_shared::outcome::{Decided, Ended, ReusedReplies};

use super::evaluation;
use super::markdown_table::table;
use super::words::{on_one_line, only_words};
use crate::grouped::grouped;
use crate::results::{ArmResults, Estimate, IntervalKind, Measure, NoInterval, Results, StageTotals, Uncertainty};
use crate::table::{
    Cell, IntervalStyle, Row, column_names, label, notes, number, percent, rows, rows_apart, without_a_model,
};

/// The report as Markdown.
pub fn markdown(results: &Results) -> String {
    let sections = [
        heading(results),
        what_was_run(results),
        scores(results),
        evaluation::comparisons(results),
        evaluation::groups(results),
        evaluation::distributions(results),
        evaluation::modules(results),
        evaluation::calibration(results),
        endings(results),
        decisions(results),
        spend(results),
        list("Provenance", &results.provenance),
        papers_figures(results),
    ];
    let sections: Vec<String> = sections.into_iter().filter(|section| !section.is_empty()).collect();
    only_words(&sections.join("\n\n")) + "\n"
}

fn heading(results: &Results) -> String {
    let mut lines = vec![format!("# {}{}", results.title, results.marks())];
    lines.extend(results.warnings().iter().map(|warning| format!("**{warning}.**")));
    lines.extend(without_a_model(results));
    lines.join("\n\n")
}

fn what_was_run(results: &Results) -> String {
    let mut facts = vec![
        format!("Run `{}`, behaviour `{}`", results.run, results.behaviour),
        format!(
            "{} of {} cells finished (a cell is one respondent, one fold, one model)",
            grouped(results.cells_finished),
            grouped(results.cells_planned)
        ),
    ];
    facts.extend(results.facts.iter().cloned());
    list("What was run", &facts)
}

fn list(heading: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let items: Vec<String> = lines.iter().map(|line| format!("- {}", on_one_line(line))).collect();
    format!("## {heading}\n\n{}", items.join("\n"))
}

fn scores(results: &Results) -> String {
    let mut parts = vec!["## Scores".to_owned()];
    for measure in Measure::ALL {
        parts.push(format!("### {}", measure.title()));
        parts.push(score_table(results, measure));
    }
    parts.push("### Pooled: all predictions weighted equally, as in the paper's code".to_owned());
    parts.push(pooled_table(results));
    parts.extend(notes(results, IntervalStyle::HalfWidth));
    parts.join("\n\n")
}

fn score_table(results: &Results, measure: Measure) -> String {
    let header = ["Arm"].into_iter().chain(column_names()).chain(["Coverage"]).map(str::to_owned);
    let rows = rows(results, measure).into_iter().map(|row| {
        let label = [row.label].into_iter();
        label.chain(row.cells.iter().map(with_interval)).chain([percent(row.coverage)]).collect()
    });
    table(header.collect(), rows.collect())
}

/// The paper's figures where they must not stand beside this run's.
fn papers_figures(results: &Results) -> String {
    let tables = Measure::ALL.map(|measure| (measure, rows_apart(results, measure)));
    if tables.iter().all(|(_, rows)| rows.is_empty()) {
        return String::new();
    }
    let reasons = results.published_elsewhere.join("; ");
    let mut parts = vec![format!(
        "## Appendix: the paper's figures\n\nThey do not stand beside this run's scores, because they cannot be compared: {reasons}."
    )];
    for (measure, rows) in tables {
        let header = ["Arm"].into_iter().chain(column_names()).map(str::to_owned).collect();
        let cells = |row: Row| [row.label].into_iter().chain(row.cells.iter().map(with_interval)).collect();
        parts.push(format!("### {}\n\n{}", measure.title(), table(header, rows.into_iter().map(cells).collect())));
    }
    parts.join("\n\n")
}

fn with_interval(cell: &Cell) -> String {
    let value = number(cell.value);
    match cell.uncertainty {
        Some(Uncertainty::Interval(interval)) if interval.kind == IntervalKind::StudentT => {
            format!("{value} ± {}", number(Some(interval.half_width())))
        }
        Some(Uncertainty::Interval(interval)) => {
            format!("{value} ({} to {})", number(Some(interval.lower)), number(Some(interval.upper)))
        }
        Some(Uncertainty::NoInterval(NoInterval::OnePerson | NoInterval::AllTheSame)) => format!("{value} ± -"),
        Some(Uncertainty::NoInterval(NoInterval::EveryoneWasAsked)) | None => value,
    }
}

fn pooled_table(results: &Results) -> String {
    let header = ["Arm", "Predictions", "With a truth", "Counted", "Accuracy", "MAE", "MAE, errors at most 1"];
    let row = |ArmResults { arm, score, .. }: &ArmResults| {
        let overall = &score.overall;
        vec![
            label(results, arm),
            grouped(score.predictions),
            grouped(overall.with_truth),
            grouped(overall.counted),
            estimate(overall.pooled.accuracy),
            estimate(overall.pooled.mae),
            number(overall.pooled.capped_mae),
        ]
    };
    table(header.map(str::to_owned).to_vec(), results.arms.iter().map(row).collect())
}

fn estimate(found: Option<Estimate>) -> String {
    with_interval(&found.map(Cell::from).unwrap_or_default())
}

/// How asking ended, arm by arm.
fn endings(results: &Results) -> String {
    let names: Vec<&str> = Ended::ALL.into_iter().map(Ended::name).collect();
    shares(results, "Coverage and its reasons", &names, |arm| &arm.score.endings)
}

/// How answers were decided, arm by arm.
fn decisions(results: &Results) -> String {
    let asked = Decided::ALL.into_iter().filter(|&decided| decided != Decided::WithoutModel);
    let names: Vec<&str> = asked.map(Decided::name).collect();
    shares(results, "How answers were decided", &names, |arm| &arm.score.decisions)
}

/// A table of counts and their shares for the arms that ask a model; empty if there is no such arm.
fn shares(
    results: &Results,
    heading: &str,
    names: &[&str],
    counts: impl Fn(&ArmResults) -> &BTreeMap<String, u64>,
) -> String {
    let header = ["Arm", "Predictions"].iter().chain(names).map(|&name| name.to_owned()).collect();
    let rows: Vec<Vec<String>> = results
        .model_arms()
        .map(|arm| {
            let all = arm.score.predictions;
            let share = |name: &&str| counted(counts(arm).get(*name).copied().unwrap_or(0), all);
            let coverage = [label(results, &arm.arm), grouped(all)];
            coverage.into_iter().chain(names.iter().map(share)).collect()
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("## {heading}\n\n{}", table(header, rows))
}

fn counted(count: u64, all: u64) -> String {
    if count == 0 {
        return "0".to_owned();
    }
    format!("{} ({})", grouped(count), percent(Some(count as f64 / all as f64)))
}

/// What the calls used, by model and stage.
fn spend(results: &Results) -> String {
    if results.spend.is_empty() {
        return String::new();
    }
    let header = [
        "Model",
        "Stage",
        "Requests",
        "Failed",
        "Abandoned",
        "Without usage",
        "Input tokens",
        "Cached",
        "Output tokens",
        "Cost",
        "Perhaps more",
        "At most",
    ];
    let mut rows = Vec::new();
    let mut all = StageTotals::NOTHING;
    for model in &results.spend {
        for (stage, totals) in &model.stages {
            rows.push(spend_row(&model.model, &stage.name(), totals));
            all.add(totals);
        }
    }
    rows.push(spend_row("all", "all", &all));
    let table = table(header.map(str::to_owned).to_vec(), rows);
    let mut reused = ReusedReplies::default();
    results.spend.iter().for_each(|model| reused.add(model.reused));
    let reused = if reused.is_nothing() {
        String::new()
    } else {
        let (replies, tokens) = (grouped(reused.replies), reused.tokens);
        let [input, output] = [tokens.input, tokens.output].map(grouped);
        format!(
            "\n\nAnother {replies} replies were kept by earlier runs and cost nothing here: {input} tokens in, {output} out then."
        )
    };
    let written = match all.cache_write_tokens {
        0 => String::new(),
        tokens => format!(" Of the input tokens, {} were written to the provider's cache.", grouped(tokens)),
    };
    format!(
        "## Spend\n\n{table}\n\n`Perhaps more`: what the provider may also have charged for requests that were cut off, timed \
         out, abandoned by a process that ended, or answered without usage; `At most`: the same as an upper bound.{written}{reused}{}",
        odd_replies(results)
    )
}

/// How many replies were odd, and how; empty if none was.
fn odd_replies(results: &Results) -> String {
    let mut all: BTreeMap<&str, u64> = BTreeMap::new();
    for (oddity, count) in results.spend.iter().flat_map(|model| &model.oddities) {
        *all.entry(oddity).or_default() += count;
    }
    if all.is_empty() {
        return String::new();
    }
    let listed: Vec<String> = all.iter().map(|(oddity, count)| format!("- {}: {oddity}", grouped(*count))).collect();
    format!("\n\nOdd replies, which were read as they are:\n\n{}", listed.join("\n"))
}

fn spend_row(model: &str, stage: &str, totals: &StageTotals) -> Vec<String> {
    vec![
        model.to_owned(),
        stage.to_owned(),
        grouped(totals.requests),
        grouped(totals.failed),
        grouped(totals.abandoned),
        grouped(totals.without_usage),
        grouped(totals.input_tokens),
        grouped(totals.cached_tokens),
        grouped(totals.output_tokens),
        money(totals.cost_nano_usd),
        money(totals.unsure_nano_usd),
        money(totals.unsure_at_most_nano_usd),
    ]
}

fn money(amount: Option<NanoUsd>) -> String {
    amount.map_or_else(|| "-".to_owned(), |amount| amount.to_string())
}
