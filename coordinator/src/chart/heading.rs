//! Draws what stands above a chart: its title, what is not real about it, and its legend.

use super::series::Series;
use super::svg::{Anchor, Svg};
use super::text_width::{fitted, text_width, wrapped};

/// The width of a chart in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// For a desktop, a paper, a slide.
    Wide,
    /// For a phone.
    Narrow,
}

impl Width {
    pub(super) const fn pixels(self) -> f64 {
        match self {
            Self::Wide => 760.0,
            Self::Narrow => 360.0,
        }
    }
}

/// The texts above a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Heading {
    /// What the chart shows.
    pub(crate) title: String,
    /// What is not real about it; empty if everything is.
    pub(crate) warning: String,
    /// How many people, what the marks are.
    pub(crate) subtitle: String,
}

/// The space between the edge and what is drawn.
pub(super) const MARGIN: f64 = 10.0;

/// The size of ordinary text, of small text and of the title.
pub(super) const TEXT: f64 = 13.0;
pub(super) const SMALL: f64 = 12.0;
const TITLE: f64 = 15.0;

/// Bold letters are wider than those that [`text_width`] knows.
const BOLD: f64 = 1.08;

/// Begins a chart; returns it with the height at which it goes on below its heading.
pub(super) fn begin(heading: &Heading, form: &str, width: Width) -> (Svg, f64) {
    let Heading { title, warning, subtitle } = heading;
    let description = [form, warning, subtitle].map(str::trim).join(" ");
    let mut svg = Svg::new(width.pixels(), title, description.trim());
    let room = width.pixels() - 2.0 * MARGIN;
    let mut y = MARGIN;
    for (classes, size, factor, text) in [
        ("b title", TITLE, BOLD, title),
        ("b small warning", SMALL, BOLD, warning),
        ("small muted", SMALL, 1.0, subtitle),
    ] {
        if text.is_empty() {
            continue;
        }
        for line in wrapped(text, room / factor, size, 4) {
            y += size + 4.0;
            svg.text(classes, (MARGIN, y), Anchor::Start, &line);
        }
        y += 2.0;
    }
    (svg, y + 6.0)
}

/// Draws the legend; returns the height below it.
pub(super) fn legend(svg: &mut Svg, series: &[Series], width: Width, y: f64) -> f64 {
    const LINE: f64 = 19.0;
    let right = width.pixels() - MARGIN;
    let (mut x, mut y) = (MARGIN, y + LINE * 0.7);
    for Series { label, look } in series {
        let label = fitted(label, right - MARGIN - 16.0, SMALL);
        let needs = 16.0 + text_width(&label, SMALL);
        if x > MARGIN && x + needs > right {
            (x, y) = (MARGIN, y + LINE);
        }
        svg.marker(*look, (x + 5.0, y - 4.0));
        svg.text("small", (x + 14.0, y), Anchor::Start, &label);
        x += needs + 14.0;
    }
    y + 12.0
}
