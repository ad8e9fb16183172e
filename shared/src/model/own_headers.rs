//! Headers that a user adds to the requests for a model. Their values are secrets, in the environment or in files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::problems::{SettingsProblems, is_key_name, is_variable};
use crate::permit::KeyName;

/// Headers by their names.
pub type OwnHeaders = BTreeMap<String, HeaderSource>;

/// The most headers of one model.
const MAX_HEADERS: usize = 16;

/// The longest name of a header, in bytes.
const MAX_NAME: usize = 64;

/// Headers that the program or its HTTP library sets.
const TAKEN: [&str; 9] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "host",
    "proxy-authorization",
    "transfer-encoding",
    "x-session-id",
];

/// Where a header's value is. Never the value.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "expected { env = \"VARIABLE\" } or { file = \"PATH\" }, and not the value")]
pub struct HeaderSource {
    /// In this environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<String>,
    /// In the first line of this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Under this name in the workers' own lists of keys: all that a manifest says about it. Without it, the name of the
    /// variable is the key's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl HeaderSource {
    /// The source as workers get it: a name alone, and no place.
    #[must_use]
    pub fn for_workers(&self) -> Self {
        Self { key: self.key.clone().or_else(|| self.env.clone()), env: None, file: None }
    }

    /// Whose limits calls with it count against.
    pub(super) fn key_name(&self) -> KeyName {
        match (&self.key, &self.file, &self.env) {
            (Some(name), ..) => KeyName::Listed(name.clone()),
            (None, Some(file), _) => KeyName::File(file.clone()),
            (None, None, Some(variable)) => KeyName::Variable(variable.clone()),
            (None, None, None) => KeyName::None,
        }
    }
}

impl SettingsProblems<'_> {
    /// Checks the headers of one's own. What is no name is not shown: it may be a key.
    pub(super) fn check_headers(&mut self, headers: &OwnHeaders) {
        if headers.len() > MAX_HEADERS {
            self.add(&format!("headers: {} of them; expected at most {MAX_HEADERS}", headers.len()));
        }
        let mut names = BTreeSet::new();
        for (name, source) in headers {
            if let Some(problem) = problem(name, source) {
                self.add(&problem);
            } else if !names.insert(name.to_ascii_lowercase()) {
                self.add(&format!(
                    "headers.{name}: listed twice; names of headers are the same in upper and lower case"
                ));
            }
        }
    }
}

fn problem(name: &str, source: &HeaderSource) -> Option<String> {
    if !is_header_name(name) {
        return Some(
            "headers: a name that no header has; expected letters, digits and `-`, such as api-key; what stands there is not shown".to_owned(),
        );
    }
    if TAKEN.iter().any(|taken| name.eq_ignore_ascii_case(taken)) {
        let advice =
            "the program sets this header itself; leave it out (a bearer key belongs into api_key_env or api_key_file)";
        return Some(format!("headers.{name}: {advice}"));
    }
    let HeaderSource { env, file, key } = source;
    let expected = match (env, file) {
        (Some(_), Some(_)) => "`env` and `file` exclude each other; leave one out",
        (None, None) if key.is_none() => "expected { env = \"VARIABLE\" } or { file = \"PATH\" }",
        (Some(variable), None) if !is_variable(variable) => {
            "env: expected the name of an environment variable, and not the value; what stands there is not shown"
        }
        _ if key.as_deref().is_some_and(|key| !is_key_name(key)) => {
            "key: expected 1 to 64 letters, digits, `-` and `_`, and not the value; what stands there is not shown"
        }
        _ => return None,
    };
    Some(format!("headers.{name}: {expected}"))
}

/// Whether a text is the name of a header, and no key.
fn is_header_name(name: &str) -> bool {
    name.len() <= MAX_NAME && is_key_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> String {
        let headers: OwnHeaders = match toml::from_str(toml) {
            Ok(headers) => headers,
            Err(error) => return error.to_string(),
        };
        let mut problems = SettingsProblems::of("model", "m");
        problems.check_headers(&headers);
        problems.into_sentences().join("\n")
    }

    #[test]
    fn a_header_has_a_name_of_its_own_and_its_value_elsewhere() {
        for right in [
            "api-key = { env = 'AZURE_KEY' }",
            "x-project = { file = 'p.txt', key = 'ours' }",
            "x = { key = 'ours' }",
            "",
        ] {
            assert_eq!(problems(right), "", "{right}");
        }
        let check = |toml: &str, expected: &str| {
            let said = problems(toml);
            assert!(said.contains(expected) && !said.contains("hush"), "{toml}: {said}");
        };
        check("Authorization = { env = 'K' }", "headers.Authorization: the program sets this header itself");
        check("x-session-id = { env = 'K' }", "the program sets");
        check("a = { env = 'K', file = 'f' }", "exclude each other");
        check("a = {}", "expected { env = \"VARIABLE\" }");
        check("a = { env = 'sk-hush' }", "not the value; what stands there is not shown");
        check("a = { key = 'two hush' }", "key: expected 1 to 64 letters");
        check("'two hush' = { env = 'K' }", "a name that no header has");
        check("hush0123456789abcdef = { env = 'K' }", "a name that no header has");
        check("a = { env = 'K' }\nA = { env = 'K' }", "headers.a: listed twice");
        check("a = { value = 'x' }", "unknown field `value`");
        check("a = 3", "expected { env = \"VARIABLE\" } or { file = \"PATH\" }, and not the value");
        let many: Vec<String> = (0..17).map(|at| format!("h{at} = {{ env = 'K' }}")).collect();
        check(&many.join("\n"), "17 of them; expected at most 16");
    }

    #[test]
    fn workers_get_names_alone() {
        let source = |env: Option<&str>, file: Option<&str>, key: Option<&str>| HeaderSource {
            env: env.map(str::to_owned),
            file: file.map(PathBuf::from),
            key: key.map(str::to_owned),
        };
        assert_eq!(source(Some("K"), None, None).for_workers(), source(None, None, Some("K")));
        assert_eq!(source(None, Some("f"), Some("ours")).for_workers(), source(None, None, Some("ours")));
    }
}
