//! The heat map of a confusion: how often each option was predicted for people who gave each answer.

use super::heading::{Heading, MARGIN, SMALL, TEXT, Width, begin};
use super::svg::{Anchor, Svg};
use super::text_width::{fitted, text_width};

/// The height of a row.
const ROW: f64 = 26.0;

/// Narrower cells show no numbers.
const MIN_WIDTH_FOR_A_NUMBER: f64 = 30.0;

/// The confusion of the answers to one question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HeatMap {
    /// What stands above it.
    pub(crate) heading: Heading,
    /// The rows' labels: true answers.
    pub(crate) rows: Vec<String>,
    /// The columns' labels, short: codes of predicted answers.
    pub(crate) columns: Vec<String>,
    /// For each row the count of each column.
    pub(crate) counts: Vec<Vec<u64>>,
}

impl HeatMap {
    /// Draws it; a cell is as dark as its share of its row.
    pub(crate) fn draw(&self, width: Width) -> Svg {
        let form =
            format!("Heat map of {} true answers (rows) by {} predictions.", self.rows.len(), self.columns.len());
        let (mut svg, y) = begin(&self.heading, &form, width);
        let room = width.pixels() * 0.42;
        let widest = self.rows.iter().map(|label| text_width(label, TEXT)).fold(0.0, f64::max);
        let left = MARGIN + widest.min(room) + 10.0;
        let each = ((width.pixels() - MARGIN - left) / self.columns.len().max(1) as f64).min(74.0);
        let top = y + 34.0;
        svg.text("small muted", (left, y + 12.0), Anchor::Start, "predicted");
        svg.text("small muted", (left - 10.0, top - 6.0), Anchor::End, "true");
        for (at, label) in self.columns.iter().enumerate() {
            let middle = left + each * (at as f64 + 0.5);
            svg.text("small", (middle, top - 6.0), Anchor::Middle, &fitted(label, each - 2.0, SMALL));
        }
        for (at, (label, counts)) in self.rows.iter().zip(&self.counts).enumerate() {
            let y = top + ROW * at as f64;
            svg.text("", (left - 10.0, y + 17.0), Anchor::End, &fitted(label, room, TEXT));
            self.draw_row(&mut svg, label, counts, (left, y, each));
        }
        svg.set_height(top + ROW * self.rows.len() as f64 + MARGIN);
        svg
    }

    fn draw_row(&self, svg: &mut Svg, label: &str, counts: &[u64], (left, y, each): (f64, f64, f64)) {
        let all: u64 = counts.iter().sum();
        for (at, (column, &count)) in self.columns.iter().zip(counts).enumerate() {
            let x = left + each * at as f64;
            let share = if all == 0 { 0.0 } else { count as f64 / all as f64 };
            let tooltip = format!("true {label}, predicted {column}: {count} of {all} ({:.0} %)", share * 100.0);
            svg.with_tooltip(&tooltip, |svg| {
                let size = (each - 2.0, ROW - 2.0);
                svg.rectangle("grid ground", (x + 1.0, y + 1.0), size, 1.0);
                svg.rectangle("a0 flat", (x + 1.0, y + 1.0), size, share * 0.95);
                if each >= MIN_WIDTH_FOR_A_NUMBER && count > 0 {
                    let classes = if share > 0.5 { "small on" } else { "small" };
                    let text = format!("{:.0}", share * 100.0);
                    svg.text(classes, (x + each / 2.0, y + 17.0), Anchor::Middle, &text);
                }
            });
        }
    }
}
