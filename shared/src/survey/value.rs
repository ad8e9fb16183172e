//! Reads the number in a field, and checks that it can be an answer to the question.

use std::collections::BTreeSet;

use super::error::ValueFault;
use crate::codebook::{Codebook, Question};
use crate::id::{Code, Country, QuestionId};

/// The missing codes of WVS files: don't know, no answer, not applicable, not asked, missing.
const MISSING: std::ops::RangeInclusive<i32> = -5..=-1;

/// Codes in the official file that its codebook does not list: a further level of education, and a further employment
/// status of the spouse. They are kept unchanged, and match no option.
const UNDOCUMENTED: [(u16, Code); 3] = [(276, Code(9)), (278, Code(9)), (280, Code(9))];

/// The code of a blank value: missing.
pub(super) const BLANK: Code = Code(-5);

/// What programs write where a value is missing.
const BLANKS: [&str; 6] = ["", ".", "NA", "NaN", "#N/A", "NULL"];

/// The integer in a field; `None` if it is blank, or what programs write in a blank's place.
pub(super) fn parse(field: &[u8]) -> Result<Option<Code>, ValueFault> {
    match field {
        [digit @ b'0'..=b'9'] => Ok(Some(Code((digit - b'0').into()))),
        [b'-', digit @ b'0'..=b'9'] => Ok(Some(Code(-i32::from(digit - b'0')))),
        _ => parse_long(field),
    }
}

fn parse_long(field: &[u8]) -> Result<Option<Code>, ValueFault> {
    let text = str::from_utf8(field).map_err(|_| ValueFault::NotText)?.trim();
    if BLANKS.contains(&text) {
        return Ok(None);
    }
    // Data frames that have had missing values write 1.0 for 1, and in half of Europe 1,0.
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = is_digits(whole.strip_prefix('-').unwrap_or(whole)) && is_digits(fraction);
    match whole.parse() {
        Ok(code) if is_number && fraction.bytes().all(|byte| byte == b'0') => Ok(Some(Code(code))),
        Ok(_) if is_number => Err(ValueFault::Decimal),
        _ => Err(ValueFault::NotAnInteger),
    }
}

/// The country in a field.
pub(super) fn parse_country(field: &[u8]) -> Result<Country, ValueFault> {
    let code = parse(field)?.ok_or(ValueFault::NotACountry)?;
    let country = u16::try_from(code.0).ok().filter(|number| (1..=999).contains(number));
    country.map(Country).ok_or(ValueFault::NotACountry)
}

/// The codes allowed in one question's column.
#[derive(Debug)]
pub(super) struct KnownCodes {
    /// One bit for each code from -5 to 58, the range of nearly all codes.
    near: u64,
    /// Known codes outside that range.
    far: BTreeSet<Code>,
    /// Whether every code from 0 on is allowed.
    is_open: bool,
}

impl KnownCodes {
    /// The codes that a file may contain: those of `codebook` and the official ones.
    ///
    /// The official ones are allowed because a codebook may lack some, as the paper's question files do.
    pub(super) fn of_all(codebook: &Codebook) -> Vec<Self> {
        let own = Codebook::built_in();
        QuestionId::all().map(|id| Self::of(codebook.question(id), own.question(id))).collect()
    }

    fn of(asked: &Question, official: &Question) -> Self {
        let questions = [asked, official];
        let is_open = questions.iter().any(|question| question.options.is_empty());
        let mut known = Self { near: 0, far: BTreeSet::new(), is_open };
        let listed = questions.iter().flat_map(|question| &question.options).map(|option| option.code);
        let undocumented =
            UNDOCUMENTED.iter().filter(|(number, _)| *number == asked.id.number()).map(|(_, code)| *code);
        for code in listed.chain(undocumented).chain(MISSING.map(Code)) {
            known.add(code);
        }
        known
    }

    fn add(&mut self, code: Code) {
        match bit(code) {
            Some(bit) => self.near |= bit,
            None => {
                self.far.insert(code);
            }
        }
    }

    pub(super) fn check(&self, code: Code) -> Result<(), ValueFault> {
        let is_near = bit(code).is_some_and(|bit| self.near & bit != 0);
        let is_known = is_near || (self.is_open && !code.is_missing()) || self.far.contains(&code);
        if is_known { Ok(()) } else { Err(ValueFault::UnknownCode { known: self.describe() }) }
    }

    /// Lists the codes that are not missing codes, for an error message.
    fn describe(&self) -> String {
        if self.is_open {
            return "0 or more".to_owned();
        }
        let near = (0..=58).map(Code).filter(|&code| bit(code).is_some_and(|bit| self.near & bit != 0));
        let codes: Vec<_> = near.chain(self.far.iter().copied().filter(|code| !code.is_missing())).collect();
        match codes.as_slice() {
            [first, .., last] if codes.is_sorted_by(|a, b| a.0 + 1 == b.0) => format!("{first} to {last}"),
            _ => format!("one of {}", codes.iter().map(Code::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}

fn bit(code: Code) -> Option<u64> {
    let offset = u32::try_from(code.0.checked_sub(*MISSING.start())?).ok()?;
    1u64.checked_shl(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_integers_or_faults() {
        fn check(field: &[u8], expected: Result<i32, ValueFault>) {
            assert_eq!(parse(field), expected.map(|code| Some(Code(code))), "{}", field.escape_ascii());
        }
        for blank in ["", "  ", ".", "NA", "NaN", " NA "] {
            assert_eq!(parse(blank.as_bytes()), Ok(None), "{blank:?}");
        }
        check(b"0", Ok(0));
        check(b"7", Ok(7));
        check(b"-5", Ok(-5));
        check(b"10", Ok(10));
        check(b"-10", Ok(-10));
        check(b"276001", Ok(276_001));
        check(b"2147483647", Ok(i32::MAX));
        check(b"-2147483648", Ok(i32::MIN));
        check(b"1.0", Ok(1));
        check(b"-2.00", Ok(-2));
        check(b"1,0", Ok(1));
        check(b" 1", Ok(1));
        check(b"1.5", Err(ValueFault::Decimal));
        check(b"1.", Err(ValueFault::NotAnInteger));
        check(b".0", Err(ValueFault::NotAnInteger));
        check(b"-2.5", Err(ValueFault::Decimal));
        check(b"a", Err(ValueFault::NotAnInteger));
        check(b"+1", Err(ValueFault::NotAnInteger));
        check(b"-", Err(ValueFault::NotAnInteger));
        check(b"1e3", Err(ValueFault::NotAnInteger));
        check(b"2147483648", Err(ValueFault::NotAnInteger));
        check(b"\xff1", Err(ValueFault::NotText));
    }

    #[test]
    fn countries_are_iso_numeric_codes() {
        assert_eq!(parse_country(b"276"), Ok(Country(276)));
        for field in ["0", "-4", "1000", "70000"] {
            assert_eq!(parse_country(field.as_bytes()), Err(ValueFault::NotACountry), "{field}");
        }
        assert_eq!(parse_country(b"DEU"), Err(ValueFault::NotAnInteger));
    }

    #[test]
    fn a_question_accepts_its_own_codes_only() {
        fn check(number: u16, codes: &[i32], known: Result<(), &str>) {
            let all = KnownCodes::of_all(&Codebook::built_in());
            for &code in codes {
                let found = all[usize::from(number) - 1].check(Code(code));
                let expected = known.map_err(|known| ValueFault::UnknownCode { known: known.to_owned() });
                assert_eq!(found, expected, "Q{number} {code}");
            }
        }
        check(1, &[1, 2, 3, 4, -1, -2, -3, -4, -5], Ok(()));
        check(1, &[0, 5, -6, -9999, 58, 59, 60, i32::MAX, i32::MIN], Err("1 to 4"));
        check(223, &[0, 4, 276_001, i32::MAX, -4], Ok(()));
        check(223, &[-6], Err("0 or more"));
        check(261, &[1900, 2010, 0], Ok(()));
        check(276, &[0, 8, 9], Ok(()));
        check(275, &[9], Err("0 to 8"));
        check(280, &[9], Ok(()));
    }

    #[test]
    fn codes_outside_the_bit_range_are_known_too() {
        let own = Codebook::built_in();
        let mut question = own.questions()[0].clone();
        question.options[0].code = Code(99);
        let known = KnownCodes::of(&question, &own.questions()[0]);
        assert_eq!(known.check(Code(99)), Ok(()));
        assert_eq!(known.check(Code(98)), Err(ValueFault::UnknownCode { known: "one of 1, 2, 3, 4, 99".to_owned() }));
    }
}
