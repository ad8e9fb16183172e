//! Properties of the loader: no file makes it panic, and it reads back the survey that was written.

use proptest::prelude::*;

use super::*;

/// Respondents whose answers are codes of the codebook, or missing.
fn respondents() -> impl Strategy<Value = Vec<(u16, Vec<i32>)>> {
    let answer = |question: &crate::codebook::Question| match question.options.as_slice() {
        [] => (-5..=1_000_000).boxed(),
        options => {
            let codes = options.iter().map(|option| option.code.0).chain(-5..=-1).collect::<Vec<_>>();
            prop::sample::select(codes).boxed()
        }
    };
    let row = Codebook::built_in().questions().iter().map(answer).collect::<Vec<_>>();
    prop::collection::vec((1..=999_u16, row), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_load_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(load(&bytes).is_err());
        prop_assert!(load_as("survey.csv.gz", gz(&bytes)).is_err());
    }

    #[test]
    fn damaged_files_load_or_are_refused(
        packing in 0..3,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        kept in any::<prop::sample::Index>(),
    ) {
        let text = Table::new().text().into_bytes();
        let mut content = match packing {
            0 => text,
            1 => gz(&text),
            _ => zip(&[("survey.csv", &text)]),
        };
        for (index, byte) in damage {
            let position = index.index(content.len());
            content[position] = byte;
        }
        content.truncate(kept.index(content.len() * 2).min(content.len()));
        if let Ok(survey) = load(&content) {
            prop_assert!(survey.respondents() <= 2);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_survey_is_read_back_as_it_was_built(rows in respondents()) {
        let mut table = Table::new();
        table.rows.truncate(2);
        let template = table.rows.pop().unwrap();
        let mut builder = SurveyBuilder::new();
        for (line, (country, codes)) in (2..).zip(&rows) {
            table.rows.push(template.clone());
            table.set(line, "B_COUNTRY", &country.to_string());
            for (id, code) in QuestionId::all().zip(codes) {
                table.set(line, &id.to_string(), &code.to_string());
            }
            let codes: Vec<_> = codes.iter().copied().map(Code).collect();
            builder.push(Country(*country), codes.as_slice().try_into().unwrap());
        }
        let built = builder.finish("synthetic");
        let version = table.position("version");
        table.rows[1..].iter_mut().for_each(|row| "synthetic".clone_into(&mut row[version]));
        let loaded = load(table.text()).unwrap();
        prop_assert_eq!(loaded.digest(), built.digest());
        for (index, (country, codes)) in rows.iter().enumerate() {
            let respondent = Respondent::from_index(index);
            prop_assert_eq!(loaded.country(respondent), Country(*country));
            let read: Vec<_> = QuestionId::all().map(|id| loaded.code(respondent, id).0).collect();
            prop_assert_eq!(&read, codes);
        }
    }
}
