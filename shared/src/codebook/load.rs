//! Loads a codebook: the built-in one, a file in this project's format, or the files of the paper's code.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::CodebookError;
use super::reference::{self, Texts};
use super::{Codebook, built_in, country};
use crate::id::Country;

/// Fifty times the size of the built-in codebook, so that a survey file given by mistake is not read to its end.
const MAX_BYTES: u64 = 16 << 20;

impl Codebook {
    /// The built-in codebook: all questions in this project's own wording.
    pub fn built_in() -> Self {
        built_in::codebook().clone()
    }

    /// The countries of the official cross-national file v6.0, in ascending order.
    pub fn surveyed() -> &'static [Country] {
        country::surveyed()
    }

    /// Loads a codebook from a file: TOML in the format of the built-in one, or the `questions.json` of the paper's code
    /// with its `nature_options.json` in the same folder.
    pub fn load(file: &Path) -> Result<Self, CodebookError> {
        let text = read(file)?;
        if reference::is_json(&text) {
            return Self::load_reference(file, None);
        }
        if !text.contains("[[question]]") {
            return Err(unknown(file, "it has no [[question]] table"));
        }
        built_in::parse(&name_of(file), file, &text)
    }

    /// Loads a codebook from the files of the paper's code. Without `nature_options`, uses the file of that name beside
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

    /// The hash of the whole codebook: codebooks with the same digest give the same prompts and scores.
    ///
    /// # Panics
    /// Never: a codebook can always be written as JSON.
    pub fn digest(&self) -> [u8; 32] {
        let canonical = serde_json::to_vec(self).expect("a codebook has only text keys and finite numbers");
        blake3::hash(&canonical).into()
    }
}

/// Reads the text of a file, without a byte order mark.
fn read(file: &Path) -> Result<String, CodebookError> {
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|open| open.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|reason| CodebookError::Read { file: file.to_owned(), reason })?;
    if bytes.len() as u64 > MAX_BYTES {
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
