//! A dot plot as SVG: one row for each category, one dot with its 95 % interval for each method.

use std::fmt::Write as _;

use serde_json::Value;

/// The categories of `results.json`, with the labels of the chart; an empty name stands for all questions.
const ROWS: [(&str, &str); 10] = [
    ("Core", "Social values"),
    ("Hap.", "Happiness"),
    ("Trust", "Social capital, trust"),
    ("Econ.Int", "Economic values"),
    ("Security", "Migration, security"),
    ("Tech", "Science, technology"),
    ("Mo.&Rel.", "Religion, ethics"),
    ("Pol.Eng", "Politics"),
    ("Demo", "Demographics"),
    ("", "All questions"),
];

/// The methods shown, from the top of a row to its bottom: name, label, colour.
const METHODS: [(&str, &str, &str); 4] = [
    ("valuesim", "valuesim", "#c2410c"),
    ("full-info", "full-info", "#1d4ed8"),
    ("mode-country", "most frequent answer in the country (no model)", "#4b5563"),
    ("chance", "chance", "#9ca3af"),
];

const WIDTH: f64 = 860.0;
const LEFT: f64 = 180.0;
const RIGHT: f64 = 830.0;
const TOP: f64 = 96.0;
const ROW_HEIGHT: f64 = 44.0;
const MARK_DISTANCE: f64 = 8.0;

/// Draws the chart of a run's `results.json`.
pub(crate) fn draw(results: &Value) -> String {
    let mut body = heading(results) + &legend() + &axis();
    for (row, (category, label)) in ROWS.iter().enumerate() {
        body += &draw_row(results, category, label, TOP + ROW_HEIGHT * row as f64);
    }
    let height = bottom() + 58.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"Helvetica, Arial, sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n"
    )
}

fn bottom() -> f64 {
    TOP + ROW_HEIGHT * ROWS.len() as f64
}

fn heading(results: &Value) -> String {
    let respondents = &results["arms"][0]["score"]["respondents"];
    let title = "Share of held-out answers predicted exactly, with 95 % intervals";
    let mut heading = text(16.0, 26.0, "start", "#111827", &format!("<tspan font-weight=\"bold\">{title}</tspan>"));
    let simulated = results["simulated"] == true || results["synthetic_survey"] == true;
    let (colour, warning) = if simulated {
        ("#b91c1c", " - SIMULATED replies on a SYNTHETIC SURVEY: says nothing about a model or about people")
    } else {
        ("#374151", "")
    };
    heading += &text(16.0, 48.0, "start", colour, &format!("{respondents} respondents{warning}"));
    heading
}

fn legend() -> String {
    let mut legend = String::new();
    let mut x = 16.0;
    for (_, label, colour) in METHODS {
        let _ = writeln!(legend, "<circle cx=\"{x}\" cy=\"70\" r=\"5\" fill=\"{colour}\"/>");
        legend += &text(x + 10.0, 74.5, "start", "#111827", label);
        x += 42.0 + 6.4 * label.len() as f64;
    }
    legend
}

fn axis() -> String {
    let mut axis = String::new();
    for tenth in 0..=8_u8 {
        let share = f64::from(tenth) / 10.0;
        let (x, bottom) = (position(share), bottom());
        let _ = writeln!(axis, "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#e5e7eb\"/>");
        axis += &text(x, bottom + 20.0, "middle", "#374151", &format!("{share:.1}"));
    }
    axis + &text(position(0.4), bottom() + 42.0, "middle", "#374151", "accuracy")
}

fn draw_row(results: &Value, category: &str, label: &str, y: f64) -> String {
    let mut row = text(LEFT - 14.0, y + ROW_HEIGHT / 2.0 + 4.5, "end", "#111827", label);
    if category.is_empty() {
        let _ = writeln!(row, "<path d=\"M16 {y}H{RIGHT}\" stroke=\"#9ca3af\"/>");
    }
    for (place, (method, _, colour)) in METHODS.iter().enumerate() {
        let y = y + ROW_HEIGHT / 2.0 + MARK_DISTANCE * (place as f64 - 1.5);
        row += &accuracy(results, category, method).map(|estimate| mark(estimate, y, colour)).unwrap_or_default();
    }
    row
}

/// The mean over people and the ends of its interval, of the first arm with this method.
fn accuracy(results: &Value, category: &str, method: &str) -> Option<[f64; 3]> {
    let arm = results["arms"].as_array()?.iter().find(|arm| arm["arm"]["method"] == method)?;
    let score = &arm["score"];
    let score = if category.is_empty() { &score["overall"] } else { &score["categories"][category] };
    let accuracy = &score["per_person"]["accuracy"];
    let (mean, interval) = (accuracy["mean"].as_f64()?, &accuracy["uncertainty"]["interval"]);
    Some([mean, interval["lower"].as_f64().unwrap_or(mean), interval["upper"].as_f64().unwrap_or(mean)])
}

fn mark([mean, lower, upper]: [f64; 3], y: f64, colour: &str) -> String {
    let (from, to, at) = (position(lower), position(upper), position(mean));
    format!(
        "<path d=\"M{from:.1} {y}H{to:.1}\" stroke=\"{colour}\" stroke-width=\"2\"/>\
         <circle cx=\"{at:.1}\" cy=\"{y}\" r=\"3.5\" fill=\"{colour}\"/>\n"
    )
}

fn position(share: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * share.clamp(0.0, 0.8) / 0.8
}

fn text(x: f64, y: f64, anchor: &str, colour: &str, content: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{content}</text>\n")
}
