//! Grouped bars: groups of horizontal bars, one for each series, with intervals.

use super::heading::{Heading, SMALL, Width, begin, legend};
use super::palette::class;
use super::rows::{self, ChartRow, Frame, Rows};
use super::scale::{Axis, Scale, Unit};
use super::series::{Look, Series, Value};
use super::svg::{Anchor, Svg};
use super::text_width::text_width;

/// The distance between the bars of a group, and their thickness.
const DISTANCE: f64 = 15.0;
const THICKNESS: f64 = 12.0;

/// Groups of bars, for few groups or for the two distributions of a question.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GroupedBars {
    /// What stands above it.
    pub(crate) heading: Heading,
    /// The axis of the values, which begins at 0.
    pub(crate) axis: Axis,
    /// The series, in the order in which they stand in a group.
    pub(crate) series: Vec<Series>,
    /// The groups; a series without a value takes no room in one.
    pub(crate) groups: Vec<ChartRow>,
}

impl GroupedBars {
    /// Draws it.
    pub(crate) fn draw(&self, width: Width) -> Svg {
        let form = format!("Bar chart of {} in {} groups.", self.axis.title, self.groups.len());
        let (mut svg, y) = begin(&self.heading, &form, width);
        let y = legend(&mut svg, &self.series, width, y);
        let numbers =
            self.groups.iter().flat_map(|group| group.values.iter().flatten().flat_map(|value| value.numbers()));
        let axis = Axis { from_zero: true, ..self.axis.clone() };
        let scale = Scale::new(&axis, numbers, if width == Width::Wide { 8.0 } else { 4.0 });
        let rows = Rows {
            labels: self.groups.iter().map(|group| group.label.as_str()).collect(),
            marks: self.groups.iter().map(|group| DISTANCE * group.values.iter().flatten().count() as f64).collect(),
            beside: text_width("0.000", SMALL) + 6.0,
            last_is_all: false,
        };
        let frame = rows::draw(&mut svg, &rows, (scale, &self.axis.title), width, y);
        for (group, &top) in self.groups.iter().zip(&frame.tops) {
            self.draw_group(&mut svg, &frame, group, top);
        }
        svg
    }

    fn draw_group(&self, svg: &mut Svg, frame: &Frame, group: &ChartRow, top: f64) {
        let known = self.series.iter().zip(&group.values).filter_map(|(series, value)| Some((series, (*value)?)));
        for (at, (series, value)) in known.enumerate().filter(|(_, (_, value))| value.value.is_finite()) {
            let y = top + DISTANCE * at as f64 + (DISTANCE - THICKNESS) / 2.0;
            svg.with_tooltip(&format!("{}, {}: {}", group.label, series.label, self.words(value)), |svg| {
                draw_bar(svg, frame, series.look, value, y);
                let end = value.numbers().fold(0.0, f64::max);
                let at = (frame.x(end) + 5.0, y + THICKNESS - 2.0);
                svg.text("small muted", at, Anchor::Start, &self.number(value.value));
            });
        }
    }

    fn words(&self, value: Value) -> String {
        if self.axis.unit == Unit::Score { value.words() } else { self.number(value.value) }
    }

    fn number(&self, value: f64) -> String {
        match self.axis.unit {
            Unit::Score if value < 1000.0 => format!("{value:.3}"),
            Unit::Score => format!("{value:.0e}"),
            Unit::Percent => format!("{:.0} %", value * 100.0),
            Unit::Count => format!("{value:.0}"),
        }
    }
}

fn draw_bar(svg: &mut Svg, frame: &Frame, look: Look, value: Value, y: f64) {
    let (left, end, middle) = (frame.left(), frame.x(value.value), y + THICKNESS / 2.0);
    let hollow = if matches!(look, Look::Published(_)) { " hollow" } else { "" };
    let opacity = if value.interval.is_some() { 0.75 } else { 1.0 };
    svg.rectangle(&(class(look) + hollow), (left, y), (end - left, THICKNESS), opacity);
    if let Some((lower, upper)) = value.interval {
        let (lower, upper) = (frame.x(lower), frame.x(upper));
        svg.line("truth w", (lower, middle), (upper, middle));
        for end in [lower, upper] {
            svg.line("truth w", (end, middle - 3.0), (end, middle + 3.0));
        }
    }
}
