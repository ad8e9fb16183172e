//! A synthetic survey in the official format: invented data, labelled as such, reproducible from its seed.
//!
//! ```text
//! CountryFacts ─┐
//!               ├─> Generator: traits -> leanings -> answers -> biography -> missing codes -> SynthRow -> columns
//! seed, row ────┘
//! ```
//! The seed determines the respondents. The countries, and the questions not asked in each, are the same for every
//! seed. Nothing is taken from survey data; the shares and tendencies in the tables are rounded guesses.

mod biography;
mod columns;
mod countries;
mod csv_buffer;
mod custom_column;
mod generator;
mod keyed_rng;
mod missing;
mod row;

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::iter;

use valuesim_shared::codebook::Codebook;
use valuesim_shared::survey::{Survey, SurveyBuilder};

use columns::Columns;
use csv_buffer::CsvBuffer;
use generator::Generator;
use keyed_rng::KeyedRng;
pub use row::{DOI, SynthRow, VERSION};

/// How many bytes are buffered before they are written.
const CHUNK_BYTES: usize = 1 << 20;

/// A synthetic survey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Synth {
    /// The number of respondents; each country's share is that of the official file.
    pub respondents: u32,
    /// Determines the respondents.
    pub seed: u64,
}

impl Synth {
    /// All respondents in the order of the official file: by country.
    ///
    /// # Panics
    /// Never: the tables and the codebook are part of the program.
    pub fn rows(&self) -> impl Iterator<Item = SynthRow> + use<> {
        self.rows_of(Generator::new(&Codebook::built_in()))
    }

    /// Writes the survey in the official CSV format: 613 columns, one line for each respondent.
    ///
    /// # Panics
    /// Never: as [`Synth::rows`].
    pub fn write_csv(&self, mut out: impl Write) -> io::Result<()> {
        let columns = Columns::new();
        let mut line = CsvBuffer::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 8);
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

    /// The survey in memory; equal to the one loaded from the written file.
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

    fn rows_of(&self, generator: Generator) -> impl Iterator<Item = SynthRow> + use<> {
        let seed = self.seed;
        let counts = countries::apportion(self.respondents, generator.countries()).into_iter().enumerate();
        let numbers = counts.flat_map(|(country, respondents)| (1..=respondents).zip(iter::repeat(country)));
        numbers
            .zip(0..)
            .map(move |((number, country), row)| generator.row(country, number, KeyedRng::of_row(seed, row)))
    }
}
