//! Reads Prometheus' text format strictly, and checks that metrics are served as they are declared.

use std::collections::{BTreeMap, BTreeSet};

use valuesim_shared::telemetry::metrics;

/// What the names of a family's samples end with.
const SUFFIXES: [&str; 4] = ["", "_bucket", "_sum", "_count"];

type Labels = BTreeMap<String, String>;

/// The metrics of a process at one moment.
pub(crate) struct Exposition {
    /// Type and help, by name.
    families: BTreeMap<String, (String, String)>,
    samples: BTreeMap<(String, Labels), f64>,
}

impl Exposition {
    pub(crate) fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends with a line break");
        let mut this = Self { families: BTreeMap::new(), samples: BTreeMap::new() };
        let (mut help, mut family) = (None, String::new());
        for line in text.lines() {
            if let Some(about) = line.strip_prefix("# HELP ") {
                help = Some(about.split_once(' ').expect("a name with a text"));
            } else if let Some(about) = line.strip_prefix("# TYPE ") {
                let (name, kind) = about.split_once(' ').expect("a name with a type");
                let (helped, text) = help.take().expect("a help before each type");
                assert_eq!(helped, name);
                let before = this.families.insert(name.to_owned(), (kind.to_owned(), text.to_owned()));
                assert!(before.is_none(), "{name} is declared twice");
                name.clone_into(&mut family);
            } else {
                let (sample, labels, value) = sample(line);
                let of_family =
                    [family.clone(), family.clone() + "_bucket", family.clone() + "_sum", family.clone() + "_count"];
                assert!(of_family.contains(&sample), "{sample} is among the samples of {family}");
                let before = this.samples.insert((sample.clone(), labels), value);
                assert!(before.is_none(), "a duplicate: {line}");
            }
        }
        this.check();
        this
    }

    fn check(&self) {
        for (name, (kind, help)) in &self.families {
            let declared = metrics::ALL.iter().find(|metric| metric.name == name);
            let declared = declared.unwrap_or_else(|| panic!("{name} is not declared"));
            assert_eq!((kind, help.as_str()), (&declared.kind.to_string(), declared.help), "{name}");
            if kind == "histogram" {
                self.check_histogram(name);
            }
        }
        for ((name, labels), value) in &self.samples {
            let is_of = |family: &str| name.strip_prefix(family).is_some_and(|rest| SUFFIXES.contains(&rest));
            let declared = metrics::ALL.iter().find(|metric| is_of(metric.name)).expect("its family is declared");
            let found: BTreeSet<&str> = labels.keys().map(String::as_str).filter(|label| *label != "le").collect();
            assert_eq!(found, declared.labels.iter().copied().collect(), "{name}");
            assert!(value.is_finite() && *value >= 0.0, "{name} {labels:?} is {value}");
        }
    }

    /// Buckets are cumulative, and the last one counts all observations.
    fn check_histogram(&self, name: &str) {
        let mut series: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        for ((_, labels), value) in self.samples.iter().filter(|((sample, _), _)| *sample == format!("{name}_bucket")) {
            let mut labels = labels.clone();
            let bound = labels.remove("le").expect("a bucket has a bound").parse().expect("a number");
            series.entry(labels).or_default().push((bound, *value));
        }
        for (labels, mut buckets) in series {
            buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(buckets.is_sorted_by(|one, other| one.1 <= other.1), "{name} {labels:?}: {buckets:?}");
            let all = self.samples[&(format!("{name}_count"), labels)];
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, all)), "{name}");
        }
    }

    /// The sum of the samples with this name and these labels; none if there is no such sample.
    pub(crate) fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |of: &Labels| labels.iter().all(|(label, value)| of.get(*label).is_some_and(|found| found == value));
        let found: Vec<f64> =
            self.samples.iter().filter(|((n, of), _)| n == name && fits(of)).map(|(_, value)| *value).collect();
        (!found.is_empty()).then(|| found.iter().sum())
    }

    /// The same, but 0 if there is no such sample.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels).unwrap_or_default()
    }

    /// The name, type, labels and help of each family, one per line.
    pub(crate) fn contents(&self) -> String {
        let of_family = |name: &str| -> BTreeSet<&str> {
            let is_of = |sample: &str| sample.strip_prefix(name).is_some_and(|rest| ["", "_count"].contains(&rest));
            self.samples
                .keys()
                .filter(|(sample, _)| is_of(sample))
                .flat_map(|(_, of)| of.keys().map(String::as_str))
                .collect()
        };
        let line = |(name, (kind, help)): (&String, &(String, String))| {
            let labels: Vec<&str> = of_family(name).into_iter().collect();
            format!("{kind} {name}{{{}}}: {help}\n", labels.join(","))
        };
        self.families.iter().map(line).collect()
    }
}

/// The name, labels and value of a line. No label here contains quotes or backslashes.
fn sample(line: &str) -> (String, Labels, f64) {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let value = value.parse().expect("a number");
    let Some((name, labels)) = series.split_once('{') else { return (series.to_owned(), Labels::new(), value) };
    let labels = labels.strip_suffix('}').expect("a closing bracket");
    let label = |label: &str| {
        let (name, value) = label.split_once("=\"").expect("a label with a value");
        (name.to_owned(), value.strip_suffix('"').expect("a closing quote").to_owned())
    };
    (name.to_owned(), labels.split(',').map(label).collect(), value)
}
