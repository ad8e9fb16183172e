//! What the paper published, apart from what was run, and the arms that no table of the paper has.

use super::super::document::{Block, Cell, Row, RowKind, Section, Table};
use super::super::lineup::{Lineup, Purpose};
use super::paper_tables::{every_arm, figures};
use crate::results::Measure;
use crate::table::{column_names, papers_ablations, papers_rows};

/// The section.
pub(crate) fn section(lineup: &Lineup<'_>) -> Section {
    let mut blocks = Vec::new();
    if lineup.asking.iter().any(|arm| arm.purpose() != Purpose::Method) {
        blocks.extend(Measure::ALL.map(|measure| Block::Table(every_arm(lineup, measure))));
    }
    let mut reasons: Vec<String> = Vec::new();
    for reason in lineup.runs.iter().flat_map(|run| &run.published_elsewhere) {
        if !reasons.contains(reason) {
            reasons.push(reason.clone());
        }
    }
    let about = "The paper's published figures: 100 people, scored by the paper's code, which leaves out replies that it could \
                 not parse.";
    blocks.push(Block::Paragraph(about.to_owned()));
    if !reasons.is_empty() {
        blocks.push(Block::Paragraph("They do not stand beside this run's own, because:".to_owned()));
        blocks.push(Block::List(reasons));
    }
    for measure in [Measure::Mae, Measure::Accuracy] {
        blocks.push(Block::Table(by_category(measure)));
        blocks.push(Block::Table(ablations(measure)));
    }
    Section { id: "published", title: "What the paper published".to_owned(), blocks }
}

fn by_category(measure: Measure) -> Table {
    let rows = papers_rows(measure).into_iter().map(|(name, values)| {
        let mut row = figures(&name, &values);
        row.cells.pop();
        row
    });
    Table {
        id: format!("published-{}", measure.name().to_lowercase()),
        title: format!("Published: {} by category", measure.name()),
        columns: ["Method / model"].into_iter().chain(column_names()).map(str::to_owned).collect(),
        rows: rows.collect(),
        ..Table::default()
    }
}

fn ablations(measure: Measure) -> Table {
    let (models, methods) = papers_ablations(measure);
    let row = |(method, values): (&String, &Vec<f64>)| {
        let values = values.iter().map(|&value| Cell::score(Some(value)));
        Row { kind: RowKind::Published, cells: [Cell::text(method)].into_iter().chain(values).collect() }
    };
    Table {
        id: format!("published-{}-of-ablations", measure.name().to_lowercase()),
        title: format!("Published: {} of ablations over all questions of fold 5", measure.name()),
        columns: ["Method".to_owned()].into_iter().chain(models.iter().cloned()).collect(),
        rows: methods.iter().map(row).collect(),
        ..Table::default()
    }
}
