//! Compares the output that a page shows with the output of the command.
//!
//! A line `...` stands for any lines, none too, and a line that ends in ` ...` for a line that begins so. Rates (`123/s`)
//! differ from run to run and are not compared. Of commands that look at something that moves, no number is compared.

/// How closely numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Numbers {
    /// All but rates.
    Exact,
    /// None: what is shown was a moment's.
    OfTheMoment,
}

/// Says where `actual` is not what the page shows.
pub(crate) fn compare(shown: &[String], actual: &str, numbers: Numbers) -> Result<(), String> {
    let actual: Vec<&str> = actual.trim_end().lines().collect();
    let mut next = 0;
    let mut may_skip = false;
    for line in shown {
        if line == "..." {
            may_skip = true;
            continue;
        }
        let rest = &actual[next..];
        let within = if may_skip { rest } else { &rest[..rest.len().min(1)] };
        let found = within.iter().position(|actual| is_alike(line, actual, numbers));
        let found = found.ok_or_else(|| {
            format!("expected {line:?} in or after line {} of its output:\n{}", next + 1, actual.join("\n"))
        })?;
        next += found + 1;
        may_skip = false;
    }
    let is_whole = may_skip || next == actual.len();
    is_whole
        .then_some(())
        .ok_or_else(|| format!("did not expect line {} of its output:\n{}", next + 1, actual.join("\n")))
}

fn is_alike(shown: &str, actual: &str, numbers: Numbers) -> bool {
    match shown.strip_suffix(" ...") {
        Some(begin) => simple(actual, numbers).starts_with(&simple(begin, numbers)),
        None => simple(shown, numbers) == simple(actual, numbers),
    }
}

/// The line without what may differ, and without spaces at its end.
fn simple(line: &str, numbers: Numbers) -> String {
    match numbers {
        Numbers::Exact => without_rates(line).trim_end().to_owned(),
        Numbers::OfTheMoment => without_numbers(line),
    }
}

fn without_rates(line: &str) -> String {
    let pieces: Vec<&str> = line.split("/s").collect();
    let last = pieces.len() - 1;
    let without = |(place, piece): (usize, &&str)| {
        let kept =
            if place == last { *piece } else { piece.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') };
        kept.to_owned()
    };
    pieces.iter().enumerate().map(without).collect::<Vec<_>>().join("/s")
}

/// Each word with a digit in it becomes `#`, each gap one space: dates, counts and ids, in columns of any width.
fn without_numbers(line: &str) -> String {
    let word = |word: &str| {
        if word.contains(|c: char| c.is_ascii_digit()) { "#".to_owned() } else { word.to_owned() }
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Numbers, compare};

    #[track_caller]
    fn check(shown: &[&str], actual: &str, numbers: Numbers, expected: bool) {
        let shown: Vec<String> = shown.iter().map(|&line| line.to_owned()).collect();
        assert_eq!(compare(&shown, actual, numbers).is_ok(), expected, "{shown:?} {actual:?}");
    }

    #[test]
    fn lines_are_compared() {
        check(&["a", "b"], "a\nb\n", Numbers::Exact, true);
        check(&["a", "b"], "a\nc\n", Numbers::Exact, false);
        check(&["a"], "a\nb\n", Numbers::Exact, false);
        check(&["a", "b"], "a\n", Numbers::Exact, false);
        check(&[], "", Numbers::Exact, true);
    }

    #[test]
    fn dots_stand_for_what_is_left_out() {
        check(&["a", "...", "d"], "a\nb\nc\nd\n", Numbers::Exact, true);
        check(&["a", "...", "d"], "a\nd\n", Numbers::Exact, true);
        check(&["...", "d"], "a\nd\ne\n", Numbers::Exact, false);
        check(&["a", "..."], "a\nd\ne\n", Numbers::Exact, true);
        check(&["begin ..."], "begin and end\n", Numbers::Exact, true);
    }

    #[test]
    fn only_what_moves_may_differ() {
        check(&["10 calls (12/s), 5"], "10 calls (3.5/s), 5", Numbers::Exact, true);
        check(&["10 calls (12/s), 5"], "11 calls (12/s), 5", Numbers::Exact, false);
        check(&["run a1  7 of 9"], "run   b2 1,000 of 9", Numbers::OfTheMoment, true);
        check(&["run a1  7 of 9"], "run b2 1,000 by 9", Numbers::OfTheMoment, false);
    }
}
