//! Who was asked: whether the scored people are like those of the survey file.

use super::super::document::{Block, Cell, Figure, Row, RowKind, Section, Table};
use super::super::lineup::Lineup;
use crate::chart::{Axis, ChartRow, GroupedBars, Heading, Look, Series, Unit, Value};
use crate::grouped::grouped;
use crate::results::{Calibration, CalibrationGroup, Results};

/// A column with more groups has a table alone.
const MAX_GROUPS_OF_A_FIGURE: usize = 14;

/// The section; `None` where no run compares its people with the file.
pub(crate) fn section(lineup: &Lineup<'_>) -> Option<Section> {
    let mut blocks = Vec::new();
    for (at, run) in lineup.runs.iter().enumerate().filter(|(_, run)| !run.calibration.is_empty()) {
        if lineup.runs.len() > 1 {
            blocks.push(Block::Heading(format!("Run {}", run.run)));
        }
        for (place, calibration) in run.calibration.iter().enumerate() {
            let id = format!("sample-{}-{}", at + 1, place + 1);
            if calibration.groups.len() <= MAX_GROUPS_OF_A_FIGURE {
                blocks.push(Block::Figure(figure(lineup, calibration, format!("{id}-figure"))));
            }
            blocks.push(Block::Table(table(run, calibration, id)));
        }
    }
    let title = "The sample beside the survey file".to_owned();
    (!blocks.is_empty()).then_some(Section { id: "sample", title, blocks })
}

fn figure(lineup: &Lineup<'_>, calibration: &Calibration, id: String) -> Figure {
    let scored: u64 = calibration.groups.iter().map(|group| group.scored).sum();
    let file: u64 = calibration.groups.iter().map(|group| group.file).sum();
    let group = |group: &CalibrationGroup| ChartRow {
        label: group.label.clone(),
        values: vec![Some(Value::from(group.scored_share)), Some(Value::from(group.file_share))],
    };
    let chart = GroupedBars {
        heading: Heading {
            title: format!("Who was scored, by {}", calibration.title),
            warning: lineup.warning(),
            subtitle: format!("{} scored people, {} in the file", grouped(scored), grouped(file)),
        },
        axis: Axis { title: "share of people".to_owned(), unit: Unit::Percent, from_zero: true },
        series: vec![
            Series { label: "scored people".to_owned(), look: Look::Arm(0) },
            Series { label: "survey file".to_owned(), look: Look::NoModel(0) },
        ],
        groups: calibration.groups.iter().map(group).collect(),
    };
    let caption = format!("The scored people beside those of the survey file, by {}.", calibration.title);
    Figure::new(id, caption, |width| chart.draw(width))
}

fn table(run: &Results, calibration: &Calibration, id: String) -> Table {
    let row = |group: &CalibrationGroup| Row {
        kind: RowKind::Ordinary,
        cells: vec![
            Cell::text(&group.label),
            Cell::Count(group.scored),
            Cell::Share(group.scored_share),
            Cell::Count(group.file),
            Cell::Share(group.file_share),
        ],
    };
    Table {
        id,
        title: format!("The scored people and the survey file, by {}{}", calibration.title, run.marks()),
        columns: ["Group", "Scored", "Share of the scored", "In the file", "Share of the file"]
            .map(str::to_owned)
            .to_vec(),
        rows: calibration.groups.iter().map(row).collect(),
        notes: vec![format!(
            "{:.1} % of the scored people would have to be exchanged to have the file's shares.",
            calibration.distance * 100.0
        )],
        ..Table::default()
    }
}
