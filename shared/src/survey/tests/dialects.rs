//! Tables as programs and people save them.

use super::*;

/// The survey without what was unusual about its file.
fn digest(name: &str, content: impl AsRef<[u8]>) -> [u8; 32] {
    load_as(name, content).unwrap_or_else(|error| panic!("{name}: {error}")).digest()
}

#[test]
fn the_file_of_a_single_country_is_read_without_a_shift() {
    let plain = load(Table::new().text()).unwrap().digest();
    let text = Table::new().text_with(";", ";\n").replacen(";\n", "\n", 1);
    assert_eq!(digest("WVS_Wave_7_Germany_Csv_v5.0.csv", format!("\u{feff}{text}")), plain);
    assert_eq!(digest("both.csv", Table::new().text_with(";", ";\n")), plain, "the header ends so, too");
    assert_eq!(digest("header.csv", Table::new().text_with(";", "\n").replacen('\n', ";\n", 1)), plain);
    let mut labelled = Table::new();
    for name in &mut labelled.rows[0] {
        *name = format!("\"{name}: What it is\"");
    }
    assert_eq!(digest("labelled.csv", labelled.text_with(";", ";\n")), plain);
}

#[test]
fn tables_are_read_as_programs_save_them() {
    let table = Table::new().with(2, "Q1", "3").with(3, "Q261", "1984");
    let plain = load(table.text()).unwrap().digest();
    let title = "World Values Survey, Wave 7\n\n\"cite as: Q1, Q2\"\n";
    let utf16 = |text: &str| format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    for (name, content, separator, lines_above) in [
        ("semicolons.csv", table.text_with(";", "\r\n").into_bytes(), Some(';'), 0),
        ("tabs.txt", table.text_with("\t", "\n").into_bytes(), Some('\t'), 0),
        ("title.csv", (title.to_owned() + &table.text()).into_bytes(), None, 3),
        ("unicode.txt", utf16(&table.text_with("\t", "\r\n")), Some('\t'), 0),
        ("unicode.txt.gz", gz(&utf16(&table.text())), None, 0),
    ] {
        let survey = load_as(name, content).unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = AsRead { separator, lines_above, ids_from: None, blanks: 0 };
        assert_eq!((survey.digest(), survey.as_read()), (plain, &expected), "{name}");
    }
    // A line number counts what stands above the header.
    check("title.csv", title.to_owned() + &table.with(3, "Q5", "x").text(), &["line 6, column Q5"]);
}

#[test]
fn codes_are_read_as_data_frames_write_them() {
    let mut table = Table::new();
    for name in table.rows[0].clone().iter().filter(|name| name.parse::<QuestionId>().is_ok()) {
        table.set(2, name, "1.0");
    }
    table.rows.iter_mut().zip(["", "0", "1"]).for_each(|(row, number)| row.insert(0, number.to_owned()));
    assert_eq!(digest("frame.csv", table.text()), load(Table::new().text()).unwrap().digest());

    for (at, blank) in (1..).zip(["", "NA", ".", " ", "NaN"]) {
        table.set(3, &format!("Q{at}"), blank);
    }
    let survey = load(table.text()).unwrap();
    assert_eq!((survey.as_read().blanks, survey.code(row(2), question(3))), (5, Code(-5)));
    table.rows.push(vec![String::new(); table.rows[0].len()]);
    assert_eq!(load(table.text()).unwrap().respondents(), 2, "a row without values is nobody");
    check("frame.csv", table.with(3, "Q7", "1.5").text(), &["line 3, column Q7: \"1.5\" has a fraction", "1.0"]);
}
