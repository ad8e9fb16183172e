//! Tests of the synthetic survey: format, missing answers, consistency and correlations.

use std::collections::BTreeMap;

use serde_json::Value;
use valuesim_shared::id::{Code, Country, QUESTIONS, QuestionId, Respondent};

use super::*;
use crate::traits::TraitModel;

const SMALL: Synth = Synth { respondents: 400, seed: 1 };

fn csv(synth: Synth) -> String {
    let mut bytes = Vec::new();
    synth.write_csv(&mut bytes).expect("a vector takes all bytes");
    String::from_utf8(bytes).expect("UTF-8")
}

fn fixture(name: &str) -> Value {
    let path = format!("{}/../tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("the fixture is there")).expect("JSON")
}

fn code(row: &SynthRow, question: usize) -> Code {
    row.codes[question - 1]
}

/// The fields of a line; no quoted field contains a quote.
fn fields(line: &str) -> Vec<&str> {
    let mut quoted = false;
    line.split(|c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .collect()
}

#[test]
fn the_header_is_the_official_one() {
    let columns = fixture("wvs7_v6_columns.json");
    let names: Vec<_> = columns["columns"].as_array().expect("a list").iter().map(|c| c[0].as_str()).collect();
    let text = csv(Synth { respondents: 0, seed: 1 });
    let header: Vec<_> = text.trim_end().split(',').map(Some).collect();
    assert_eq!(header, names);
}

#[test]
fn every_line_has_all_columns_with_their_official_types() {
    let columns = fixture("wvs7_v6_columns.json");
    let columns = columns["columns"].as_array().expect("a list");
    let text = csv(SMALL);
    for (number, line) in text.lines().enumerate().skip(1) {
        let fields = fields(line);
        assert_eq!(fields.len(), columns.len(), "line {number}");
        for (field, column) in fields.iter().zip(columns) {
            let (name, blank) = (column[0].as_str().expect("text"), column[2].as_f64().expect("a share"));
            let fits = match column[1].as_str().expect("text") {
                "int" => field.parse::<i32>().is_ok(),
                "float" if !field.is_empty() => field.contains('.') && field.parse::<f64>().is_ok(),
                _ => !field.is_empty() || blank > 0.0,
            };
            assert!(fits, "line {number}, {name}: {field:?}");
        }
    }
}

#[test]
fn the_file_says_that_it_is_synthetic() {
    let text = csv(Synth { respondents: 1, seed: 1 });
    let line = fields(text.lines().nth(1).expect("one respondent"));
    assert!(line[0].starts_with("synthetic") && line[1].starts_with("synthetic"), "{:?}", &line[..2]);
    assert!(SMALL.survey().is_synthetic());
}

#[test]
fn the_seed_determines_the_survey() {
    assert_eq!(csv(SMALL), csv(SMALL));
    assert_ne!(csv(SMALL), csv(Synth { seed: 2, ..SMALL }));
}

#[test]
fn the_survey_in_memory_equals_the_written_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("survey.csv");
    SMALL.write_csv(std::fs::File::create(&file).expect("a new file")).expect("space on the disk");
    let loaded = Survey::load(&file, &Codebook::built_in()).expect("a synthetic survey loads");
    let built = SMALL.survey();
    assert_eq!(loaded.digest(), built.digest());
    assert_eq!((loaded.respondents(), loaded.edition()), (built.respondents(), built.edition()));
    let last = Respondent::from_index(loaded.respondents() - 1);
    for question in QuestionId::all() {
        assert_eq!(loaded.code(last, question), built.code(last, question));
    }
}

#[test]
fn countries_are_in_official_order() {
    let countries: Vec<_> = SMALL.rows().map(|row| row.country).collect();
    assert_eq!(countries.len(), 400);
    assert!(countries.is_sorted());
    let mut distinct = countries;
    distinct.dedup();
    assert_eq!(distinct, Codebook::surveyed());
}

#[test]
fn the_codebook_accepts_every_code() {
    let codebook = Codebook::built_in();
    for row in (Synth { respondents: 1500, seed: 3 }).rows() {
        for (entry, &code) in codebook.questions().iter().zip(&row.codes) {
            let is_official = if code.is_missing() { entry.missing.contains(&code) } else { entry.accepts(code) };
            assert!(is_official, "{} = {code}", entry.id);
        }
    }
}

#[test]
fn about_5_percent_of_the_answers_are_missing() {
    let synth = Synth { respondents: 2000, seed: 4 };
    let mut by_code = BTreeMap::new();
    for row in synth.rows() {
        for code in row.codes.into_iter().filter(|code| code.is_missing()) {
            *by_code.entry(code).or_insert(0_u32) += 1;
        }
    }
    let share = f64::from(by_code.values().sum::<u32>()) / (f64::from(synth.respondents) * QUESTIONS as f64);
    assert!((0.04..0.07).contains(&share), "{share}");
    let most = |code| by_code[&Code(code)];
    assert!(most(-1) > most(-2) && most(-2) > most(-5) && most(-3) > 0 && most(-4) > 0, "{by_code:?}");
}

#[test]
fn questions_are_answered_as_often_as_in_the_official_file() {
    let facts = fixture("questions.json");
    let synth = Synth { respondents: 2000, seed: 5 };
    let mut answered = [0_u32; QUESTIONS];
    for row in synth.rows() {
        answered.iter_mut().zip(row.codes).for_each(|(count, code)| *count += u32::from(!code.is_missing()));
    }
    for question in QuestionId::all() {
        let wanted = facts[question.to_string()]["valid_share_v6_n500"].as_f64().expect("a share");
        let share = f64::from(answered[question.index()]) / f64::from(synth.respondents);
        // Whole countries skip a question, so the share varies in large steps.
        assert!((share - wanted).abs() < 0.17, "{question}: {share} instead of {wanted}");
    }
}

#[test]
fn the_facts_of_a_respondent_are_consistent() {
    let valid =
        |row: &SynthRow, question| Some(code(row, question)).filter(|code| !code.is_missing()).map(|code| code.0);
    let text = csv(Synth { respondents: 1500, seed: 6 });
    let years = text.lines().skip(1).map(|line| fields(line)[3].parse::<i32>().expect("a year"));
    for (row, year) in (Synth { respondents: 1500, seed: 6 }).rows().zip(years) {
        let country = i32::from(row.country.0);
        if let (Some(born), Some(age)) = (valid(&row, 261), valid(&row, 262)) {
            assert!((0..=1).contains(&(year - born - age)), "born {born}, {age} in {year}");
        }
        for question in [223, 290] {
            assert!(valid(&row, question).is_none_or(|code| code / 1000 == country && code % 1000 > 0));
        }
        if let (Some(moved), Some(from)) = (valid(&row, 263), valid(&row, 266)) {
            assert_eq!(moved == 1, from == country, "from {from} in {country}");
        }
        if let (Some(people), Some(children)) = (valid(&row, 270), valid(&row, 274)) {
            assert!((1..=63).contains(&people) && (0..=24).contains(&children));
        }
        let has_no_spouse = code(&row, 276) == Code(-3);
        assert!(!has_no_spouse || valid(&row, 273).is_none_or(|status| status > 2));
    }
}

/// The correlation of the valid answers to two questions.
fn correlation(rows: &[SynthRow], one: usize, other: usize) -> f64 {
    let pairs: Vec<_> = rows
        .iter()
        .map(|row| (code(row, one), code(row, other)))
        .filter(|(a, b)| !a.is_missing() && !b.is_missing())
        .map(|(a, b)| (f64::from(a.0), f64::from(b.0)))
        .collect();
    let mean = |value: fn(&(f64, f64)) -> f64| pairs.iter().map(value).sum::<f64>() / pairs.len() as f64;
    let (a, b) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let covariance = mean(|pair| pair.0 * pair.1) - a * b;
    covariance / ((mean(|pair| pair.0 * pair.0) - a * a) * (mean(|pair| pair.1 * pair.1) - b * b)).sqrt()
}

#[test]
fn answers_correlate_within_and_across_sections() {
    let rows: Vec<_> = Synth { respondents: 1500, seed: 7 }.rows().collect();
    for (one, other, least, most) in [
        (69, 70, 0.2, 0.8),     // confidence in police and courts
        (165, 168, 0.3, 0.9),   // belief in God and heaven
        (182, 184, 0.3, 0.9),   // homosexuality and abortion
        (29, 31, 0.3, 0.9),     // men as leaders, in politics and business
        (49, 50, 0.2, 0.9),     // satisfaction with life and with money
        (6, 164, -0.9, -0.4),   // religion matters, God matters: opposite codes, across sections
        (164, 184, -0.7, -0.1), // God matters, abortion is justifiable
        (262, 274, 0.1, 0.9),   // age and children
        (51, 199, -0.15, 0.15), // hunger and interest in politics: unrelated
    ] {
        let found = correlation(&rows, one, other);
        assert!((least..most).contains(&found), "Q{one}, Q{other}: {found}");
    }
}

#[test]
fn countries_differ() {
    let mut sums: BTreeMap<Country, (f64, f64)> = BTreeMap::new();
    for row in (Synth { respondents: 6000, seed: 8 }).rows().filter(|row| !code(row, 164).is_missing()) {
        let (sum, count) = sums.entry(row.country).or_default();
        *sum += f64::from(code(&row, 164).0);
        *count += 1.0;
    }
    let mean = |country| {
        let (sum, count) = sums[&Country(country)];
        sum / count
    };
    // The importance of God in Egypt, China and the Netherlands.
    assert!(mean(818) > mean(156) + 2.0 && mean(818) > mean(528) + 2.0, "{} {} {}", mean(818), mean(156), mean(528));
}

/// The most frequent code in these rows.
fn mode(rows: &[SynthRow], question: usize) -> Code {
    let mut counts = BTreeMap::new();
    for row in rows.iter().filter(|row| !code(row, question).is_missing()) {
        *counts.entry(code(row, question)).or_insert(0_u32) += 1;
    }
    counts.into_iter().max_by_key(|&(_, count)| count).expect("somebody answered").0
}

/// The accuracy of predicting each fifth of the questions, by the most frequent answer and by the most likely answer
/// given `known` answers to the other questions.
fn accuracies(rows: &[SynthRow], known: usize) -> (f64, f64) {
    let (codebook, model) = (Codebook::built_in(), TraitModel::new(&Codebook::built_in()));
    let modes: Vec<_> = (1..=QUESTIONS).map(|question| mode(rows, question)).collect();
    let (mut asked, mut by_mode, mut by_traits) = (0, 0, 0);
    for (row, fold) in rows.iter().zip((0..5).cycle()) {
        let known_answers: Vec<_> = QuestionId::all()
            .filter(|question| question.index() % 5 != fold)
            .map(|question| (question, row.codes[question.index()]))
            .take(known)
            .collect();
        let traits = model.estimate(&known_answers);
        for question in QuestionId::all().filter(|question| question.index() % 5 == fold) {
            let truth = row.codes[question.index()];
            if truth.is_missing() || codebook.question(question).options.is_empty() {
                continue;
            }
            let odds = model.probabilities(question, &traits);
            let likely = (0..odds.len()).max_by(|&a, &b| odds[a].total_cmp(&odds[b])).expect("there are options");
            asked += 1;
            by_mode += u32::from(truth == modes[question.index()]);
            by_traits += u32::from(truth == codebook.question(question).options[likely].code);
        }
    }
    (f64::from(by_mode) / f64::from(asked), f64::from(by_traits) / f64::from(asked))
}

#[test]
fn knowing_a_person_beats_the_most_frequent_answer() {
    let rows: Vec<_> = Synth { respondents: 500, seed: 9 }.rows().collect();
    let (by_mode, with_all) = accuracies(&rows, 232);
    let (_, with_some) = accuracies(&rows, 40);
    println!("mode {by_mode:.3}, 40 answers known {with_some:.3}, 232 answers known {with_all:.3}");
    assert!((0.43..0.52).contains(&by_mode), "{by_mode}");
    assert!(with_all > by_mode + 0.05 && with_all > with_some + 0.01, "{by_mode} {with_some} {with_all}");
}
