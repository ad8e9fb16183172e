//! The rule of replies behind the prompts in `tests/fixtures/reference`; its `make.py` has the same rule.

use sha2::{Digest as _, Sha256};

/// What a prompt asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asked {
    Story,
    Module,
    Coordinator,
    FullInfo,
    NoCab,
    NoProfile,
    Rag,
}

/// The templates, each with what it asks for. No two have both the same beginning and the same end.
const TEMPLATES: [(Asked, &str); 9] = [
    (Asked::Story, include_str!("../../../shared/prompts/story.txt")),
    (Asked::Module, include_str!("../../../shared/prompts/cognitive.txt")),
    (Asked::Module, include_str!("../../../shared/prompts/affective.txt")),
    (Asked::Module, include_str!("../../../shared/prompts/behavioral.txt")),
    (Asked::Coordinator, include_str!("../../../shared/prompts/coordinator.txt")),
    (Asked::FullInfo, include_str!("../../../shared/prompts/full_info.txt")),
    (Asked::NoCab, include_str!("../../../shared/prompts/no_cab.txt")),
    (Asked::NoProfile, include_str!("../../../shared/prompts/no_profile.txt")),
    (Asked::Rag, include_str!("../../../shared/prompts/rag.txt")),
];

/// What `prompt` asks for.
pub(crate) fn asked(prompt: &str) -> Asked {
    let is_of = |template: &str| {
        let (start, end) = (template.split('{').next(), template.rsplit('}').next());
        prompt.starts_with(start.unwrap_or_default()) && prompt.ends_with(end.unwrap_or_default())
    };
    let found = TEMPLATES.into_iter().find(|(_, template)| is_of(template));
    found.unwrap_or_else(|| panic!("no template begins and ends like this prompt: {prompt}")).0
}

/// The reply to `prompt`. One reply of a module in five is unreadable.
pub(crate) fn reply(prompt: &str) -> String {
    let digest = sha256(prompt);
    match asked(prompt) {
        Asked::Story => format!("You are {digest}."),
        Asked::Module => match u8::from_str_radix(&digest[..2], 16).unwrap() % 5 {
            0 => "I cannot say.".to_owned(),
            answer => format!("Answer: {answer}\nAnalysis: because {}", &digest[2..10]),
        },
        Asked::Coordinator => "Answer: 1\nAnalysis: x".to_owned(),
        Asked::FullInfo | Asked::NoCab | Asked::NoProfile | Asked::Rag => "1".to_owned(),
    }
}

/// The SHA-256 of a text, in hexadecimal digits.
pub(crate) fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}
