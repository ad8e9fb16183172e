//! The names of countries, and which of them the survey covers.

use std::sync::LazyLock;

use serde::Deserialize;

use super::CountryName;
use crate::id::Country;

/// The embedded table of countries; `data/countries.toml` documents it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    country: Vec<CountryName>,
    surveyed: Vec<Country>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(include_str!("../../data/countries.toml")).expect("a test checks the embedded table of countries")
});

/// All countries and territories in ascending order of their codes.
pub(super) fn names() -> &'static [CountryName] {
    &TABLE.country
}

/// The countries of the official file v6.0, in its order.
pub(super) fn surveyed() -> &'static [Country] {
    &TABLE.surveyed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_66_surveyed_countries_have_names_and_ascending_codes() {
        assert_eq!(surveyed().len(), 66);
        assert!(surveyed().is_sorted_by(|a, b| a < b));
        assert!(names().is_sorted_by(|a, b| a.code < b.code));
        for country in surveyed() {
            assert!(names().iter().any(|name| name.code == *country), "{country} has no name");
        }
    }
}
