//! Draws charts as SVG: pure functions from values to text, on light and dark ground, for a page or a file of its own.
//!
//! Each form is a struct with what it shows, and `draw` for a wide or a narrow place. Colours come from one style sheet
//! ([`style_sheet`]), because a page with a strict policy allows one and programs that turn SVG into PNG know no variables.
//! Labels are wrapped or cut off to the room that they have; the whole text is in the tooltip of its mark.

mod bars;
mod dots;
mod heading;
mod heat_map;
mod histogram;
mod lines;
mod palette;
mod radar;
mod rows;
mod scale;
mod series;
mod svg;
mod text_width;

pub(crate) use bars::GroupedBars;
pub(crate) use dots::DotPlot;
pub(crate) use heading::{Heading, Width};
pub(crate) use heat_map::HeatMap;
pub(crate) use histogram::Histogram;
pub(crate) use lines::{Lines, Panel};
pub(crate) use palette::style_sheet;
pub(crate) use radar::Radar;
pub(crate) use rows::ChartRow;
pub(crate) use scale::{Axis, Unit};
pub(crate) use series::{Look, Series, Value};
pub(crate) use svg::{Svg, escaped};

#[cfg(test)]
mod tests;
