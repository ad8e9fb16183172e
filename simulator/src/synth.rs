//! A synthetic survey in the official format: made up, labelled so, and the same for the same seed.
//!
//! ```text
//! country -> Place ─┐
//!                   ├─> People: traits -> leanings -> answers -> biography -> gaps ─> SynthRow ─> columns -> line
//! seed, row ────────┘
//! ```
//! Countries, and which questions were not asked in which country, are the same for every seed: the seed chooses the
//! people. Nothing in it comes from survey data; the shares and tendencies of the tables are rounded guesses.

mod biography;
mod chance;
mod column;
mod gaps;
mod line;
mod own;
mod people;
mod place;
mod row;

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::iter;

use valuesim_shared::codebook::Codebook;
use valuesim_shared::survey::{Survey, SurveyBuilder};

use chance::Chance;
use column::Columns;
use line::Line;
use people::People;
pub use row::{DOI, SynthRow, VERSION};

/// Bytes of lines that are collected before they are written.
const CHUNK_BYTES: usize = 1 << 20;

/// A synthetic survey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synth {
    /// How many respondents it has; countries share them as in the official file.
    pub respondents: u32,
    /// Which people they are.
    pub seed: u64,
}

impl Synth {
    /// All respondents in the order of the file: by country, as in the official one.
    ///
    /// # Panics
    /// Never: the tables and the codebook are part of the program.
    pub fn rows(&self) -> impl Iterator<Item = SynthRow> + use<> {
        self.rows_of(People::new(&Codebook::built_in()))
    }

    /// Writes the survey as the official CSV: 613 columns, comma-separated, a line for each respondent.
    ///
    /// # Panics
    /// Never: as [`Synth::rows`].
    pub fn write_csv(&self, mut out: impl Write) -> io::Result<()> {
        let columns = Columns::new();
        let mut line = Line::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
        columns.write_header(&mut line);
        for row in self.rows() {
            columns.write_row(&row, &mut line);
            if line.bytes().len() >= CHUNK_BYTES {
                out.write_all(line.bytes())?;
                line.clear();
            }
        }
        out.write_all(line.bytes())?;
        out.flush()
    }

    /// The survey in memory: equal to what loading the written file gives.
    ///
    /// # Panics
    /// Never: as [`Synth::rows`].
    pub fn survey(&self) -> Survey {
        let mut survey = SurveyBuilder::new();
        for row in self.rows() {
            survey.push(row.country, &row.codes);
        }
        survey.finish(VERSION)
    }

    fn rows_of(&self, people: People) -> impl Iterator<Item = SynthRow> + use<> {
        let seed = self.seed;
        let numbers = place::apportion(self.respondents, people.places());
        let places = numbers.into_iter().enumerate();
        let seats = places.flat_map(|(place, respondents)| (1..=respondents).zip(iter::repeat(place)));
        seats.zip(0..).map(move |((number, place), row)| people.row(place, number, Chance::of_row(seed, row)))
    }
}
