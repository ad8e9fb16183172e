//! How asking ended, how answers were decided, whether modules agree, and what the calls used.

use std::collections::BTreeMap;

use valuesim_shared::method::Module;
use valuesim_shared::outcome::{Decided, Ended};

use super::super::document::{Block, Cell, Row, RowKind, Section, Table};
use super::super::lineup::{Lineup, LineupArm};
use crate::results::{ModuleResults, Results, StageTotals};
use crate::table::label;

/// The section on coverage, decisions, modules and spend.
pub(crate) fn section(lineup: &Lineup<'_>) -> Section {
    let mut blocks = Vec::new();
    if !lineup.asking.is_empty() {
        let ended: Vec<&str> = Ended::ALL.into_iter().map(Ended::name).collect();
        let title = format!("How asking ended, in shares of all predictions{}", lineup.marks());
        blocks.push(Block::Table(shares(lineup, ("endings", title), &ended, |arm| &arm.results.score.endings)));
        let asked = Decided::ALL.into_iter().filter(|&decided| decided != Decided::WithoutModel);
        let decided: Vec<&str> = asked.map(Decided::name).collect();
        let title = format!("How answers were decided, in shares of all predictions{}", lineup.marks());
        blocks.push(Block::Table(shares(lineup, ("decisions", title), &decided, |arm| &arm.results.score.decisions)));
    }
    blocks.extend(modules(lineup).map(Block::Table));
    blocks.extend(coordinators(lineup).map(Block::Table));
    blocks.extend(spend(lineup).map(Block::Table));
    Section { id: "coverage", title: "Coverage, modules and cost".to_owned(), blocks }
}

fn shares(
    lineup: &Lineup<'_>,
    (id, title): (&str, String),
    names: &[&str],
    counts: impl for<'r> Fn(&LineupArm<'r>) -> &'r BTreeMap<String, u64>,
) -> Table {
    let row = |arm: &LineupArm<'_>| {
        let all = arm.results.score.predictions;
        let share = |name: &&str| {
            let count = counts(arm).get(*name).copied().unwrap_or(0);
            if all == 0 { Cell::Unknown } else { Cell::Share(count as f64 / all as f64) }
        };
        let cells = [Cell::text(&arm.label), Cell::Count(all)].into_iter().chain(names.iter().map(share)).collect();
        Row { kind: RowKind::Ordinary, cells }
    };
    let columns = ["Arm", "Predictions"].iter().chain(names).map(|&name| name.to_owned());
    Table {
        id: id.to_owned(),
        title,
        columns: columns.collect(),
        rows: lineup.asking.iter().map(row).collect(),
        ..Table::default()
    }
}

fn all_modules<'a>(lineup: &Lineup<'a>) -> impl Iterator<Item = (&'a Results, &'a ModuleResults)> {
    lineup.runs.iter().flat_map(|run| run.modules.iter().map(move |results| (run, results)))
}

fn share_of(count: u64, all: u64) -> Cell {
    if all == 0 { Cell::Unknown } else { Cell::Share(count as f64 / all as f64) }
}

/// How often the modules agree; `None` where no arm asks modules.
fn modules(lineup: &Lineup<'_>) -> Option<Table> {
    let columns = [
        "Arm",
        "Predictions",
        "All equal",
        "Two equal",
        "All differ",
        "One valid",
        "None valid",
        "Each alone: accuracy",
    ];
    let row = |(run, ModuleResults { arm, modules, agreement, .. }): (&Results, &ModuleResults)| {
        let counts =
            [agreement.all_equal, agreement.two_equal, agreement.all_differ, agreement.one_valid, agreement.none_valid];
        let all: u64 = counts.iter().sum();
        let alone: Vec<String> = modules
            .iter()
            .filter(|module| module.with_truth > 0)
            .map(|module| {
                format!("{} {:.3}", module_name(module.module), module.correct as f64 / module.with_truth as f64)
            })
            .collect();
        let mut cells = vec![Cell::text(name(lineup, run, arm)), Cell::Count(all)];
        cells.extend(counts.map(|count| share_of(count, all)));
        cells.push(Cell::text(alone.join(", ")));
        Row { kind: RowKind::Ordinary, cells }
    };
    let rows: Vec<Row> = all_modules(lineup).map(row).collect();
    (!rows.is_empty()).then(|| Table {
        id: "modules".to_owned(),
        title: format!("How the modules agree{}", lineup.marks()),
        columns: columns.map(str::to_owned).to_vec(),
        rows,
        ..Table::default()
    })
}

const fn module_name(module: Module) -> &'static str {
    match module {
        Module::Cognitive => "cognitive",
        Module::Affective => "affective",
        Module::Behavioral => "behavioral",
    }
}

fn name(lineup: &Lineup<'_>, run: &Results, arm: &crate::score::Arm) -> String {
    let is_it = |known: &&LineupArm<'_>| known.is_of(run) && known.results.arm == *arm;
    lineup.asking.iter().find(is_it).map_or_else(|| label(run, arm), |known| known.label.clone())
}

/// What the coordinator does; `None` where it is never asked.
fn coordinators(lineup: &Lineup<'_>) -> Option<Table> {
    let columns = [
        "Arm",
        "Asked",
        "Valid",
        "With the majority",
        "With the minority",
        "With one of three",
        "Own answer",
        "Against majority: helped",
        "Against majority: harmed",
        "Against mean: helped",
        "Against mean: harmed",
    ];
    let row = |(run, results): (&Results, &ModuleResults)| {
        let did = results.coordinator?;
        let mut cells = vec![Cell::text(name(lineup, run, &results.arm)), Cell::Count(did.asked)];
        cells.push(share_of(did.valid, did.asked));
        let followed = [did.followed_majority, did.followed_minority, did.followed_one, did.own_answer];
        cells.extend(followed.map(|count| share_of(count, did.valid)));
        for against in [did.against_majority, did.against_average] {
            cells.push(share_of(against.helped, against.compared));
            cells.push(share_of(against.harmed, against.compared));
        }
        Some(Row { kind: RowKind::Ordinary, cells })
    };
    let rows: Vec<Row> = all_modules(lineup).filter_map(row).collect();
    (!rows.is_empty()).then(|| Table {
        id: "coordinator".to_owned(),
        title: format!("What the coordinator call does where modules disagree{}", lineup.marks()),
        columns: columns.map(str::to_owned).to_vec(),
        rows,
        notes: vec![
            "Helped: it is right where the rule (the majority of the modules, or their mean rounded up) is wrong; harmed: the \
             other way round; in shares of the answers that can be compared."
                .to_owned(),
        ],
        ..Table::default()
    })
}

/// What the calls used; `None` where no call was made.
fn spend(lineup: &Lineup<'_>) -> Option<Table> {
    let columns = [
        "Model",
        "Stage",
        "Requests",
        "Failed",
        "Input tokens",
        "Cached",
        "Output tokens",
        "Cost",
        "Perhaps more",
        "At most",
    ];
    let mut rows = Vec::new();
    for run in lineup.runs {
        for model in &run.spend {
            let several = lineup.runs.len() > 1;
            let name = if several { format!("{} ({})", model.model, run.run) } else { model.model.clone() };
            rows.extend(model.stages.iter().map(|(stage, totals)| spend_row(&name, &stage.name(), totals)));
        }
    }
    (!rows.is_empty()).then(|| Table {
        id: "spend".to_owned(),
        title: format!("What the calls used{}", lineup.marks()),
        columns: columns.map(str::to_owned).to_vec(),
        rows,
        notes: vec![
            "Perhaps more: what the provider may also have charged for requests that were cut off, timed out, abandoned by a \
             process that ended, or answered without usage. At most: the same as an upper bound."
                .to_owned(),
        ],
        ..Table::default()
    })
}

fn spend_row(model: &str, stage: &str, totals: &StageTotals) -> Row {
    let money = |amount: Option<valuesim_shared::money::NanoUsd>| {
        amount.map_or(Cell::Unknown, |amount| Cell::text(amount.to_string()))
    };
    let cells = vec![
        Cell::text(model),
        Cell::text(stage),
        Cell::Count(totals.requests),
        Cell::Count(totals.failed),
        Cell::Count(totals.input_tokens),
        Cell::Count(totals.cached_tokens),
        Cell::Count(totals.output_tokens),
        money(totals.cost_nano_usd),
        money(totals.unsure_nano_usd),
        money(totals.unsure_at_most_nano_usd),
    ];
    Row { kind: RowKind::Ordinary, cells }
}
