//! The prompt templates, and how their placeholders are filled in.

pub(super) const STORY: Template = Template(include_str!("../../prompts/story.txt"));
pub(super) const COGNITIVE: Template = Template(include_str!("../../prompts/cognitive.txt"));
pub(super) const AFFECTIVE: Template = Template(include_str!("../../prompts/affective.txt"));
pub(super) const BEHAVIORAL: Template = Template(include_str!("../../prompts/behavioral.txt"));
pub(super) const COORDINATOR: Template = Template(include_str!("../../prompts/coordinator.txt"));
pub(super) const FULL_INFO: Template = Template(include_str!("../../prompts/full_info.txt"));
pub(super) const NO_CAB: Template = Template(include_str!("../../prompts/no_cab.txt"));
pub(super) const NO_PROFILE: Template = Template(include_str!("../../prompts/no_profile.txt"));
pub(super) const RAG: Template = Template(include_str!("../../prompts/rag.txt"));
pub(super) const COMBINED: Template = Template(include_str!("../../prompts/combined.txt"));
pub(super) const REMINDER: Template = Template(
    "No answer could be read from your reply. Please reply again with one line: `Answer: ` followed by {asked_for}",
);

const ALL: [Template; 11] =
    [STORY, COGNITIVE, AFFECTIVE, BEHAVIORAL, COORDINATOR, FULL_INFO, NO_CAB, NO_PROFILE, RAG, COMBINED, REMINDER];

/// A text with placeholders such as `{profile_text}`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Template(&'static str);

impl Template {
    /// Replaces each placeholder with its value. Placeholders inside values are not replaced.
    ///
    /// # Panics
    /// If the template has a placeholder without a value.
    pub(super) fn fill(self, values: &[(&str, &str)]) -> String {
        let length: usize = values.iter().map(|(_, value)| value.len()).sum();
        let mut text = String::with_capacity(self.0.len() + length);
        let mut rest = self.0;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').expect("every placeholder of a template is closed");
            let value = values.iter().find(|(of, _)| *of == name);
            let (_, value) = value.unwrap_or_else(|| panic!("the placeholder {name} has no value"));
            text.push_str(before);
            text.push_str(value);
            rest = after;
        }
        text.push_str(rest);
        text
    }

    /// Whether the template has a placeholder with this name.
    pub(super) fn has(self, name: &str) -> bool {
        self.0.contains(&format!("{{{name}}}"))
    }

    /// The parts before and after a placeholder.
    ///
    /// # Panics
    /// If the template has no such placeholder.
    pub(super) fn around(self, name: &str) -> (Self, Self) {
        let placeholder = format!("{{{name}}}");
        let parts = self.0.split_once(&placeholder);
        let (before, after) = parts.unwrap_or_else(|| panic!("the template has no placeholder {name}"));
        (Self(before), Self(after))
    }

    /// The text with its placeholders.
    pub(super) fn text(self) -> &'static str {
        self.0
    }
}

/// Identifies the wording of all prompts: the blake3 hash of the templates, in hexadecimal.
///
/// Results contain it, to show whether two runs used the same wording.
pub fn prompts_digest() -> String {
    let mut hasher = blake3::Hasher::new();
    for template in ALL {
        // The length, so that moving text from one template to the next changes the hash.
        hasher.update(&(template.0.len() as u64).to_le_bytes());
        hasher.update(template.0.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in_but_not_those_in_values() {
        let template = Template("a {x} b {y} {x}");
        assert_eq!(template.fill(&[("x", "{y}"), ("y", "")]), "a {y} b  {y}");
        let (before, after) = template.around("y");
        assert_eq!((before.0, after.0), ("a {x} b ", " {x}"));
    }

    /// A change here means that older results used other prompts: document it in CHANGELOG.md.
    #[test]
    fn the_wording_has_not_changed() {
        assert_eq!(prompts_digest(), "7091a27ea8a71753b3a83154c711438727d2a32699723128ec47c9d1298a2aa1");
    }
}
