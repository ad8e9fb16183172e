//! Reads an experiment file. Its errors quote the line that is wrong, unless a key may stand there.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use valuesim_shared::experiment::Experiment;
use valuesim_shared::small_file::{MAX_EXPERIMENT_FILE, read_text};

use crate::run_folder::short;

/// Words of settings that hold a secret, in small letters.
const SECRET_WORDS: [&str; 6] = ["key", "token", "secret", "passw", "auth", "bearer"];

/// The shortest run of letters and digits that may be a key.
const SHORTEST_KEY: usize = 20;

/// The experiment in the file at `path`.
pub(super) fn read(path: &Path) -> anyhow::Result<Experiment> {
    let text =
        read_text(path, MAX_EXPERIMENT_FILE).with_context(|| format!("read the experiment {}", path.display()))?;
    Experiment::from_toml(&text).map_err(|error| {
        let (line, number) = line_at(&text, error.span().map_or(0, |span| span.start));
        let reason = if may_hold_a_key(line) { unseen(error.message(), number) } else { short(&error) };
        anyhow!("the experiment {}: {reason}", path.display())
    })
}

/// The line with byte `at` of a text, and its number, counted from 1.
fn line_at(text: &str, at: usize) -> (&str, usize) {
    let before = text.get(..at).unwrap_or(text);
    let number = before.matches('\n').count();
    (text.lines().nth(number).unwrap_or_default(), number + 1)
}

fn may_hold_a_key(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    let is_key = |word: &str| word.len() >= SHORTEST_KEY && word.contains(|c: char| c.is_ascii_digit());
    SECRET_WORDS.iter().any(|word| line.contains(word)) || line.split(|c: char| !c.is_ascii_alphanumeric()).any(is_key)
}

/// The error about a line that is not shown. The name of a field is; a message about a value may repeat it.
fn unseen(message: &str, line: usize) -> String {
    let field = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let what = field.map_or_else(|| "it cannot be read".to_owned(), |field| format!("unknown field `{field}`"));
    format!(
        "line {line}: {what}; the line is not shown, because it may hold a key: keys belong into a variable or a file, which api_key_env, \
         api_key_file or a header of `headers` names"
    )
}
