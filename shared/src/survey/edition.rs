//! Recognises the release of a survey file, so that a row number always means the same respondent.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The edition of a survey file. A row number identifies a respondent only together with the edition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edition {
    /// The release.
    pub release: Release,
    /// The text of the `version` column.
    pub version: String,
}

/// The releases that are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Release {
    /// The official cross-national file v6.0.
    V6,
    /// The official cross-national file v5.0.
    V5,
    /// Synthetic data, labelled as such.
    Synthetic,
    /// Another survey in the same format, of any size.
    Other,
}

/// The ends of the DOIs of the official releases, and the beginnings of their version texts.
const OFFICIAL: [(Release, &str, &str); 2] = [(Release::V6, "18241.24", "6-0"), (Release::V5, "18241.20", "5-0")];

impl Edition {
    /// The edition of a file with this `version` and `doi` and `rows` respondents.
    ///
    /// The number of rows decides only if neither text is known.
    pub fn recognise(version: &str, doi: &str, rows: usize) -> Self {
        Self { release: Release::recognise(version, doi, rows), version: version.to_owned() }
    }
}

impl Release {
    /// The number of respondents, for an official release.
    pub const fn rows(self) -> Option<usize> {
        match self {
            Self::V6 => Some(97_220),
            Self::V5 => Some(94_278),
            Self::Synthetic | Self::Other => None,
        }
    }

    fn recognise(version: &str, doi: &str, rows: usize) -> Self {
        if version.to_ascii_lowercase().contains("synthetic") || doi.to_ascii_lowercase().contains("synthetic") {
            return Self::Synthetic;
        }
        let by_text = OFFICIAL.iter().find(|(_, end, start)| begins(version, start) || doi.trim().ends_with(end));
        let by_rows = || OFFICIAL.iter().find(|(release, ..)| release.rows() == Some(rows));
        by_text.or_else(by_rows).map_or(Self::Other, |(release, ..)| *release)
    }
}

/// Whether a version text begins with the version `start`: `6-0-0 (2024-04-30)`, `v6.0`, `6_0`, but not `6-01`.
fn begins(version: &str, start: &str) -> bool {
    let plain = version.trim().trim_start_matches(['v', 'V']).replace(['.', '_'], "-");
    plain.strip_prefix(start).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V6 => "the cross-national file v6.0",
            Self::V5 => "the cross-national file v5.0",
            Self::Synthetic => "a synthetic survey",
            Self::Other => "a survey in the cross-national format",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_rows_decides_only_if_the_texts_are_unknown() {
        fn check(version: &str, doi: &str, rows: usize, expected: Release) {
            assert_eq!(Release::recognise(version, doi, rows), expected, "{version:?} {doi:?} {rows}");
        }
        check("6-0-0 (2024-04-30)", "doi.org/10.14281/18241.24", 97_220, Release::V6);
        check("6-0-0", "", 5, Release::V6);
        check("6-0", "", 5, Release::V6);
        check("v6.0", "", 5, Release::V6);
        check(" 6_0 ", "", 5, Release::V6);
        check("5-0-0 (2022-05-20)", "", 5, Release::V5);
        check("", "doi.org/10.14281/18241.24", 5, Release::V6);
        check("unknown", "https://doi.org/10.14281/18241.20", 5, Release::V5);
        check("synthetic 6-0, seed 1", "", 97_220, Release::Synthetic);
        check("6-0-0", "synthetic", 5, Release::Synthetic);
        check("6-01", "", 5, Release::Other);
        check("16-0", "", 5, Release::Other);
        check("", "", 97_220, Release::V6);
        check("", "", 94_278, Release::V5);
        check("", "", 94_277, Release::Other);
        check("7-0-0 (2026-01-01)", "doi.org/10.14281/18241.30", 5, Release::Other);
    }
}
