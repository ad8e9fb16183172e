//! The dot plot: rows with one marker and its interval for each series.

use super::heading::{Heading, Width, begin, legend};
use super::palette::class;
use super::rows::{self, ChartRow, Frame, Rows};
use super::scale::{Axis, Scale};
use super::series::Series;
use super::svg::Svg;

/// The distance between the markers of a row.
const DISTANCE: f64 = 10.0;

/// A dot plot with whiskers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DotPlot {
    /// What stands above it.
    pub(crate) heading: Heading,
    /// The axis of the values.
    pub(crate) axis: Axis,
    /// The series, in the order in which they stand in a row.
    pub(crate) series: Vec<Series>,
    /// The rows.
    pub(crate) rows: Vec<ChartRow>,
    /// Whether the last row stands for all the others.
    pub(crate) last_is_all: bool,
}

impl DotPlot {
    /// Draws it.
    pub(crate) fn draw(&self, width: Width) -> Svg {
        let form = format!("Dot plot of {} in {} rows; whiskers are intervals.", self.axis.title, self.rows.len());
        let (mut svg, y) = begin(&self.heading, &form, width);
        let y = legend(&mut svg, &self.series, width, y);
        let numbers = self.rows.iter().flat_map(|row| row.values.iter().flatten().flat_map(|value| value.numbers()));
        let scale = Scale::new(&self.axis, numbers, if width == Width::Wide { 8.0 } else { 4.0 });
        let rows = Rows {
            labels: self.rows.iter().map(|row| row.label.as_str()).collect(),
            marks: vec![DISTANCE * self.series.len() as f64; self.rows.len()],
            beside: 0.0,
            last_is_all: self.last_is_all,
        };
        let frame = rows::draw(&mut svg, &rows, (scale, &self.axis.title), width, y);
        for (row, &top) in self.rows.iter().zip(&frame.tops) {
            self.draw_row(&mut svg, &frame, row, top);
        }
        svg
    }

    fn draw_row(&self, svg: &mut Svg, frame: &Frame, row: &ChartRow, top: f64) {
        for (at, (series, value)) in self.series.iter().zip(&row.values).enumerate() {
            let Some(value) = value.filter(|value| value.value.is_finite()) else { continue };
            let y = top + DISTANCE * (at as f64 + 0.5);
            svg.with_tooltip(&format!("{}, {}: {}", row.label, series.label, value.words()), |svg| {
                if let Some((lower, upper)) = value.interval {
                    let classes = format!("{} w", class(series.look));
                    svg.line(&classes, (frame.x(lower), y), (frame.x(upper), y));
                }
                svg.marker(series.look, (frame.x(value.value), y));
            });
        }
    }
}
