//! Lays out charts whose rows have labels and share a horizontal axis.

use super::heading::{MARGIN, SMALL, TEXT, Width};
use super::scale::Scale;
use super::series::Value;
use super::svg::{Anchor, Svg};
use super::text_width::{text_width, wrapped};

/// The widest column of labels.
const MAX_LABEL_WIDTH: f64 = 210.0;

/// The height of a line of text.
const LINE: f64 = 15.0;

/// Charts that are higher than this have the axis' numbers above the rows too.
const HIGH: f64 = 480.0;

/// A labelled row of values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChartRow {
    /// Its label.
    pub(crate) label: String,
    /// A value for each series, where there is one.
    pub(crate) values: Vec<Option<Value>>,
}

/// What the rows need.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    /// Their labels.
    pub(super) labels: Vec<&'a str>,
    /// For each row how high its marks are.
    pub(super) marks: Vec<f64>,
    /// Room to the right of the axis for what stands beside the marks.
    pub(super) beside: f64,
    /// Whether the last row stands for all the others.
    pub(super) last_is_all: bool,
}

/// Where the rows and the axis are.
#[derive(Debug)]
pub(super) struct Frame {
    left: f64,
    right: f64,
    /// For each row the top of its marks.
    pub(super) tops: Vec<f64>,
    scale: Scale,
}

impl Frame {
    /// The position of a value on the axis.
    pub(super) fn x(&self, value: f64) -> f64 {
        self.left + (self.right - self.left) * self.scale.share(value)
    }

    /// Where the axis begins.
    pub(super) fn left(&self) -> f64 {
        self.left
    }
}

/// Draws labels, grid and axis below `y`, and ends the chart below them.
pub(super) fn draw(svg: &mut Svg, rows: &Rows<'_>, (scale, title): (Scale, &str), width: Width, y: f64) -> Frame {
    let layout = Layout::new(rows, width);
    let (left, right) = (MARGIN + layout.column, width.pixels() - MARGIN - rows.beside.max(8.0));
    let total: f64 =
        layout.labels.iter().zip(&rows.marks).map(|(lines, &marks)| layout.height(lines.len(), marks)).sum();
    let top = y + if total > HIGH { LINE + 4.0 } else { 2.0 };
    let mut frame = Frame { left, right, tops: Vec::new(), scale };
    let bottom = top + total;
    axis(svg, &frame, (top, bottom), title, total > HIGH);
    let mut at = top;
    for (row, (lines, &marks)) in layout.labels.iter().zip(&rows.marks).enumerate() {
        if rows.last_is_all && row + 1 == layout.labels.len() && row > 0 {
            svg.line("rule", (MARGIN, at), (right, at));
        }
        layout.draw_label(svg, lines, (at, marks));
        frame.tops.push(at + layout.above(lines.len(), marks));
        at += layout.height(lines.len(), marks);
    }
    svg.set_height(bottom + 2.0 * LINE + 14.0);
    frame
}

fn axis(svg: &mut Svg, frame: &Frame, (top, bottom): (f64, f64), title: &str, above_too: bool) {
    for (value, label) in frame.scale.ticks() {
        let x = frame.x(value);
        svg.line("grid", (x, top), (x, bottom));
        svg.text("small muted", (x, bottom + LINE), Anchor::Middle, &label);
        if above_too {
            svg.text("small muted", (x, top - 5.0), Anchor::Middle, &label);
        }
    }
    let middle = f64::midpoint(frame.left, frame.right);
    svg.text("small muted", (middle, bottom + 2.0 * LINE + 3.0), Anchor::Middle, title);
}

/// Where labels stand: in a column on the left, or on a narrow chart above their rows.
struct Layout {
    labels: Vec<Vec<String>>,
    column: f64,
    above_rows: bool,
}

impl Layout {
    const PADDING: f64 = 5.0;

    fn new(rows: &Rows<'_>, width: Width) -> Self {
        let widest = rows.labels.iter().map(|label| text_width(label, TEXT)).fold(0.0, f64::max);
        let above_rows = width == Width::Narrow && widest > 60.0;
        let (room, lines) = match width {
            Width::Narrow if above_rows => (width.pixels() - 2.0 * MARGIN, 2),
            Width::Narrow => (60.0, 1),
            Width::Wide => (MAX_LABEL_WIDTH, 2),
        };
        let labels: Vec<Vec<String>> = rows.labels.iter().map(|label| wrapped(label, room, TEXT, lines)).collect();
        let widths = labels.iter().flatten().map(|line| text_width(line, TEXT));
        let column = if above_rows { 6.0 } else { widths.fold(0.0, f64::max) + 12.0 };
        Self { labels, column, above_rows }
    }

    /// The height of a row whose label has this many lines.
    fn height(&self, lines: usize, marks: f64) -> f64 {
        let text = LINE * lines as f64;
        if self.above_rows { text + marks + 2.0 * Self::PADDING + 4.0 } else { marks.max(text) + 2.0 * Self::PADDING }
    }

    /// The space between the top of a row and that of its marks.
    fn above(&self, lines: usize, marks: f64) -> f64 {
        let text = LINE * lines as f64;
        if self.above_rows { Self::PADDING + text + 3.0 } else { Self::PADDING + (text - marks).max(0.0) / 2.0 }
    }

    fn draw_label(&self, svg: &mut Svg, lines: &[String], (top, marks): (f64, f64)) {
        let text = LINE * lines.len() as f64;
        let (x, anchor, first) = if self.above_rows {
            (MARGIN, Anchor::Start, top + Self::PADDING)
        } else {
            let height = self.height(lines.len(), marks);
            (MARGIN + self.column - 8.0, Anchor::End, top + (height - text) / 2.0)
        };
        for (at, line) in lines.iter().enumerate() {
            svg.text("", (x, first + LINE * at as f64 + SMALL - 0.5), anchor, line);
        }
    }
}
