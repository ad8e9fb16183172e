//! Where a codebook comes from: built in, a file in this project's format, or the files of the paper's code.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::CodebookError;
use super::reference::{self, Texts};
use super::{Codebook, country, own};
use crate::id::Country;

/// Fifty times the built-in codebook: a survey file that was named by mistake is not read to its end.
const MOST_BYTES: u64 = 16 << 20;

impl Codebook {
    /// The built-in codebook: all questions in this project's own wording.
    pub fn own() -> Self {
        own::own().clone()
    }

    /// The countries of the official cross-national file v6.0 in its order, which is ascending.
    pub fn surveyed() -> &'static [Country] {
        country::surveyed()
    }

    /// Reads a codebook from a file: TOML in the format of the built-in one, or the `questions.json` of the paper's code,
    /// whose `nature_options.json` must then lie beside it.
    pub fn load(file: &Path) -> Result<Self, CodebookError> {
        let text = read(file)?;
        if reference::is_json(&text) {
            return Self::load_reference(file, None);
        }
        if !text.contains("[[question]]") {
            return Err(unknown(file, "it has no [[question]] table"));
        }
        own::parse(&name_of(file), file, &text)
    }

    /// Reads a codebook from the files of the paper's code; without `nature_options`, the file of that name beside
    /// `questions`.
    pub fn load_reference(questions: &Path, nature_options: Option<&Path>) -> Result<Self, CodebookError> {
        let beside = questions.with_file_name(reference::NATURE_OPTIONS);
        let nature_options = nature_options.unwrap_or(&beside);
        if !nature_options.exists() {
            return Err(CodebookError::NeedsNatureOptions {
                file: questions.to_owned(),
                beside: nature_options.to_owned(),
            });
        }
        let texts = Texts { questions: &read(questions)?, sentences: &read(nature_options)? };
        reference::parse(&name_of(questions), (questions, nature_options), &texts)
    }

    /// The hash of everything in the codebook: two codebooks with the same digest make the same prompts and scores.
    ///
    /// # Panics
    /// Never: a codebook is always writable as JSON.
    pub fn digest(&self) -> [u8; 32] {
        let canonical = serde_json::to_vec(self).expect("a codebook has only text keys and finite numbers");
        blake3::hash(&canonical).into()
    }
}

/// The text of a file, without a byte order mark.
fn read(file: &Path) -> Result<String, CodebookError> {
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|open| open.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|source| CodebookError::Read { file: file.to_owned(), source })?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(unknown(file, "it is larger than any codebook"));
    }
    let text = String::from_utf8(bytes).map_err(|_| unknown(file, "it is not UTF-8 text"))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn unknown(file: &Path, reason: &'static str) -> CodebookError {
    CodebookError::UnknownFormat { file: file.to_owned(), reason }
}

fn name_of(file: &Path) -> String {
    file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned()
}
