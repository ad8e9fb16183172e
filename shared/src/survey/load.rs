//! Loads the survey file: unpacks it, finds the columns, reads row by row, and checks every value.

use std::io::Read;
use std::path::Path;

use super::dialect::Dialect;
use super::edition::Edition;
use super::error::{SurveyError, ValueFault};
use super::header::{self, Layout};
use super::places::{IdsBuilder, MAX_ID};
use super::record::{Record, RecordFault, Records};
use super::text_column::TextColumnBuilder;
use super::value::{self, KnownCodes};
use super::{AsRead, Survey, SurveyBuilder, digest_with_ids, open};
use crate::codebook::Codebook;
use crate::id::{Code, Country, QUESTIONS, QuestionId, Respondent};

/// The number of characters of a wrong value that an error shows.
const SHOWN_CHARS: usize = 40;

impl Survey {
    /// Loads a survey in the cross-national format from a `.csv`, a `.csv.gz`, or a `.zip` with one CSV in it.
    ///
    /// Values may be codes of `codebook` or of the official file. The file may be an extract: it may have fewer respondents than
    /// the release that it names, and other columns beside those that are needed. Its fields may be separated by semicolons,
    /// tabs or bars, lines may stand above its header, and codes may be written as data frames write them (`1.0`, `NA`); see
    /// [`Survey::as_read`].
    ///
    /// Of other columns it keeps the region and the language of the interview, if the file has them.
    pub fn load(file: &Path, codebook: &Codebook) -> Result<Self, SurveyError> {
        Self::load_with(file, codebook, (&[], None))
    }

    /// Loads a survey with further columns, which the file must have, and with the column that names its respondents, if one does:
    /// different whole numbers from 1 to [`MAX_ID`].
    pub fn load_with(
        file: &Path,
        codebook: &Codebook,
        (further, id_column): (&[String], Option<&str>),
    ) -> Result<Self, SurveyError> {
        let known = KnownCodes::of_all(codebook);
        open::read_unpacked(file, |stream| Loader { file, known, further, id_column }.load(stream))
    }
}

/// What checks and errors need, whatever the row.
struct Loader<'a> {
    file: &'a Path,
    known: Vec<KnownCodes>,
    /// Names of columns to keep as text.
    further: &'a [String],
    /// The column that names the respondents.
    id_column: Option<&'a str>,
}

/// The texts in the first row that identify the edition.
#[derive(Default)]
struct EditionTexts {
    version: String,
    doi: String,
}

impl Loader<'_> {
    fn load(&self, stream: &mut dyn Read) -> Result<Survey, SurveyError> {
        let mut records = Records::new(stream);
        let dialect = Dialect::find(records.beginning().map_err(|error| open::fault(self.file, error))?);
        records.begin_at(dialect);
        let header = self.next(&mut records)?;
        let layout = Layout::read(self.file, &header.ok_or_else(|| self.empty())?, (self.further, self.id_column))?;
        let mut builder = SurveyBuilder::new();
        let mut texts = EditionTexts::default();
        let mut further: Vec<TextColumnBuilder> = layout.further.iter().map(|_| TextColumnBuilder::default()).collect();
        let mut codes = [Code(0); QUESTIONS];
        let (mut blanks, mut ids) = (0, IdsBuilder::default());
        while let Some(record) = self.next(&mut records)? {
            if !has_all_fields(&record, &layout, dialect) {
                let (line, found) = (record.line, record.len());
                return Err(self.wrong_length(&mut records, &layout, line, found));
            }
            if builder.respondents() == 0 {
                texts = self.edition_texts(&layout, &record)?;
            }
            // Spreadsheets save rows without any value.
            if record.fields().all(<[u8]>::is_empty) {
                continue;
            }
            blanks += self.read_codes(&layout, &record, &mut codes)?;
            builder.push(self.country(&layout, &record)?, &codes);
            self.read_id(&layout, &record, &mut ids)?;
            for (column, (_, position)) in further.iter_mut().zip(&layout.further) {
                column.push(record.field(*position));
            }
        }
        let survey = self.finish(builder, &texts)?;
        let names = layout.further.into_iter().map(|(name, _)| name);
        let columns = further.into_iter().map(TextColumnBuilder::finish);
        let separator = Some(char::from(dialect.separator)).filter(|&separator| separator != ',');
        let ids_from = self.id_column.map(str::to_owned);
        let as_read = AsRead { separator, lines_above: dialect.lines_above, ids_from, blanks };
        let survey = if layout.id.is_some() { with_ids(survey, ids) } else { survey };
        Ok(Survey { texts: names.zip(columns).collect(), as_read, ..survey })
    }

    /// Reads a respondent's id, if a column has it.
    fn read_id(&self, layout: &Layout, record: &Record<'_>, ids: &mut IdsBuilder) -> Result<(), SurveyError> {
        let (Some(column), Some(position)) = (self.id_column, layout.id) else { return Ok(()) };
        let field = record.field(position);
        let fault = |fault| self.value_fault(record, column, field, fault);
        let number = value::parse(field).ok().flatten().and_then(|code| u32::try_from(code.0).ok());
        let id = number.filter(|id| *id <= MAX_ID).and_then(Respondent::new);
        match ids.push(id.ok_or_else(|| fault(ValueFault::NoId))?, record.line) {
            Some(line) => Err(fault(ValueFault::SameId { line })),
            None => Ok(()),
        }
    }

    fn next<'r>(&self, records: &'r mut Records<'_>) -> Result<Option<Record<'r>>, SurveyError> {
        records.next().map_err(|fault| match fault {
            RecordFault::Read(error) => open::fault(self.file, error),
            RecordFault::TooLong { line: 1 } => self.not_a_survey("its first line never ends"),
            RecordFault::TooLong { line } => SurveyError::RowTooLong { file: self.file.to_owned(), line },
        })
    }

    /// Reads a respondent's codes. Returns how many were blank.
    fn read_codes(
        &self,
        layout: &Layout,
        record: &Record<'_>,
        codes: &mut [Code; QUESTIONS],
    ) -> Result<u64, SurveyError> {
        let mut blanks = 0;
        for (index, (code, known)) in codes.iter_mut().zip(&self.known).enumerate() {
            let field = record.field(layout.questions[index]);
            let fault = |fault| self.value_fault(record, &QuestionId::from_index(index).to_string(), field, fault);
            let found = value::parse(field).map_err(fault)?;
            blanks += u64::from(found.is_none());
            *code = found.unwrap_or(value::BLANK);
            known.check(*code).map_err(fault)?;
        }
        Ok(blanks)
    }

    fn country(&self, layout: &Layout, record: &Record<'_>) -> Result<Country, SurveyError> {
        let field = record.field(layout.country);
        value::parse_country(field).map_err(|fault| self.value_fault(record, header::COUNTRY, field, fault))
    }

    fn edition_texts(&self, layout: &Layout, record: &Record<'_>) -> Result<EditionTexts, SurveyError> {
        let text = |column: &str, position: usize| {
            let field = record.field(position);
            let text = str::from_utf8(field).map(str::to_owned);
            text.map_err(|_| self.value_fault(record, column, field, ValueFault::NotText))
        };
        let optional = |column: &str, position: Option<usize>| {
            let found = position.map(|position| text(column, position)).transpose();
            found.map(Option::unwrap_or_default)
        };
        Ok(EditionTexts { version: optional(header::VERSION, layout.version)?, doi: optional("doi", layout.doi)? })
    }

    fn finish(&self, builder: SurveyBuilder, texts: &EditionTexts) -> Result<Survey, SurveyError> {
        let found = builder.respondents();
        if found == 0 {
            return Err(SurveyError::NoRows { file: self.file.to_owned() });
        }
        let edition = Edition::recognise(&texts.version, &texts.doi, found);
        match edition.release.rows() {
            Some(expected) if found > expected => {
                Err(SurveyError::TooManyRows { file: self.file.to_owned(), release: edition.release, expected, found })
            }
            _ => Ok(builder.finish_as(edition)),
        }
    }

    /// If the last row is too short, the file is truncated rather than malformed.
    fn wrong_length(&self, records: &mut Records<'_>, layout: &Layout, line: u64, found: usize) -> SurveyError {
        let (file, expected) = (self.file.to_owned(), layout.width);
        match self.next(records) {
            Ok(None) if found < expected => SurveyError::Damaged {
                file,
                found: format!("its last row, line {line}, has {found} of {expected} fields"),
            },
            _ => SurveyError::RowLength { file, line, found, expected },
        }
    }

    fn value_fault(&self, record: &Record<'_>, column: &str, field: &[u8], fault: ValueFault) -> SurveyError {
        let value = String::from_utf8_lossy(field).chars().take(SHOWN_CHARS).collect();
        SurveyError::Value { file: self.file.to_owned(), line: record.line, column: column.to_owned(), value, fault }
    }

    fn empty(&self) -> SurveyError {
        self.not_a_survey("it is empty")
    }

    fn not_a_survey(&self, found: &str) -> SurveyError {
        SurveyError::NotASurvey { file: self.file.to_owned(), found: found.to_owned() }
    }
}

fn with_ids(survey: Survey, ids: IdsBuilder) -> Survey {
    let places = ids.finish();
    Survey { digest: digest_with_ids(survey.digest, places.ids()), places, ..survey }
}

/// Whether a row has the fields of the header. Programs that do not separate by commas often end rows with a separator too many.
fn has_all_fields(record: &Record<'_>, layout: &Layout, dialect: Dialect) -> bool {
    let (found, expected) = (record.len(), layout.width);
    let ends_empty = || record.field(found - 1).is_empty();
    let may_end_so = dialect.separator != Dialect::USUAL.separator;
    found == expected
        || (layout.has_empty_end && found + 1 == expected)
        || (may_end_so && found == expected + 1 && ends_empty())
}
