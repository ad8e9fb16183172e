//! The 613 columns of the official file: their names in order, and the content of each.

use valuesim_shared::id::{Code, QuestionId};

use super::countries::{self, CountryFacts};
use super::csv_buffer::CsvBuffer;
use super::custom_column::{self, Fill};
use super::keyed_rng::Draw;
use super::{SynthRow, custom_column::Context};

/// The table of columns; its header describes the fields.
const TABLE: &str = include_str!("../../data/columns.tsv");
/// One in this many figures about a country is unknown.
const UNKNOWN_ONE_IN: u32 = 64;
/// The code of an unknown figure about a country.
const UNKNOWN: &str = "-9999.0";
/// A regional question was asked in one of this many countries.
const REGIONAL_ONE_IN: u32 = 8;
const NOT_ASKED: i32 = -4;

/// The columns of a file.
#[derive(Debug)]
pub(super) struct Columns {
    countries: Vec<CountryFacts>,
    in_order: Vec<Column>,
    /// The figures about each country, already formatted: their columns are adjacent.
    figures: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Column {
    name: &'static str,
    content: Content,
}

/// The content of a column.
#[derive(Debug)]
enum Content {
    /// Answers to a question.
    Question(usize),
    /// Whether the respondent is a member, from the answer to a question.
    Member(usize),
    /// A value with its own rule.
    Custom(Fill),
    /// A question that was asked in some countries only.
    Regional,
    /// A number from 0 to 1 about the respondent; blank for this share of respondents.
    Index(f64),
    /// A figure about the country.
    Country,
    /// A figure about the respondent's party; blank for this share of respondents.
    Party(f64),
    /// The name of the respondent's party; blank for this share of respondents.
    PartyText(f64),
}

fn fields() -> impl Iterator<Item = [&'static str; 3]> {
    TABLE.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut fields = line.split('\t');
        std::array::from_fn(|_| fields.next().unwrap_or_default())
    })
}

/// For each question in order, the share of respondents with an answer in the official file.
pub(super) fn valid_shares() -> impl Iterator<Item = f64> {
    fields().filter(|&[_, kind, _]| kind == "question").map(|[_, _, share]| parse_share(share))
}

fn parse_share(text: &str) -> f64 {
    text.parse().expect("data/columns.tsv has shares")
}

fn content([name, kind, share]: [&str; 3]) -> Content {
    let question = |name: &str| name.parse::<QuestionId>().expect("data/columns.tsv names questions").index();
    match kind {
        "question" => Content::Question(question(name)),
        "member" => Content::Member(question(name.trim_end_matches('R'))),
        "custom" => Content::Custom(custom_column::fill(name).expect("every custom column has a rule")),
        "regional" => Content::Regional,
        "index" => Content::Index(parse_share(share)),
        "country" => Content::Country,
        "party" => Content::Party(parse_share(share)),
        "party_text" => Content::PartyText(parse_share(share)),
        _ => unreachable!("data/columns.tsv has no column like {name} {kind}"),
    }
}

impl Columns {
    /// The columns of v6.0.
    pub(super) fn new() -> Self {
        let in_order: Vec<_> = fields().map(|fields| Column { name: fields[0], content: content(fields) }).collect();
        let countries = countries::countries();
        let figures = countries.iter().map(|country| figures(country, &in_order)).collect();
        Self { countries, in_order, figures }
    }

    /// Writes the header line.
    pub(super) fn write_header(&self, line: &mut CsvBuffer) {
        for column in &self.in_order {
            line.text(column.name);
            line.comma();
        }
        line.end();
    }

    /// Writes a respondent's line.
    pub(super) fn write_row(&self, row: &SynthRow, line: &mut CsvBuffer) {
        let country = &self.countries[row.country_index];
        let mut figures_written = false;
        for (at, column) in self.in_order.iter().enumerate() {
            if matches!(column.content, Content::Country) {
                if !figures_written {
                    line.raw(&self.figures[row.country_index]);
                    figures_written = true;
                }
                continue;
            }
            column.content.write(&Context { row, country, draw: Draw::Column(at) }, line);
            line.comma();
        }
        line.end();
    }
}

impl Content {
    fn write(&self, context: &Context<'_>, line: &mut CsvBuffer) {
        let Context { row, country, draw } = *context;
        match self {
            Self::Question(at) => line.int(row.codes[*at].0),
            Self::Member(at) => line.int(member(row.codes[*at])),
            Self::Custom(fill) => fill(context, line),
            Self::Regional => line.int(regional(context)),
            Self::Index(blank) => write_index(context, *blank, line),
            Self::Country => write_figure(country, draw, line),
            Self::Party(blank) => write_party(context, *blank, line),
            Self::PartyText(blank) => write_party_name(context, *blank, line),
        }
    }
}

/// A country's figures with a comma after each.
fn figures(country: &CountryFacts, columns: &[Column]) -> Vec<u8> {
    let mut line = CsvBuffer::with_capacity(0);
    for (at, column) in columns.iter().enumerate() {
        if matches!(column.content, Content::Country) {
            write_figure(country, Draw::Column(at), &mut line);
            line.comma();
        }
    }
    line.bytes().to_vec()
}

fn write_figure(country: &CountryFacts, draw: Draw, line: &mut CsvBuffer) {
    let tenths = country.rng.below(draw, UNKNOWN_ONE_IN * 10);
    if tenths < 10 {
        line.text(UNKNOWN);
    } else {
        line.float(i64::from(tenths) * 100_000);
    }
}

fn member(code: Code) -> i32 {
    if code.is_missing() { code.0 } else { i32::from(code.0 > 0) }
}

fn regional(context: &Context<'_>) -> i32 {
    if context.country.rng.below(context.draw, REGIONAL_ONE_IN) > 0 {
        return NOT_ASKED;
    }
    context.whole(1, 4)
}

fn write_index(context: &Context<'_>, blank: f64, line: &mut CsvBuffer) {
    let share = context.uniform();
    if share >= blank {
        line.float(i64::from(context.row.rng.below(context.draw, 101)) * 10_000);
    }
}

/// One draw decides for all columns about a party: they are known or blank together.
fn is_blank(context: &Context<'_>, blank: f64) -> bool {
    context.row.codes[223 - 1].is_missing() || context.row.rng.uniform(Draw::Column(usize::MAX)) < blank
}

fn write_party(context: &Context<'_>, blank: f64, line: &mut CsvBuffer) {
    if !is_blank(context, blank) {
        line.float(i64::from(context.row.rng.below(context.draw, 1000)) * 10_000);
    }
}

/// Every other name contains a comma and is quoted, as some are in the official file.
fn write_party_name(context: &Context<'_>, blank: f64, line: &mut CsvBuffer) {
    if is_blank(context, blank) {
        return;
    }
    let party = context.row.codes[223 - 1].0.unsigned_abs() as usize % 1000;
    if party.is_multiple_of(2) {
        line.quoted(PARTIES[party / 2 % PARTIES.len()]);
    } else {
        line.text("Party of ");
        line.text(context.country.alpha);
    }
}

/// Names of made-up parties.
const PARTIES: [&str; 4] = ["Center, united", "Farmers, workers and clerks", "Left, green", "Right, free"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_country_figures_are_adjacent() {
        let kinds: Vec<_> = fields().map(|[_, kind, _]| kind == "country").collect();
        let from = kinds.iter().position(|&figure| figure).expect("there are figures");
        let figures = kinds.iter().filter(|&&figure| figure).count();
        assert!(kinds[from..from + figures].iter().all(|&figure| figure));
    }

    #[test]
    fn every_question_has_a_share_of_valid_answers() {
        assert_eq!(valid_shares().count(), valuesim_shared::id::QUESTIONS);
        assert!(valid_shares().all(|share| (0.5..=1.0).contains(&share)));
    }
}
