//! The colours of all charts, on light and on dark ground, and the style sheet that gives them to a chart's classes.

use super::series::Look;

/// Colours of arms on light ground: contrast with white of at least 4.5, and told apart by people who see few colours
/// together with the shapes of markers.
const LIGHT: [&str; 8] = ["#1d5fd1", "#c2410c", "#0f766e", "#7c3aed", "#be185d", "#4d7c0f", "#0e7490", "#854d0e"];

/// The same colours on dark ground.
const DARK: [&str; 8] = ["#6ea8fe", "#fb923c", "#2dd4bf", "#c4b5fd", "#f472b6", "#a3e635", "#67e8f9", "#fbbf24"];

/// Greys of arms that ask no model.
const LIGHT_GREYS: [&str; 3] = ["#4b5563", "#6b7280", "#868e9b"];
const DARK_GREYS: [&str; 3] = ["#cbd5e1", "#a3adbb", "#8b95a4"];

/// The number of shapes that markers have.
pub(super) const SHAPES: usize = 5;

/// The fonts of all charts; text is laid out with the widths of the first.
const FONTS: &str = "Helvetica,Arial,\"Liberation Sans\",sans-serif";

/// Ground, text, muted text, grid, rule, warning.
const LIGHT_FRAME: [&str; 6] = ["#ffffff", "#111827", "#4b5563", "#e5e7eb", "#9ca3af", "#b91c1c"];
const DARK_FRAME: [&str; 6] = ["#14171c", "#e8eaee", "#aeb6c2", "#2d333d", "#6b7482", "#ff8f8f"];

/// The class that gives a look its colour.
pub(super) fn class(look: Look) -> String {
    match look {
        Look::Arm(at) | Look::Published(at) => format!("a{}", at % LIGHT.len()),
        Look::NoModel(at) => format!("n{}", at % LIGHT_GREYS.len()),
        Look::Truth => "truth".to_owned(),
    }
}

/// The shape of a look's marker, below [`SHAPES`].
pub(super) fn shape(look: Look) -> usize {
    match look {
        // Arms with the same colour have different shapes.
        Look::Arm(at) | Look::Published(at) => (at + at / LIGHT.len()) % SHAPES,
        Look::NoModel(at) => (at + 1) % SHAPES,
        Look::Truth => 0,
    }
}

/// The style sheet of all charts, for a file of its own or for a page with many charts.
///
/// It uses no variables: programs that turn SVG into PNG or PDF do not know them.
pub(crate) fn style_sheet() -> String {
    let light = colours(LIGHT_FRAME, &LIGHT, &LIGHT_GREYS);
    let dark = colours(DARK_FRAME, &DARK, &DARK_GREYS);
    format!(
        "svg.chart{{font-family:{FONTS};font-size:13px}}svg.chart .b{{font-weight:bold}}svg.chart .title{{font-size:15px}}\
         svg.chart .small{{font-size:12px}}svg.chart .w{{stroke-width:2;fill:none}}svg.chart .grid,svg.chart .rule{{fill:none}}\
         svg.chart .line{{stroke-width:2.2;fill:none;stroke-linejoin:round}}svg.chart .area{{fill-opacity:.1;stroke-width:2}}\
         svg.chart .hollow{{stroke-width:1.8}}{light}\n@media screen and (prefers-color-scheme:dark){{{dark}}}\n"
    )
}

fn colours(frame: [&str; 6], arms: &[&str], greys: &[&str]) -> String {
    let [ground, text, muted, grid, rule, warning] = frame;
    let mut css = format!(
        "svg.chart .ground{{fill:{ground}}}svg.chart text{{fill:{text}}}svg.chart .muted{{fill:{muted}}}\
         svg.chart .grid{{stroke:{grid}}}svg.chart .rule{{stroke:{rule}}}svg.chart .warning{{fill:{warning}}}\
         svg.chart .truth{{fill:{text};stroke:{text}}}svg.chart .on{{fill:{ground}}}"
    );
    let numbered = |letter: char, colours: &[&str]| -> String {
        let rule = |(at, colour): (usize, &&str)| format!("svg.chart .{letter}{at}{{fill:{colour};stroke:{colour}}}");
        colours.iter().enumerate().map(rule).collect()
    };
    css += &numbered('a', arms);
    css += &numbered('n', greys);
    css + &format!(
        "svg.chart .hollow{{fill:{ground}}}svg.chart .w,svg.chart .line{{fill:none}}svg.chart .flat{{stroke:none}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance (Web Content Accessibility Guidelines 2.2).
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let value = u8::from_str_radix(&colour[at..at + 2], 16).expect("a colour");
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn every_colour_stands_out_from_its_ground() {
        for (frame, arms, greys) in [(LIGHT_FRAME, LIGHT, LIGHT_GREYS), (DARK_FRAME, DARK, DARK_GREYS)] {
            let ground = frame[0];
            for text in [frame[1], frame[2], frame[5]] {
                assert!(contrast(text, ground) >= 4.5, "{text} on {ground}");
            }
            for mark in arms.iter().chain(&greys) {
                assert!(contrast(mark, ground) >= 3.0, "{mark} on {ground}");
            }
        }
    }

    #[test]
    fn arms_differ_in_colour_or_shape() {
        let looks: Vec<_> = (0..40).map(|at| (class(Look::Arm(at)), shape(Look::Arm(at)))).collect();
        let different: std::collections::BTreeSet<_> = looks.iter().collect();
        assert_eq!(different.len(), looks.len());
    }
}
