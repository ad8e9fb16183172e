//! The histogram: how many people have a score in each of some equal steps from 0 to 1.

use super::heading::{Heading, MARGIN, SMALL, Width, begin};
use super::palette::class;
use super::scale::{Axis, Scale, Unit};
use super::series::Series;
use super::svg::{Anchor, Svg};
use super::text_width::text_width;

const HEIGHT: f64 = 190.0;

/// A histogram of scores.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Histogram {
    /// What stands above it.
    pub(crate) heading: Heading,
    /// What the scores are.
    pub(crate) title: String,
    /// Whose scores they are.
    pub(crate) series: Series,
    /// How many there are in each step.
    pub(crate) counts: Vec<u64>,
}

impl Histogram {
    /// Draws it.
    pub(crate) fn draw(&self, width: Width) -> Svg {
        let form = format!("Histogram of {} in {} steps from 0 to 1.", self.title, self.counts.len());
        let (mut svg, y) = begin(&self.heading, &form, width);
        let axis = Axis { title: "people".to_owned(), unit: Unit::Count, from_zero: true };
        let scale = Scale::new(&axis, self.counts.iter().map(|&count| count as f64), 4.0);
        let numbers = scale.ticks().iter().map(|(_, label)| text_width(label, SMALL)).fold(0.0, f64::max);
        let (left, right, top) = (MARGIN + numbers + 8.0, width.pixels() - MARGIN - 6.0, y + 24.0);
        svg.text("small muted", (MARGIN, y + 10.0), Anchor::Start, "people");
        for (value, label) in scale.ticks() {
            let y = top + HEIGHT * (1.0 - scale.share(value));
            svg.line("grid", (left, y), (right, y));
            svg.text("small muted", (left - 6.0, y + 4.0), Anchor::End, &label);
        }
        self.draw_bars(&mut svg, &scale, (left, right, top));
        let bottom = top + HEIGHT;
        for tenth in (0..=10).step_by(if width == Width::Wide { 1 } else { 2 }) {
            let share = f64::from(tenth) / 10.0;
            let x = left + (right - left) * share;
            svg.text("small muted", (x, bottom + 16.0), Anchor::Middle, &format!("{share:.1}"));
        }
        svg.text("small muted", (f64::midpoint(left, right), bottom + 34.0), Anchor::Middle, &self.title);
        svg.set_height(bottom + 44.0);
        svg
    }

    fn draw_bars(&self, svg: &mut Svg, scale: &Scale, (left, right, top): (f64, f64, f64)) {
        let steps = self.counts.len().max(1) as f64;
        let each = (right - left) / steps;
        for (at, &count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let height = HEIGHT * scale.share(count as f64);
            let (from, to) = (at as f64 / steps, (at + 1) as f64 / steps);
            svg.with_tooltip(&format!("{from:.2} to {to:.2}: {count}"), |svg| {
                let corner = (left + each * at as f64 + 1.0, top + HEIGHT - height);
                svg.rectangle(&class(self.series.look), corner, (each - 2.0, height), 1.0);
            });
        }
    }
}
