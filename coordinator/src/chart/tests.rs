//! What holds for every form of chart.

use proptest::prelude::*;

use super::*;

/// A form of chart: its name, and what draws it.
type Form = (&'static str, Box<dyn Fn(Width) -> Svg>);

/// One chart of each form whose every label is `name`, with these values.
fn all_forms(name: &str, values: &[f64]) -> Vec<Form> {
    let heading = Heading { title: name.to_owned(), warning: format!("SIMULATED {name}"), subtitle: name.to_owned() };
    let axis = Axis { title: name.to_owned(), unit: Unit::Score, from_zero: false };
    let looks = [Look::Arm(0), Look::Published(0), Look::NoModel(0), Look::Truth];
    let series: Vec<Series> = looks.map(|look| Series { label: name.to_owned(), look }).to_vec();
    let interval = |value: f64| Value { value, interval: Some((value - 0.03, value + 0.05)) };
    let row = |at: usize| series.iter().enumerate().map(|(s, _)| values.get(at + s).copied().map(interval)).collect();
    let rows = values.iter().enumerate().map(|(at, _)| ChartRow { label: name.to_owned(), values: row(at) }).collect();
    let groups =
        values.iter().enumerate().map(|(at, _)| ChartRow { label: name.to_owned(), values: row(at) }).collect();
    let points: Vec<_> = values.iter().enumerate().map(|(at, &value)| (at as f64 * 58.0, interval(value))).collect();
    let panel = Panel { title: name.to_owned(), lines: vec![points; 2] };
    let counts: Vec<u64> = (0..values.len() as u64).collect();
    let radar = series.iter().map(|series| (series.clone(), values.iter().copied().map(Some).collect())).collect();
    let names: Vec<String> = values.iter().map(|_| name.to_owned()).collect();
    let dots =
        DotPlot { heading: heading.clone(), axis: axis.clone(), series: series.clone(), rows, last_is_all: true };
    let bars = GroupedBars { heading: heading.clone(), axis: axis.clone(), series: series.clone(), groups };
    let across = Axis { unit: Unit::Count, ..axis.clone() };
    let lines =
        Lines { heading: heading.clone(), across, up: axis.clone(), series: series.clone(), panels: vec![panel; 3] };
    let radar = Radar { heading: heading.clone(), axis, categories: names.clone(), series: radar };
    let map = HeatMap {
        heading: heading.clone(),
        rows: names.clone(),
        columns: names,
        counts: vec![counts.clone(); values.len()],
    };
    let histogram = Histogram { heading, title: name.to_owned(), series: series[0].clone(), counts };
    vec![
        ("dots", Box::new(move |width| dots.draw(width))),
        ("bars", Box::new(move |width| bars.draw(width))),
        ("lines", Box::new(move |width| lines.draw(width))),
        ("radar", Box::new(move |width| radar.draw(width))),
        ("heat map", Box::new(move |width| map.draw(width))),
        ("histogram", Box::new(move |width| histogram.draw(width))),
    ]
}

/// The tags of a drawing, each `<` up to its `>`; fails where they are not nested or an attribute holds markup.
fn tags(svg: &str) -> Vec<&str> {
    let mut open: Vec<&str> = Vec::new();
    let mut tags = Vec::new();
    for piece in svg.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').expect("a tag ends");
        assert!(!text.contains('>'), "text holds markup: {text}");
        assert!(tag.matches('"').count().is_multiple_of(2), "an attribute does not end: {tag}");
        let name = tag.trim_end_matches('/').split(' ').next().expect("a tag has a name");
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "tags are nested"),
            None if !tag.ends_with('/') => open.push(name),
            None => {}
        }
        tags.push(name);
    }
    assert!(open.is_empty(), "{open:?}");
    tags
}

#[test]
fn the_check_sees_markup_in_texts_and_attributes() {
    for broken in ["<a><b></a></b>", "<a>x</a", "<a t=\">\"></a>", "<a>", "<a>b>c</a>"] {
        assert!(std::panic::catch_unwind(|| tags(broken)).is_err(), "{broken}");
    }
    assert_eq!(tags("<a><b c=\"d\"/>e</a>"), ["a", "b", "/a"]);
}

#[test]
fn every_form_is_an_accessible_picture_with_its_warning() {
    for (form, draw) in all_forms("a name", &[0.2, 0.4, 0.9]) {
        for width in [Width::Wide, Width::Narrow] {
            let inline = draw(width).inline("figure-1");
            assert!(inline.contains("role=\"img\" aria-labelledby=\"figure-1-title figure-1-description\""), "{form}");
            assert!(inline.contains("<title id=\"figure-1-title\">a name</title>"), "{form}");
            assert!(inline.contains(">SIMULATED a name</text>"), "{form}");
            assert!(!inline.contains("style"), "{form}: a page with a strict policy allows no styles");
        }
    }
}

#[test]
fn forms() {
    for (form, draw) in all_forms("gpt-3.5-turbo", &[0.2, 0.41, 0.93]) {
        insta::assert_snapshot!(form.replace(' ', "_"), draw(Width::Wide).file());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_name_breaks_a_chart(name in "(\\PC|\\p{Cc}|[<>&\"'\u{ffff}\u{202e}]|</?(svg|text|script)>){0,40}") {
        for (_, draw) in all_forms(&name, &[0.2, 0.4, 0.9]) {
            for width in [Width::Wide, Width::Narrow] {
                let file = draw(width).file();
                for tag in tags(&file) {
                    let tag = tag.trim_start_matches('/');
                    prop_assert!(["svg", "g", "title", "desc", "style", "rect", "path", "text"].contains(&tag), "{tag}");
                }
            }
        }
    }

    #[test]
    fn no_values_break_a_chart(values in proptest::collection::vec(prop_oneof![
        -1.0..2.0, Just(f64::NAN), Just(f64::INFINITY), Just(0.0), Just(1e12), Just(-1e300), Just(1e-300),
    ], 0..8)) {
        for (form, draw) in all_forms("a", &values) {
            for width in [Width::Wide, Width::Narrow] {
                let file = draw(width).file();
                prop_assert!(!file.contains("NaN") && !file.contains("inf "), "{form}: {file}");
                tags(&file);
            }
        }
    }
}
