//! Writes SVG, with every text escaped.

use std::fmt::Write as _;

use super::palette::{SHAPES, class, shape, style_sheet};
use super::series::Look;
use crate::terminal_escape::visible;

/// A drawn chart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Svg {
    width: f64,
    height: f64,
    title: String,
    description: String,
    body: String,
}

/// Which side of its point a text is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// An empty drawing with a title and a description for those who cannot see it.
    pub(super) fn new(width: f64, title: &str, description: &str) -> Self {
        let (title, description) = (title.to_owned(), description.to_owned());
        Self { width, height: 0.0, title, description, body: String::new() }
    }

    pub(super) fn set_height(&mut self, height: f64) {
        self.height = height.ceil();
    }

    /// A text; `y` is its baseline.
    pub(super) fn text(&mut self, classes: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let class = if classes.is_empty() { String::new() } else { format!(" class=\"{classes}\"") };
        let (x, y, text) = (pixels(x), pixels(y), escaped(text));
        let _ = writeln!(self.body, "<text{class} x=\"{x}\" y=\"{y}\"{anchor}>{text}</text>");
    }

    /// A line from point to point.
    pub(super) fn line(&mut self, classes: &str, from: (f64, f64), to: (f64, f64)) {
        self.path(classes, &format!("M{} {}L{} {}", pixels(from.0), pixels(from.1), pixels(to.0), pixels(to.1)));
    }

    /// A path; its data are numbers and letters alone.
    pub(super) fn path(&mut self, classes: &str, data: &str) {
        let _ = writeln!(self.body, "<path class=\"{classes}\" d=\"{data}\"/>");
    }

    /// A line through some points, closed or open.
    pub(super) fn polygon(&mut self, classes: &str, points: &[(f64, f64)], closed: bool) {
        let mut data = String::new();
        for (at, (x, y)) in points.iter().enumerate() {
            let _ = write!(data, "{}{} {}", if at == 0 { 'M' } else { 'L' }, pixels(*x), pixels(*y));
        }
        self.path(classes, &(data + if closed { "Z" } else { "" }));
    }

    /// A rectangle, given by a corner and its size.
    pub(super) fn rectangle(&mut self, classes: &str, (x, y): (f64, f64), (width, height): (f64, f64), opacity: f64) {
        let (x, y, width, height) = (pixels(x), pixels(y), pixels(width.max(0.0)), pixels(height.max(0.0)));
        let opacity = if opacity < 1.0 { format!(" fill-opacity=\"{opacity:.2}\"") } else { String::new() };
        let _ = writeln!(
            self.body,
            "<rect class=\"{classes}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"{opacity}/>"
        );
    }

    /// The marker of a series, in its colour and shape.
    pub(super) fn marker(&mut self, look: Look, (x, y): (f64, f64)) {
        let hollow = if matches!(look, Look::Published(_)) { " hollow" } else { "" };
        self.path(&(class(look) + hollow), &marker_path(shape(look), x, y));
    }

    /// What `draw` draws, with a text that shows when somebody points at it.
    pub(super) fn with_tooltip(&mut self, tooltip: &str, draw: impl FnOnce(&mut Self)) {
        let _ = writeln!(self.body, "<g><title>{}</title>", escaped(tooltip));
        draw(self);
        self.body.push_str("</g>\n");
    }

    /// The drawing for a page that has the [`style_sheet`]. `id` must be the page's only one, of letters, digits and `-`.
    pub(crate) fn inline(&self, id: &str) -> String {
        self.element(id, "", "")
    }

    /// The drawing as a file.
    pub(crate) fn file(&self) -> String {
        let style = format!("<style>{}</style>\n", style_sheet());
        self.element("chart", " xmlns=\"http://www.w3.org/2000/svg\"", &style)
    }

    fn element(&self, id: &str, namespace: &str, style: &str) -> String {
        let Self { width, height, body, .. } = self;
        let (title, description) = (escaped(&self.title), escaped(&self.description));
        format!(
            "<svg{namespace} class=\"chart\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-description\">\n\
             <title id=\"{id}-title\">{title}</title>\n<desc id=\"{id}-description\">{description}</desc>\n{style}\
             <rect class=\"ground\" width=\"100%\" height=\"100%\"/>\n{body}</svg>\n"
        )
    }
}

/// A number of pixels with at most one decimal.
pub(super) fn pixels(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// A text as SVG and HTML show it: without characters that XML forbids or that change the direction of text.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(' '),
            // No characters, and forbidden in XML.
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            _ => safe.push(c),
        }
    }
    safe
}

fn marker_path(shape: usize, x: f64, y: f64) -> String {
    const R: f64 = 4.0;
    let points = |points: &[(f64, f64)]| {
        let corners: Vec<String> =
            points.iter().map(|(dx, dy)| format!("{} {}", pixels(x + dx * R), pixels(y + dy * R))).collect();
        format!("M{}Z", corners.join("L"))
    };
    match shape % SHAPES {
        0 => format!("M{} {}a{R} {R} 0 1 0 {} 0a{R} {R} 0 1 0 -{} 0Z", pixels(x - R), pixels(y), 2.0 * R, 2.0 * R),
        1 => points(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        2 => points(&[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)]),
        3 => points(&[(0.0, -1.15), (1.1, 0.9), (-1.1, 0.9)]),
        _ => points(&[(0.0, 1.15), (1.1, -0.9), (-1.1, -0.9)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_cannot_leave_their_element() {
        assert_eq!(escaped("a<b>&\"c'\u{1b}\u{202e}\n"), "a&lt;b&gt;&amp;&quot;c&#39;\\u{1b}\\u{202e} ");
        assert_eq!(escaped("\u{ffff}"), "\u{fffd}");
    }

    #[test]
    fn pixels_are_short() {
        assert_eq!((pixels(3.0), pixels(3.04), pixels(-2.26)), ("3".to_owned(), "3".to_owned(), "-2.3".to_owned()));
    }

    proptest! {
        #[test]
        fn no_text_is_markup(text in "(\\PC|\\p{Cc}|\\p{Cf}|[<>&\"'\u{ffff}])*") {
            let safe = escaped(&text);
            prop_assert!(!safe.contains(['<', '>', '"', '\'', '\n', '\u{ffff}', '\u{1b}', '\0']), "{safe:?}");
            let back = safe.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'");
            let expected = visible(&text).replace(['\n', '\t'], " ").replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}");
            prop_assert_eq!(back.replace("&amp;", "&"), expected);
        }
    }
}
