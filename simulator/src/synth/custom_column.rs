//! The columns with their own rules: labels, data on the interview, weights, and recoded answers.

use valuesim_shared::id::Code;

use super::countries::CountryFacts;
use super::csv_buffer::CsvBuffer;
use super::keyed_rng::Draw;
use super::{DOI, SynthRow, VERSION};

/// Writes the value of a column.
pub(super) type Fill = fn(&Context<'_>, &mut CsvBuffer);

/// The data that determine a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    /// The respondent.
    pub(super) row: &'a SynthRow,
    /// The country of the interview.
    pub(super) country: &'a CountryFacts,
    /// The column's draw.
    pub(super) draw: Draw,
}

impl Context<'_> {
    /// A random whole number in this range, both ends included.
    pub(super) fn whole(&self, least: i32, most: i32) -> i32 {
        let values = most.abs_diff(least) + 1;
        least.saturating_add_unsigned(self.row.rng.below(self.draw, values))
    }

    /// A random number in [0, 1).
    pub(super) fn uniform(&self) -> f64 {
        self.row.rng.uniform(self.draw)
    }

    /// A random number at most `spread` away from `middle`, in millionths.
    fn around(&self, middle: i32, spread: i32) -> i64 {
        i64::from(middle) + i64::from(self.whole(-spread, spread))
    }

    fn code(&self, question: usize) -> Code {
        self.row.codes[question - 1]
    }

    fn country_code(&self) -> i32 {
        i32::from(self.row.country.0)
    }

    fn number(&self) -> i32 {
        i32::try_from(self.row.number).unwrap_or(i32::MAX)
    }

    /// The answer's group: 1 plus the number of bounds that it exceeds. Missing codes are kept.
    fn group(&self, question: usize, bounds: &[i32]) -> i32 {
        let code = self.code(question);
        if code.is_missing() {
            return code.0;
        }
        bounds.iter().fold(1, |group, &bound| group + i32::from(code.0 > bound))
    }

    /// An education level in the country's own list.
    fn local_education(&self, question: usize) -> i32 {
        let code = self.code(question);
        if code.is_missing() { code.0 } else { self.country_code() * 1000 + code.0 + 1 }
    }

    /// The interview's id: the country, the wave and the respondent's number.
    fn id(&self, wave: i32) -> i32 {
        self.country_code() * 1_000_000 + wave + self.number()
    }
}

/// The rule for the column with this name.
pub(super) fn fill(name: &str) -> Option<Fill> {
    interview(name).or_else(|| circumstances(name)).or_else(|| from_answers(name))
}

fn interview(name: &str) -> Option<Fill> {
    Some(match name {
        "version" => |_, line| line.text(VERSION),
        "doi" => |_, line| line.text(DOI),
        "A_WAVE" => |_, line| line.int(7),
        "A_YEAR" => |c, line| line.int(c.country.year),
        "A_STUDY" => |_, line| line.int(2),
        "B_COUNTRY" => |c, line| line.int(c.country_code()),
        "B_COUNTRY_ALPHA" | "V002A_01" | "V001A_01" | "X002_02B" => |c, line| line.text(c.country.alpha),
        "C_COW_NUM" => |c, line| line.int(c.country.cow.0),
        "C_COW_ALPHA" => |c, line| line.text(c.country.cow.1),
        "D_INTERVIEW" => |c, line| line.int(c.id(70_000)),
        "S007" => |c, line| line.int(c.id(720_000)),
        "J_INTDATE" => |c, line| line.int(c.country.year * 10_000 + c.whole(6, 9) * 100 + 15),
        "FW_START" => |c, line| line.int(c.country.year * 100 + 6),
        "FW_END" => |c, line| line.int(c.country.year * 100 + 9),
        "S025" => |c, line| line.int(c.country_code() * 10_000 + c.country.year),
        "K_TIME_START" => |c, line| line.float(i64::from(c.whole(900, 1700)) * 10_000),
        "K_TIME_END" => |c, line| line.float(i64::from(c.whole(1800, 2200)) * 10_000),
        "K_DURATION" => |c, line| line.int(c.whole(30, 110)),
        "Q_MODE" => |_, line| line.int(1),
        "L_INTERVIEWER_NUMBER" => |c, line| line.int(c.country_code() * 1000 + c.whole(1, 60)),
        "E_RESPINT" | "F_INTPRIVACY" => |c, line| line.int(c.whole(1, 3)),
        "E1_LITERACY" => |c, line| line.int(c.whole(1, 2)),
        _ => return None,
    })
}

fn circumstances(name: &str) -> Option<Fill> {
    Some(match name {
        "N_REGION_ISO" | "N_REGION_WVS" => |c, line| line.int(c.country_code() * 1000 + c.whole(1, 12)),
        "N_REGION_NUTS2" | "N_REG_NUTS1" => |_, line| line.int(-4),
        "N_TOWN" => |c, line| line.float(i64::from(c.country_code() * 1000 + c.whole(1, 40)) * 1_000_000),
        "G_TOWNSIZE" => |c, line| line.int(c.whole(1, 8)),
        "G_TOWNSIZE2" | "H_SETTLEMENT" => |c, line| line.int(c.whole(1, 5)),
        "H_URBRURAL" => |c, line| line.int(c.whole(1, 2)),
        "I_PSU" => |c, line| line.int(c.country_code() * 1000 + c.whole(1, 150)),
        "O1_LONGITUDE" | "O2_LATITUDE" => |c, line| line.float(c.around(0, 60_000_000)),
        "S_INTLANGUAGE" => |c, line| line.int(c.country.languages[0]),
        "LNGE_ISO" => |c, line| line.text(&c.country.alpha[..2]),
        "W_WEIGHT" | "S018" | "PWGHT" => |c, line| line.float(c.around(1_000_000, 400_000)),
        "Q223_ABREV" | "Q223_LOCAL" => |c, line| line.int(c.code(223).0),
        "V001" => |c, line| line.int(c.code(268).0),
        "V002" => |c, line| line.int(c.code(267).0),
        _ => return None,
    })
}

fn from_answers(name: &str) -> Option<Fill> {
    Some(match name {
        "X003R" => |c, line| line.int(c.group(262, &[24, 34, 44, 54, 64])),
        "X003R2" => |c, line| line.int(c.group(262, &[29, 49])),
        "Q172R" => |c, line| line.int(c.group(172, &[2, 4, 6])),
        "Q275A" => |c, line| line.int(c.local_education(275)),
        "Q276A" => |c, line| line.int(c.local_education(276)),
        "Q277A" => |c, line| line.int(c.local_education(277)),
        "Q278A" => |c, line| line.int(c.local_education(278)),
        "Q275R" => |c, line| line.int(c.group(275, &[2, 4])),
        "Q276R" => |c, line| line.int(c.group(276, &[2, 4])),
        "Q277R" => |c, line| line.int(c.group(277, &[2, 4])),
        "Q278R" => |c, line| line.int(c.group(278, &[2, 4])),
        "Q288R" => |c, line| line.int(c.group(288, &[3, 7])),
        "Y001" => |c, line| line.int(c.whole(0, 5)),
        "Y002" => |c, line| line.int(postmaterialism(c)),
        "Y003" => |c, line| line.int(autonomy(c)),
        _ => return None,
    })
}

/// 1 if Q154 and Q155 are order and prices, 3 if neither is, 2 otherwise.
fn postmaterialism(context: &Context<'_>) -> i32 {
    let (first, second) = (context.code(154), context.code(155));
    if first.is_missing() || second.is_missing() {
        return Code(-5).0;
    }
    3 - i32::from(first.0 % 2 == 1) - i32::from(second.0 % 2 == 1)
}

/// From -2 (independence and determination) to 2 (obedience and faith), by the qualities desired in children.
fn autonomy(context: &Context<'_>) -> i32 {
    let named = |question| i32::from(context.code(question) == Code(1));
    if [8, 14, 15, 17].into_iter().any(|question| context.code(question).is_missing()) {
        return Code(-5).0;
    }
    named(15) + named(17) - named(8) - named(14)
}
