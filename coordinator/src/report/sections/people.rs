//! Which single people are predicted well and badly.

use super::super::document::{Block, Cell, Figure, Row, RowKind, Section, Table};
use super::super::lineup::{Lineup, LineupArm};
use crate::chart::{Heading, Histogram};
use crate::grouped::grouped;
use crate::results::{PeopleResults, Person};

/// The most arms of which the people are shown.
const MAX_ARMS: usize = 4;

/// The section; `None` where no run has results of people.
pub(crate) fn section(lineup: &Lineup<'_>) -> Option<Section> {
    let mut blocks = Vec::new();
    for (at, (arm, people)) in shown(lineup).into_iter().enumerate() {
        blocks.push(Block::Heading(arm.label.clone()));
        blocks.push(Block::Figure(histogram(lineup, arm, people, at)));
        for (id, title, list) in [
            ("best", "The people who are predicted best", &people.best),
            ("worst", "The people who are predicted worst", &people.worst),
        ] {
            let title = format!("{title}: {}{}", arm.label, arm.run.marks());
            blocks.extend(
                (!list.is_empty()).then(|| Block::Table(table(format!("people-{id}-{}", at + 1), title, list))),
            );
        }
    }
    let title = "People".to_owned();
    (!blocks.is_empty()).then_some(Section { id: "people", title, blocks })
}

fn shown<'l, 'a>(lineup: &'l Lineup<'a>) -> Vec<(&'l LineupArm<'a>, &'a PeopleResults)> {
    let found = lineup.methods().into_iter().filter_map(|arm| {
        let people = arm.run.people.iter().find(|people| people.arm == arm.results.arm)?;
        Some((arm, people))
    });
    found.take(MAX_ARMS).collect()
}

fn histogram(lineup: &Lineup<'_>, arm: &LineupArm<'_>, people: &PeopleResults, at: usize) -> Figure {
    let count: u64 = people.accuracy_histogram.iter().sum();
    let chart = Histogram {
        heading: Heading {
            title: format!("Accuracy of single people: {}", arm.label),
            warning: lineup.warning(),
            subtitle: format!("{} people", grouped(count)),
        },
        title: "accuracy".to_owned(),
        series: arm.series(),
        counts: people.accuracy_histogram.clone(),
    };
    let caption = format!("How many people are predicted with which accuracy by {}.", arm.label);
    Figure::new(format!("people-{}", at + 1), caption, |width| chart.draw(width))
}

fn table(id: String, title: String, people: &[Person]) -> Table {
    let mut about: Vec<&str> = Vec::new();
    for (column, _) in people.iter().flat_map(|person| &person.about) {
        if !about.contains(&column.as_str()) {
            about.push(column);
        }
    }
    let row = |person: &Person| {
        let mut cells = vec![Cell::text(person.respondent.to_string())];
        cells.extend(about.iter().map(|&column| {
            let found = person.about.iter().find(|(name, _)| name == column);
            found.map_or(Cell::Unknown, |(_, label)| Cell::text(label))
        }));
        cells.extend([Cell::Count(person.counted), Cell::score(Some(person.accuracy)), Cell::score(person.mae)]);
        Row { kind: RowKind::Ordinary, cells }
    };
    let columns = ["Respondent"].into_iter().chain(about.iter().copied()).chain(["Predictions", "Accuracy", "MAE"]);
    Table {
        id,
        title,
        columns: columns.map(str::to_owned).collect(),
        rows: people.iter().map(row).collect(),
        notes: vec!["A respondent is a row of the survey file; `valuesim show` tells all about one.".to_owned()],
        ..Table::default()
    }
}
