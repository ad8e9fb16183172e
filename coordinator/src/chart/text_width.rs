//! Estimates how wide a text is, so that labels neither overlap nor leave the chart.

/// Advance widths of Helvetica in thousandths of the font size, from U+0020 to U+007E (Adobe's font metrics; Arial and
/// Liberation Sans have the same).
const HELVETICA: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
    556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
    260, 334, 584,
];

/// Fonts that stand in for Helvetica may be a little wider.
const ALLOWANCE: f64 = 1.06;

const ELLIPSIS: char = '…';

/// The width of a text in pixels at a font size in pixels.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let thousandths: f64 = text.chars().map(|c| f64::from(advance(c))).sum();
    thousandths / 1000.0 * size * ALLOWANCE
}

fn advance(c: char) -> u16 {
    let ascii = u32::from(c).checked_sub(0x20).and_then(|at| HELVETICA.get(at as usize));
    match ascii {
        Some(&width) => width,
        // Latin, Greek and Cyrillic letters are about as wide as ASCII's widest ordinary ones; other scripts fill a square.
        None if u32::from(c) < 0x530 || c == ELLIPSIS => 722,
        None => 1000,
    }
}

/// The text, cut off with an ellipsis if it is wider than `room` pixels.
pub(super) fn fitted(text: &str, room: f64, size: f64) -> String {
    if text_width(text, size) <= room {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if text_width(&kept, size) + text_width("…", size) > room {
            kept.pop();
            break;
        }
    }
    kept.truncate(kept.trim_end().len());
    kept.push(ELLIPSIS);
    kept
}

/// The text in at most `most` lines of at most `room` pixels; the last one is cut off if there is more.
///
/// Words are broken only if a line cannot hold them, and then after `/`, `-`, `_` or `.` where that is possible.
pub(super) fn wrapped(text: &str, room: f64, size: f64, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for (part, begins_word) in text.split_whitespace().flat_map(|word| parts(word, room, size)) {
        let at = lines.len() - 1;
        let line = &lines[at];
        let space = if line.is_empty() || !begins_word { "" } else { " " };
        let longer = format!("{line}{space}{part}");
        let starts_a_line = !line.is_empty() && text_width(&longer, size) > room && lines.len() < most;
        if starts_a_line {
            lines.push(part.to_owned());
        } else {
            lines[at] = longer;
        }
    }
    lines.iter().map(|line| fitted(line, room, size)).collect()
}

/// A word, or where it is wider than a line the parts at which it may be broken; with whether a part begins the word.
fn parts(word: &str, room: f64, size: f64) -> Vec<(&str, bool)> {
    if text_width(word, size) <= room {
        return vec![(word, true)];
    }
    let parts = word.split_inclusive(['/', '-', '_', '.']);
    parts.enumerate().map(|(at, part)| (part, at == 0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn widths_are_those_of_helvetica() {
        assert!((text_width("Hello", 1000.0) / ALLOWANCE - 2278.0).abs() < 1e-9);
        assert!(text_width("iiii", 13.0) < text_width("mmmm", 13.0));
        assert!(text_width("日本", 10.0) >= 20.0);
    }

    #[test]
    fn long_texts_are_wrapped_and_cut_off() {
        assert_eq!(wrapped("one two three", 60.0, 13.0, 3), ["one two", "three"]);
        assert_eq!(wrapped("", 60.0, 13.0, 3), [""]);
        assert_eq!(wrapped("meta-llama/Llama-3.1-8B", 90.0, 13.0, 2), ["meta-llama/", "Llama-3.1-8B"]);
        let cut = wrapped("one two three four five six", 60.0, 13.0, 2);
        assert_eq!(cut.len(), 2);
        assert!(cut[1].ends_with('…'), "{cut:?}");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_its_room(text in "\\PC{0,80}", room in 30.0..400.0, most in 1_usize..4) {
            let lines = wrapped(&text, room, 13.0, most);
            prop_assert!(lines.len() <= most);
            for line in lines {
                prop_assert!(text_width(&line, 13.0) <= room, "{line}");
            }
        }
    }
}
