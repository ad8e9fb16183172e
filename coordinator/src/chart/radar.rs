//! The radar: one polygon for each series over some categories.

use std::f64::consts::TAU;

use super::heading::{Heading, MARGIN, SMALL, Width, begin, legend};
use super::palette::class;
use super::scale::{Axis, Scale};
use super::series::{Look, Series, Value};
use super::svg::{Anchor, Svg};
use super::text_width::{text_width, wrapped};

/// A radar of categories.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Radar {
    /// What stands above it.
    pub(crate) heading: Heading,
    /// What its rings are; they begin at 0.
    pub(crate) axis: Axis,
    /// The categories, clockwise from the top.
    pub(crate) categories: Vec<String>,
    /// The series, each with a value for each category, where there is one.
    pub(crate) series: Vec<(Series, Vec<Option<f64>>)>,
}

/// Where the rings are.
struct Rings {
    centre: (f64, f64),
    radius: f64,
    spokes: usize,
    scale: Scale,
}

impl Rings {
    fn point(&self, spoke: usize, share: f64) -> (f64, f64) {
        let angle = TAU * spoke as f64 / self.spokes.max(1) as f64;
        (self.centre.0 + self.radius * share * angle.sin(), self.centre.1 - self.radius * share * angle.cos())
    }
}

impl Radar {
    /// Draws it.
    pub(crate) fn draw(&self, width: Width) -> Svg {
        let form = format!("Radar of {} in {} categories, rings from 0.", self.axis.title, self.categories.len());
        let (mut svg, y) = begin(&self.heading, &form, width);
        let series: Vec<Series> = self.series.iter().map(|(series, _)| series.clone()).collect();
        let y = legend(&mut svg, &series, width, y);
        let axis = Axis { from_zero: true, ..self.axis.clone() };
        let numbers = self.series.iter().flat_map(|(_, values)| values.iter().flatten().copied());
        let (radius, around) = if width == Width::Wide { (175.0, 24.0) } else { (105.0, 22.0) };
        let rings = Rings {
            centre: (width.pixels() / 2.0, y + around + radius),
            radius,
            spokes: self.categories.len(),
            scale: Scale::new(&axis, numbers, 4.0),
        };
        self.draw_rings(&mut svg, &rings);
        for (series, values) in &self.series {
            self.draw_series(&mut svg, &rings, series, values);
        }
        draw_numbers(&mut svg, &rings);
        svg.set_height(rings.centre.1 + radius + around + MARGIN);
        svg
    }

    fn draw_rings(&self, svg: &mut Svg, rings: &Rings) {
        for (value, _) in rings.scale.ticks() {
            let share = rings.scale.share(value);
            let ring: Vec<_> = (0..rings.spokes).map(|spoke| rings.point(spoke, share)).collect();
            if share > 0.0 && ring.len() > 2 {
                svg.polygon("grid", &ring, true);
            }
        }
        for (spoke, category) in self.categories.iter().enumerate() {
            svg.line("grid", rings.centre, rings.point(spoke, 1.0));
            draw_category(svg, rings, spoke, category);
        }
    }

    fn draw_series(&self, svg: &mut Svg, rings: &Rings, series: &Series, values: &[Option<f64>]) {
        let known =
            values.iter().enumerate().filter_map(|(spoke, value)| Some((spoke, (*value).filter(|v| v.is_finite())?)));
        let points: Vec<_> =
            known.map(|(spoke, value)| (spoke, value, rings.point(spoke, rings.scale.share(value)))).collect();
        let corners: Vec<_> = points.iter().map(|(_, _, point)| *point).collect();
        let closed = corners.len() == values.len();
        let classes = if closed && matches!(series.look, Look::Arm(_)) { "area" } else { "line" };
        svg.polygon(&format!("{} {classes}", class(series.look)), &corners, closed);
        for (spoke, value, point) in points {
            let tooltip = format!("{}, {}: {}", self.categories[spoke], series.label, Value::from(value).words());
            svg.with_tooltip(&tooltip, |svg| svg.marker(series.look, point));
        }
    }
}

/// The rings' numbers, beside the first spoke.
fn draw_numbers(svg: &mut Svg, rings: &Rings) {
    for (value, label) in rings.scale.ticks() {
        let (x, y) = rings.point(0, rings.scale.share(value));
        svg.text("small muted", (x + 6.0, y + 4.0), Anchor::Start, &label);
    }
}

/// A category's name beyond the end of its spoke.
fn draw_category(svg: &mut Svg, rings: &Rings, spoke: usize, category: &str) {
    let (x, y) = rings.point(spoke, 1.0 + 14.0 / rings.radius);
    let side = x - rings.centre.0;
    let (anchor, room) = match side {
        side if side > 5.0 => (Anchor::Start, 2.0 * rings.centre.0 - MARGIN - x),
        side if side < -5.0 => (Anchor::End, x - MARGIN),
        _ => (Anchor::Middle, rings.centre.0),
    };
    let lines = wrapped(category, room.max(text_width("mm", SMALL)), SMALL, 2);
    let above = if y < rings.centre.1 { (lines.len() - 1) as f64 } else { 0.0 };
    for (at, line) in lines.iter().enumerate() {
        svg.text("small", (x, y + 4.0 + 13.0 * (at as f64 - above)), anchor, line);
    }
}
