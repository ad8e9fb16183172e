//! What reports say in each format, whatever names others gave.

use proptest::prelude::*;

use super::super::fixture::full;
use super::*;
use crate::call_dates::{CallDates, Day};
use crate::fixture;

fn file(files: &[ReportFile], path: &str) -> String {
    let found = files.iter().find(|file| file.path == path);
    found.unwrap_or_else(|| panic!("{path} is not among {:?}", paths(files))).text.clone()
}

fn paths(files: &[ReportFile]) -> Vec<&str> {
    files.iter().map(|file| file.path.as_str()).collect()
}

fn all(runs: &[Results]) -> Vec<ReportFile> {
    publish(runs, &Format::ALL).expect("can be reported")
}

#[test]
fn files() {
    insta::assert_snapshot!(paths(&all(&[full("gpt-3.5-turbo")])).join("\n"));
}

#[test]
fn as_markdown() {
    insta::assert_snapshot!(file(&all(&[full("gpt-3.5-turbo")]), "report.md"));
}

#[test]
fn the_methods_paragraph_says_when_the_calls_were_made() {
    let check = |dates: Option<(&str, &str)>, expected: &str| {
        let day = |text: &str| text.parse::<Day>().expect("a day");
        let call_dates = dates.map(|(first, last)| CallDates { first: day(first), last: day(last) });
        let report = file(&all(&[Results { call_dates, ..full("m") }]), "report.md");
        assert!(report.contains(expected), "{expected} is not in {report}");
    };
    check(Some(("2026-11-27", "2026-12-03")), "The cells were finished from 2026-11-27 to 2026-12-03 (UTC).");
    check(Some(("2026-11-27", "2026-11-27")), "All cells were finished on 2026-11-27 (UTC).");
    check(None, "The calls were made in \\[COMPLETE: dates\\].");
}

#[test]
fn as_latex() {
    let files = all(&[full("gpt-3.5-turbo_100%")]);
    insta::assert_snapshot!(file(&files, "tables.tex"));
    insta::assert_snapshot!("as_bibtex", file(&files, "references.bib"));
}

#[test]
fn as_csv() {
    let files = all(&[full("gpt-3.5-turbo")]);
    let table = |name: &str| format!("{name}\n{}", file(&files, &format!("tables/{name}.csv")));
    let tables = ["tests-1", "groups-1-q260", "all-questions-1", "published-mae-of-ablations"];
    insta::assert_snapshot!(tables.map(table).join("\n"));
}

#[test]
fn numbers_of_a_csv_file_are_those_of_the_results() {
    let results = full("m");
    let table = file(&all(std::slice::from_ref(&results)), "tables/accuracy-by-category.csv");
    let overall = results.arms[0].score.overall.per_person.accuracy.expect("is known").mean;
    let row = table.lines().find(|line| line.starts_with("valuesim / m,")).expect("is there");
    assert!(row.contains(&format!(",{overall},")), "{row} lacks {overall}");
}

#[test]
fn a_spreadsheet_takes_no_name_for_a_formula() {
    let table = file(&all(&[full("=1+1")]), "tables/sample-1-1.csv");
    assert!(table.contains("\n'=1+1,"), "{table}");
}

#[test]
fn the_page_is_whole_and_loads_nothing() {
    let page = file(&all(&[full("m")]), "report.html");
    let tags = tags(&page);
    let count = |name: &str| tags.iter().filter(|tag| **tag == name).count();
    for (name, expected) in [("html", 1), ("h1", 1), ("main", 1), ("nav", 1), ("style", 1), ("script", 1)] {
        assert_eq!(count(name), expected, "{name}");
    }
    assert_eq!(count("table"), count("thead"));
    assert!(count("table") > 10 && count("figure") > 5 && count("svg") == 2 * count("figure"));
    for forbidden in ["src=", "http:", "https:", "url(", "@import", "style=", "onclick", "javascript:"] {
        assert!(!page.contains(forbidden), "the page has {forbidden}");
    }
}

#[test]
fn the_pages_policy_allows_its_own_style_and_script_alone() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let page = file(&all(&[full("m")]), "report.html");
    let between = |start: &str, end: &str| {
        let from = page.find(start).expect("is there") + start.len();
        page[from..from + page[from..].find(end).expect("ends")].to_owned()
    };
    let policy = between("Content-Security-Policy\" content=\"", "\"");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    for (name, text) in [("style", between("<style>", "</style>")), ("script", between("<script>", "</script>"))] {
        let digest = base64::prelude::BASE64_STANDARD.encode(sha2::Sha256::digest(text.as_bytes()));
        assert!(policy.contains(&format!("{name}-src 'sha256-{digest}'")), "{name}: {policy}");
    }
}

#[test]
fn ids_are_unique_and_links_lead_somewhere() {
    let page = file(&all(&[full("m")]), "report.html");
    let values = |attribute: &str| -> Vec<String> {
        let start = format!(" {attribute}=\"");
        page.split(start.as_str()).skip(1).map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
    };
    let ids = values("id");
    let different: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "{ids:?}");
    let links = values("href").into_iter().map(|link| link.trim_start_matches('#').to_owned());
    let named =
        values("aria-labelledby").into_iter().flat_map(|ids| ids.split(' ').map(str::to_owned).collect::<Vec<_>>());
    for id in links.chain(named) {
        assert!(ids.contains(&id), "{id} is not there");
    }
}

#[test]
fn everything_says_what_is_simulated() {
    let run = Results { simulated: true, synthetic_survey: true, ..full("m") };
    let files = all(std::slice::from_ref(&run));
    for file in files.iter().filter(|file| !file.path.contains("published") && file.path != "references.bib") {
        assert!(file.text.contains("SIMULATED"), "{}", file.path);
    }
    let document = document(&Lineup::new(std::slice::from_ref(&run)));
    for table in document.tables().filter(|table| !table.id.starts_with("published")) {
        assert!(table.title.contains("SIMULATED - SYNTHETIC SURVEY"), "{}", table.title);
    }
}

#[test]
fn the_papers_numbers_stand_where_they_are_expected() {
    let run = full("gpt-3.5-turbo");
    let document = document(&Lineup::new(std::slice::from_ref(&run)));
    let title = |number| document.tables().find(|table| table.number == Some(number)).map(|table| table.title.clone());
    assert!(title(1).is_some_and(|title| title.starts_with("MAE")), "{:?}", title(1));
    assert!(title(3).is_some_and(|title| title.starts_with("Accuracy")), "{:?}", title(3));
    let mut numbers: Vec<_> = document.tables().map(|table| table.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), document.tables().count(), "each number once");
}

#[test]
fn published_figures_stand_beside_a_run_unless_there_is_a_reason() {
    let page = |run| file(&all(&[run]), "report.md");
    assert!(page(full("gpt-3.5-turbo")).contains("| paper: ValueSim / GPT-3.5-Turbo |"));
    let reasons = vec!["the survey is not the official file".to_owned()];
    let elsewhere = page(Results { published_elsewhere: reasons, ..full("gpt-3.5-turbo") });
    assert!(!elsewhere.contains("| paper: ValueSim / GPT-3.5-Turbo |"), "{elsewhere}");
    assert!(elsewhere.contains("| ValueSim / GPT-3.5-Turbo |"), "they are in the appendix");
    assert!(elsewhere.contains("- the survey is not the official file"));
}

#[test]
fn several_runs_stand_side_by_side_and_name_themselves() {
    let first = full("m");
    let mut second = full("m");
    second.run = valuesim_shared::id::RunId("other-0123456789ab".to_owned());
    let report = file(&all(&[first, second]), "report.md");
    for expected in ["| valuesim / m (demo-0123456789ab) |", "| valuesim / m (other-0123456789ab) |", "| mode | "] {
        assert!(report.contains(expected), "{expected}");
    }
}

#[test]
fn runs_of_different_surveys_make_no_report() {
    let first = full("m");
    let mut second = full("m");
    second.run = valuesim_shared::id::RunId("other".to_owned());
    second.provenance = vec!["survey digest: 0000".to_owned()];
    let error = publish(&[first.clone(), second], &Format::ALL).expect_err("cannot");
    assert!(error.to_string().contains("runs demo-0123456789ab and other are of different survey files"), "{error}");
    let error = publish(&[first.clone(), first], &Format::ALL).expect_err("cannot");
    assert!(error.to_string().contains("is named twice"), "{error}");
    assert!(publish(&[], &Format::ALL).is_err());
}

#[test]
fn results_without_arms_that_ask_a_model_make_a_report() {
    let mut run = fixture::results("m");
    run.arms.retain(|arm| arm.arm.model.is_none());
    tags(&file(&all(&[run]), "report.html"));
}

/// The tags of a page, each with the tag that it closes.
fn tags(page: &str) -> Vec<String> {
    const WITHOUT_END: [&str; 2] = ["meta", "!doctype"];
    let (head, script) = page.split_once("<script>").expect("there is a script");
    let (_, tail) = script.split_once("</script>").expect("the script ends");
    let page = format!("{head}<script></script>{tail}");
    let (mut open, mut tags): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for piece in page.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').expect("a tag ends");
        assert!(!text.contains('>') || tag == "style", "text holds markup: {text}");
        let name = tag.trim_end_matches('/').split([' ', '\n']).next().unwrap_or_default();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "tags are nested");
        } else if !tag.ends_with('/') && !WITHOUT_END.contains(&name) {
            open.push(name.to_owned());
        }
        tags.push(name.to_owned());
    }
    assert!(open.is_empty(), "{open:?}");
    tags
}

const HOSTILE: &str =
    "(\\PC|\\p{Cc}|[<>&\"'|`*_\\[\\]\\\\{}$#%~^\u{ffff}\u{202e}]|</?(td|script|style)>|\\\\input\\{x\\}){1,30}";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_name_breaks_the_page(name in HOSTILE) {
        let expected = tags(&file(&all(&[full("harmless")]), "report.html"));
        let found = tags(&file(&all(&[full(&name)]), "report.html"));
        // How a chart breaks its lines depends on names; what the page is made of does not.
        let is_of_page = |tag: &&String| !["text", "/text", "code", "/code", "g", "/g"].contains(&tag.trim());
        let of_page = |tags: &[String]| tags.iter().filter(is_of_page).cloned().collect::<Vec<_>>();
        prop_assert_eq!(of_page(&found), of_page(&expected));
    }

    #[test]
    fn no_name_breaks_a_table_of_markdown(name in HOSTILE) {
        let report = file(&all(&[full(&name)]), "report.md");
        let mut columns = None;
        for line in report.lines() {
            if !line.starts_with("| ") {
                columns = None;
                continue;
            }
            let bars = line.replace("\\\\", "").replace("\\|", "").matches('|').count();
            prop_assert_eq!(*columns.get_or_insert(bars), bars, "{}", line);
        }
    }

    #[test]
    fn no_name_is_a_command_of_latex(name in HOSTILE) {
        let harmless = file(&all(&[full("harmless")]), "tables.tex");
        let hostile = file(&all(&[full(&name)]), "tables.tex");
        let lines = |text: &str| text.lines().map(|line| line.matches('&').count() - line.matches("\\&").count()).collect::<Vec<_>>();
        prop_assert_eq!(lines(&hostile), lines(&harmless));
        prop_assert!(!hostile.contains("\\input"));
        let depth = |text: &str| text.replace("\\{", "").replace("\\}", "").chars().fold(0_i64, |depth, c| match c {
            '{' => depth + 1,
            '}' => depth - 1,
            _ => depth,
        });
        prop_assert_eq!(depth(&hostile), 0);
    }
}
