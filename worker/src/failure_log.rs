//! The failed calls to a model: for each class how many, the first, the last, and an example.

use std::collections::BTreeMap;

use valuesim_shared::control::{FailureClass, UnixMillis};

/// Maximum characters kept of an example.
const MAX_EXAMPLE_CHARS: usize = 300;

/// Failed calls by class. Bounded, because there are only as many classes as kinds of errors.
#[derive(Debug, Default)]
pub(crate) struct FailureLog(BTreeMap<&'static str, FailureClass>);

impl FailureLog {
    /// Adds a failure that happened `now`.
    pub(crate) fn add(&mut self, class: &'static str, now: UnixMillis, example: &str) {
        let of_class = self.0.entry(class).or_insert_with(|| FailureClass {
            model: String::new(),
            class: class.to_owned(),
            count: 0,
            first_at: now,
            last_at: now,
            example: String::new(),
        });
        of_class.count += 1;
        of_class.last_at = now;
        of_class.example.clear();
        of_class.example.extend(example.chars().take(MAX_EXAMPLE_CHARS));
    }

    /// The classes, as failures of `model`.
    pub(crate) fn classes(&self, model: &str) -> Vec<FailureClass> {
        let named = |of_class: &FailureClass| FailureClass { model: model.to_owned(), ..of_class.clone() };
        self.0.values().map(named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_its_first_and_last_moment_and_the_latest_example() {
        let mut log = FailureLog::default();
        log.add("timeout", UnixMillis(5), "one");
        log.add("timeout", UnixMillis(9), &"two\u{1b}".repeat(200));
        let [of_class] = &log.classes("m")[..] else { panic!("{log:?}") };
        assert_eq!((of_class.count, of_class.first_at, of_class.last_at), (2, UnixMillis(5), UnixMillis(9)));
        assert_eq!(of_class.model, "m");
        assert_eq!(of_class.example.chars().count(), MAX_EXAMPLE_CHARS);
        assert!(of_class.example.starts_with("two"));
    }
}
