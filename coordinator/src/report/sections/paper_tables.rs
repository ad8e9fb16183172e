//! Tables 1 to 4 of the paper for the run's own data: methods by category, and what parts of the method contribute.

use valuesim_shared::method::Method;

use super::super::document::{Block, Cell, Row, RowKind, Section, Table};
use super::super::lineup::{Lineup, LineupArm, Purpose};
use super::category_label::categories_and_all;
use crate::results::Measure;
use crate::table::{IntervalStyle, column_names, notes, papers_ablation, papers_chance};

/// The section with the tables of the paper.
pub(crate) fn section(lineup: &Lineup<'_>) -> Section {
    let mut blocks = Vec::new();
    for (measure, first) in [(Measure::Mae, 1), (Measure::Accuracy, 3)] {
        blocks.push(Block::Table(by_category(lineup, measure, Some(first))));
        blocks.extend(ablations(lineup, measure, first + 1).map(Block::Table));
    }
    if lineup.with_purpose(|purpose| purpose == Purpose::Ablation).is_empty() {
        blocks.push(Block::Paragraph(
            "Tables 2 and 4 of the paper compare `valuesim` with itself without its parts. They are made of runs with the \
             methods `no-cab`, `no-story` and `average`."
                .to_owned(),
        ));
    }
    let mut all: Vec<String> = Vec::new();
    for note in lineup.runs.iter().flat_map(|run| notes(run, IntervalStyle::Ends)) {
        all.extend((!all.contains(&note)).then_some(note));
    }
    blocks.push(Block::List(all));
    Section { id: "tables", title: "The tables of the paper".to_owned(), blocks }
}

/// Methods by category, as in Tables 1 and 3.
fn by_category(lineup: &Lineup<'_>, measure: Measure, number: Option<usize>) -> Table {
    let mut rows = Vec::new();
    for arm in lineup.methods() {
        rows.push(arm_row(arm, measure, RowKind::Ordinary));
        rows.extend(published_row(arm, measure));
    }
    let beside_the_paper = rows.iter().any(|row| row.kind == RowKind::Published);
    rows.extend(lineup.baselines().into_iter().map(|arm| arm_row(arm, measure, RowKind::WithoutModel)));
    if beside_the_paper {
        rows.extend(papers_chance(measure).map(|values| figures("paper: Chance", &values)));
    }
    Table {
        id: format!("{}-by-category", id(measure)),
        number,
        title: format!("{}{}", measure.title(), lineup.marks()),
        columns: columns(),
        rows,
        notes: Vec::new(),
    }
}

/// Every arm by category, for arms that Tables 1 and 3 leave out.
pub(crate) fn every_arm(lineup: &Lineup<'_>, measure: Measure) -> Table {
    let rows = lineup.asking.iter().map(|arm| arm_row(arm, measure, RowKind::Ordinary));
    let baselines = lineup.baselines().into_iter().map(|arm| arm_row(arm, measure, RowKind::WithoutModel));
    Table {
        id: format!("{}-of-every-arm", id(measure)),
        title: format!("Every arm by category: {}{}", measure.name(), lineup.marks()),
        columns: columns(),
        rows: rows.chain(baselines).collect(),
        ..Table::default()
    }
}

fn columns() -> Vec<String> {
    ["Arm"].into_iter().chain(column_names()).chain(["Coverage"]).map(str::to_owned).collect()
}

const fn id(measure: Measure) -> &'static str {
    match measure {
        Measure::Accuracy => "accuracy",
        Measure::Mae => "mae",
    }
}

fn arm_row(arm: &LineupArm<'_>, measure: Measure, kind: RowKind) -> Row {
    let score = &arm.results.score;
    let mut cells = vec![Cell::text(&arm.label)];
    cells.extend(categories_and_all().map(|category| {
        // A category without questions has no score, rather than the overall one.
        let own = category.is_none_or(|category| score.categories.contains_key(&category));
        Cell::score(own.then(|| score.score(category).headline(measure)).flatten())
    }));
    cells.push(Cell::share(score.overall.coverage));
    Row { kind, cells }
}

fn published_row(arm: &LineupArm<'_>, measure: Measure) -> Option<Row> {
    let (name, values) = arm.published(measure)?;
    Some(figures(&format!("paper: {name}"), &values))
}

/// A row of published figures, which have neither intervals nor a coverage.
pub(super) fn figures(label: &str, values: &[f64]) -> Row {
    let values = values.iter().map(|&value| Cell::score(Some(value)));
    let cells = [Cell::text(label)].into_iter().chain(values).chain([Cell::Unknown]).collect();
    Row { kind: RowKind::Published, cells }
}

/// `valuesim` beside itself without its parts, overall, a column for each model; `None` where no ablation was run.
fn ablations(lineup: &Lineup<'_>, measure: Measure, number: usize) -> Option<Table> {
    let arms = lineup.with_purpose(|purpose| purpose == Purpose::Ablation);
    let mut models: Vec<String> = Vec::new();
    let mut methods: Vec<Method> = Vec::new();
    for arm in arms {
        let (model, method) = (lineup.model_name(arm), arm.results.arm.method);
        models.extend((!models.contains(&model)).then_some(model));
        methods.extend((!methods.contains(&method)).then_some(method));
    }
    if methods.is_empty() {
        return None;
    }
    let mut rows = Vec::new();
    for method in [Method::ValueSim].into_iter().chain(methods) {
        rows.push(method_row(lineup, &models, method, measure));
        rows.extend(papers_ablation_row(lineup, &models, method, measure));
    }
    rows.extend(lineup.baselines().into_iter().map(|arm| {
        let same = models.iter().map(|_| Cell::score(arm.headline(measure)));
        Row { kind: RowKind::WithoutModel, cells: [Cell::text(&arm.label)].into_iter().chain(same).collect() }
    }));
    Some(Table {
        id: format!("{}-of-ablations", id(measure)),
        number: Some(number),
        title: format!("What parts of the method contribute: {} over all questions{}", measure.name(), lineup.marks()),
        columns: ["Method".to_owned()].into_iter().chain(models).collect(),
        rows,
        notes: vec![
            "The paper's figures of ablations are of fold 5 alone: compare them with a run of that fold (`--folds 5`)."
                .to_owned(),
        ],
    })
}

fn method_row(lineup: &Lineup<'_>, models: &[String], method: Method, measure: Measure) -> Row {
    let of = |model: &String| {
        let is_it = |arm: &&LineupArm<'_>| arm.results.arm.method == method && lineup.model_name(arm) == *model;
        Cell::score(lineup.asking.iter().find(is_it).and_then(|arm| arm.headline(measure)))
    };
    let simulated = if lineup.runs.iter().any(|run| run.simulated) { " SIMULATED" } else { "" };
    let label = Cell::text(format!("{method}{simulated}"));
    Row { kind: RowKind::Ordinary, cells: [label].into_iter().chain(models.iter().map(of)).collect() }
}

fn papers_ablation_row(lineup: &Lineup<'_>, models: &[String], method: Method, measure: Measure) -> Option<Row> {
    if lineup.runs.iter().any(|run| !run.published_elsewhere.is_empty()) {
        return None;
    }
    let values: Vec<Option<f64>> = models.iter().map(|model| papers_ablation(measure, method, model)).collect();
    if values.iter().all(Option::is_none) {
        return None;
    }
    let cells = values.into_iter().map(Cell::score);
    let label = Cell::text(format!("paper: {method}"));
    Some(Row { kind: RowKind::Published, cells: [label].into_iter().chain(cells).collect() })
}
