//! Figures that are not known exactly in advance, for people.

use std::fmt::Display;

use valuesim_coordinator::estimate::{Span, UncertainBy};

/// The likely figure with its range; the figure alone if it is exact.
pub(super) fn span_text<T: Display>(unit: &str, Span { low, likely, high }: Span<T>, reason: &str) -> String {
    let [low, likely, high] = [low, likely, high].map(|figure| figure.to_string());
    let likely = format!("{likely} {unit}").trim_end().to_owned();
    if low == high { likely } else { format!("{likely} ({low} to {high}{reason})") }
}

/// Why a cost has a range, as the end of a sentence; nothing if it has none.
pub(super) fn reasons(uncertain_by: &[UncertainBy]) -> String {
    let reasons: Vec<&str> = uncertain_by.iter().map(|by| reason(*by)).collect();
    if reasons.is_empty() { String::new() } else { format!(", by {}", reasons.join(" and ")) }
}

const fn reason(by: UncertainBy) -> &'static str {
    match by {
        UncertainBy::Disagreement => "how often the modules disagree",
        UncertainBy::Hours => "the hours of its calls",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_figure_has_no_range() {
        let check = |low, likely, high, expected: &str| {
            assert_eq!(span_text("calls", Span { low, likely, high }, ", reason"), expected);
        };
        check(118, 118, 118, "118 calls");
        check(110, 118, 130, "118 calls (110 to 130, reason)");
    }

    #[test]
    fn all_reasons_of_a_range_are_said() {
        assert_eq!(reasons(&[]), "");
        assert_eq!(
            reasons(&[UncertainBy::Disagreement, UncertainBy::Hours]),
            ", by how often the modules disagree and the hours of its calls"
        );
    }
}
