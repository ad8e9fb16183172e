//! Line charts side by side: values with intervals over a number, in panels that share their axes.

use super::heading::{Heading, MARGIN, SMALL, TEXT, Width, begin, legend};
use super::palette::class;
use super::scale::{Axis, Scale};
use super::series::{Series, Value};
use super::svg::{Anchor, Svg};
use super::text_width::{fitted, text_width};

/// The height of the area in which lines are drawn, in a chart with one panel and in a chart with many.
const HEIGHT_OF_ONE: f64 = 300.0;
const HEIGHT_OF_MANY: f64 = 130.0;

/// The space between panels.
const GAP: f64 = 16.0;

/// A panel: one line for each series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Panel {
    /// What it shows.
    pub(crate) title: String,
    /// For each series its points, in ascending order: the number and the value.
    pub(crate) lines: Vec<Vec<(f64, Value)>>,
}

/// Panels with lines.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lines {
    /// What stands above it.
    pub(crate) heading: Heading,
    /// The axis of the numbers.
    pub(crate) across: Axis,
    /// The axis of the values.
    pub(crate) up: Axis,
    /// The series.
    pub(crate) series: Vec<Series>,
    /// The panels.
    pub(crate) panels: Vec<Panel>,
}

/// The area of a panel.
#[derive(Debug)]
struct Area<'a> {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    across: &'a Scale,
    up: &'a Scale,
}

impl Area<'_> {
    fn point(&self, x: f64, value: f64) -> (f64, f64) {
        let up = self.up.share(value);
        (self.left + self.width * self.across.share(x), self.top + self.height * (1.0 - up))
    }
}

impl Lines {
    /// Draws it.
    pub(crate) fn draw(&self, width: Width) -> Svg {
        let form =
            format!("Line chart of {} over {} in {} panels.", self.up.title, self.across.title, self.panels.len());
        let (mut svg, y) = begin(&self.heading, &form, width);
        let mut y = legend(&mut svg, &self.series, width, y);
        let columns = self.columns(width);
        let height = if columns == 1 && self.panels.len() == 1 { HEIGHT_OF_ONE } else { HEIGHT_OF_MANY };
        let points = || self.panels.iter().flat_map(|panel| panel.lines.iter().flatten());
        let across = Scale::at(&self.across, points().map(|(x, _)| *x));
        let up = Scale::new(
            &self.up,
            points().flat_map(|(_, value)| value.numbers()),
            if height > 200.0 { 6.0 } else { 4.0 },
        );
        let numbers = up.ticks().iter().map(|(_, label)| text_width(label, SMALL)).fold(0.0, f64::max) + 8.0;
        let room = width.pixels() - 2.0 * MARGIN;
        let each = (room - GAP * (columns - 1) as f64) / columns as f64;
        for row in self.panels.chunks(columns) {
            for (column, panel) in row.iter().enumerate() {
                let left = MARGIN + numbers + (each + GAP) * column as f64;
                let area = Area { left, top: y + 24.0, width: each - numbers - 10.0, height, across: &across, up: &up };
                self.draw_panel(&mut svg, panel, &area);
            }
            y += 24.0 + height + 34.0;
        }
        let titles = format!("across: {}; up: {}", self.across.title, self.up.title);
        svg.text("small muted", (MARGIN, y + 4.0), Anchor::Start, &fitted(&titles, room, SMALL));
        svg.set_height(y + 14.0);
        svg
    }

    fn columns(&self, width: Width) -> usize {
        let most = match width {
            Width::Wide => 4,
            Width::Narrow => 2,
        };
        self.panels.len().clamp(1, most)
    }

    fn draw_panel(&self, svg: &mut Svg, panel: &Panel, area: &Area<'_>) {
        svg.text("b", (area.left, area.top - 8.0), Anchor::Start, &fitted(&panel.title, area.width / 1.08, TEXT));
        draw_grid(svg, area);
        for (series, points) in self.series.iter().zip(&panel.lines) {
            let points: Vec<_> = points.iter().filter(|(_, value)| value.value.is_finite()).collect();
            let corners: Vec<_> = points.iter().map(|(x, value)| area.point(*x, value.value)).collect();
            svg.polygon(&format!("{} line", class(series.look)), &corners, false);
            for (x, value) in points {
                Self::draw_point(svg, area, (panel, series), (*x, *value));
            }
        }
    }

    fn draw_point(svg: &mut Svg, area: &Area<'_>, (panel, series): (&Panel, &Series), (x, value): (f64, Value)) {
        let tooltip = format!("{}, {}, {x}: {}", panel.title, series.label, value.words());
        svg.with_tooltip(&tooltip, |svg| {
            if let Some((lower, upper)) = value.interval {
                svg.line(&format!("{} w", class(series.look)), area.point(x, lower), area.point(x, upper));
            }
            svg.marker(series.look, area.point(x, value.value));
        });
    }
}

fn draw_grid(svg: &mut Svg, area: &Area<'_>) {
    let (right, bottom) = (area.left + area.width, area.top + area.height);
    for (value, label) in area.up.ticks() {
        let (_, y) = area.point(0.0, value);
        svg.line("grid", (area.left, y), (right, y));
        svg.text("small muted", (area.left - 6.0, y + 4.0), Anchor::End, &label);
    }
    let mut free = f64::NEG_INFINITY;
    for (x, label) in area.across.ticks() {
        let (x, _) = area.point(x, 0.0);
        svg.line("grid", (x, area.top), (x, bottom));
        let half = text_width(&label, SMALL) / 2.0;
        if x - half > free {
            svg.text("small muted", (x, bottom + 16.0), Anchor::Middle, &label);
            free = x + half + 4.0;
        }
    }
}
