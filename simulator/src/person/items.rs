//! Reads the items of a profile as a prompt of `rag` lists them.

/// What stands between an item and its similarity.
const SIMILARITY: &str = " [similarity: ";

/// The items without dash and similarity, one after the other, as a profile in question form has them.
pub(super) fn plain(list: &str) -> String {
    let (mut lines, mut is_first) = (Vec::new(), true);
    for line in list.lines() {
        let line = if is_first { line.strip_prefix("- ").unwrap_or(line) } else { line };
        let end = line.rsplit_once(SIMILARITY).filter(|(_, number)| number.ends_with(']'));
        is_first = end.is_some();
        lines.push(end.map_or(line, |(item, _)| item));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_and_similarities_are_taken_off_and_nothing_else() {
        let list = "- Tea?\nYes\n- No\nYes [similarity: 0.8124]\n- Age?\n43 [similarity: -0.0000]";
        assert_eq!(plain(list), "Tea?\nYes\n- No\nYes\nAge?\n43");
        assert_eq!(plain(""), "");
    }
}
