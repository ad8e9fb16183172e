//! Classifies a prompt and splits it into its parts, by the fixed phrases of the paper's prompts.

use super::Message;

/// What a conversation asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A backstory.
    Story,
    /// An answer from the cognitive perspective.
    Cognitive,
    /// An answer from the affective perspective.
    Affective,
    /// An answer from the behavioral perspective.
    Behavioral,
    /// A decision between three opinions.
    Coordinator,
    /// An answer from the whole profile.
    FullInfo,
    /// An answer from the backstory alone.
    NoCab,
    /// An answer without a profile.
    NoProfile,
    /// An answer from a few items of the profile.
    Rag,
    /// Vectors of texts, which no person answers.
    Embeddings,
    /// Anything else.
    Other,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Story,
        Self::Cognitive,
        Self::Affective,
        Self::Behavioral,
        Self::Coordinator,
        Self::FullInfo,
        Self::NoCab,
        Self::NoProfile,
        Self::Rag,
        Self::Embeddings,
        Self::Other,
    ];

    /// The kind of a conversation, judged by how its first message begins and ends.
    pub fn of(messages: &[Message<'_>]) -> Self {
        let text = messages.first().map_or("", |message| message.content.trim());
        if text.starts_with(STORY_START) {
            return Self::Story;
        }
        if text.starts_with(COORDINATOR_START) {
            return Self::Coordinator;
        }
        if let Some(tutorial) = text.strip_prefix(MODULE_START) {
            let is_named = |(name, _): &&(&str, Self)| tutorial.starts_with(name);
            return MODULES.iter().find(is_named).map_or(Self::Other, |(_, kind)| *kind);
        }
        if !text.starts_with(SINGLE_START) {
            return Self::Other;
        }
        if text.contains(RAG_ITEMS) && text.contains(RAG_END) {
            return Self::Rag;
        }
        SINGLES.iter().find(|(end, _)| text.ends_with(end)).map_or(Self::Other, |(_, kind)| *kind)
    }

    /// The kind's name in the statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Story => "story",
            Self::Cognitive => "cognitive",
            Self::Affective => "affective",
            Self::Behavioral => "behavioral",
            Self::Coordinator => "coordinator",
            Self::FullInfo => "full_info",
            Self::NoCab => "no_cab",
            Self::NoProfile => "no_profile",
            Self::Rag => "rag",
            Self::Embeddings => "embeddings",
            Self::Other => "other",
        }
    }
}

// The phrases are those of the paper's prompt files.
const STORY_START: &str = "You are a background story writer";
const STORY_PROFILE: &str = "This person's Information:\n";
const COORDINATOR_START: &str = "You are a coordinator in a user simulation system";
const MODULE_START: &str = "Please follow the Tutorial to analyze the User Profile below and answer the Question as if \
                            you were this person.\n\nTutorial:\nConsider these ";
const MODULES: [(&str, Kind); 3] =
    [("cognitive ", Kind::Cognitive), ("affective ", Kind::Affective), ("behavioral ", Kind::Behavioral)];
const MODULE_PROFILE: &str = "\nUser Profile:\n";
const MODULE_QUESTION: &str = "\n\nQuestion:\n";
const MODULE_END: &str = "\n\nPlease format your response exactly as follows:";
const SINGLE_START: &str = "Question:";
const SINGLE_PROFILE: &str = "\nUser profile: ";
const SINGLE_END: &str = "\nConsider ";
const NO_PROFILE_END: &str = "\nPlease answer the question.\nAnswer format: 'Q：option you selected'";
const RAG_ITEMS: &str = "\n\nRelevant user information:\n";
const RAG_END: &str = "\n\nBased ONLY on the relevant user information provided above, answer the question.";
const SINGLES: [(&str, Kind); 3] = [
    ("while reflecting the user's viewpoint.\nAnswer format: 'option you selected'", Kind::FullInfo),
    (NO_PROFILE_END, Kind::NoProfile),
    ("while reflecting the user's viewpoint.\nAnswer format: 'Q：option you selected'", Kind::NoCab),
];

/// The parts of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prompt<'a> {
    /// Write a backstory.
    Story { profile: &'a str },
    /// Answer a question; `block` is its text and options.
    Question { subject: Subject<'a>, block: &'a str },
    /// Decide between the modules' opinions.
    Coordinator { question: &'a str, options: &'a str, opinions: Opinions<'a> },
    /// Anything else; it may contain options.
    Other { block: &'a str },
}

/// Whom a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject<'a> {
    /// Nobody in particular.
    Unspecified,
    /// The person described in a profile or backstory.
    Described(&'a str),
}

/// The replies of the three modules.
pub(super) type Opinions<'a> = [Opinion<'a>; 3];

/// One module's reply: an answer and an analysis.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opinion<'a> {
    pub(super) answer: &'a str,
    pub(super) analysis: &'a str,
}

impl<'a> Prompt<'a> {
    /// Splits a prompt into its parts; a prompt that lacks one of its kind's parts is [`Prompt::Other`].
    pub(super) fn read(kind: Kind, text: &'a str) -> Self {
        let read = match kind {
            Kind::Story => text.split_once(STORY_PROFILE).map(|(_, profile)| Self::Story { profile: profile.trim() }),
            Kind::Cognitive | Kind::Affective | Kind::Behavioral => module(text),
            Kind::FullInfo | Kind::NoCab => single(text),
            Kind::NoProfile => no_profile(text),
            Kind::Coordinator => coordinator(text),
            Kind::Rag => rag(text),
            Kind::Embeddings | Kind::Other => None,
        };
        read.unwrap_or(Self::Other { block: text })
    }
}

fn module(text: &str) -> Option<Prompt<'_>> {
    // Split from the end where possible: the profile is arbitrary text and may contain the same phrases.
    let (text, _) = text.rsplit_once(MODULE_END)?;
    let (text, block) = text.rsplit_once(MODULE_QUESTION)?;
    let (_, profile) = text.split_once(MODULE_PROFILE)?;
    Some(Prompt::Question { subject: Subject::Described(profile), block })
}

fn single(text: &str) -> Option<Prompt<'_>> {
    let (block, rest) = text.trim_start().strip_prefix(SINGLE_START)?.split_once(SINGLE_PROFILE)?;
    let (profile, _) = rest.rsplit_once(SINGLE_END)?;
    Some(Prompt::Question { subject: Subject::Described(profile), block })
}

fn rag(text: &str) -> Option<Prompt<'_>> {
    let (block, rest) = text.trim_start().strip_prefix(SINGLE_START)?.trim_start().split_once(RAG_ITEMS)?;
    let (items, _) = rest.rsplit_once(RAG_END)?;
    Some(Prompt::Question { subject: Subject::Described(items), block })
}

fn no_profile(text: &str) -> Option<Prompt<'_>> {
    let block = text.trim().strip_prefix(SINGLE_START)?.strip_suffix(NO_PROFILE_END)?;
    Some(Prompt::Question { subject: Subject::Unspecified, block })
}

fn coordinator(text: &str) -> Option<Prompt<'_>> {
    let (_, text) = text.split_once("\n\nQuestion: ")?;
    let (question, text) = text.split_once("\nOptions: ")?;
    let (options, mut text) = text.split_once("\n\nCognitive perspective answer: ")?;
    let mut opinions = Opinions::default();
    let ends = ["\n\nEmotional perspective answer: ", "\n\nBehavioral perspective answer: ", "\n\nConsider:\n"];
    for (opinion, end) in opinions.iter_mut().zip(ends) {
        let (reply, rest) = text.split_once(end)?;
        let (answer, analysis) = reply.split_once('\n')?;
        *opinion = Opinion { answer, analysis };
        text = rest;
    }
    Some(Prompt::Coordinator { question, options, opinions })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Kind {
        Kind::of(&[Message { role: "user".into(), content: text.into() }])
    }

    fn fill(template: &str, values: &[(&str, &str)]) -> String {
        values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    /// A prompt template of the shared crate.
    fn template(name: &str) -> String {
        let path = format!("{}/../shared/prompts/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    }

    const BLOCK: &str = "Tea?\nOptions:\n1: Yes\n2: No";
    const PROFILE: &str = "You like tea.\n\nQuestion:\nYou do.\nConsider it.";

    #[track_caller]
    fn check(name: &str, expected: (Kind, Prompt<'_>)) {
        let subject = [("profile_text", PROFILE), ("backstory", PROFILE), ("retrieved_items", PROFILE)];
        let values = [&subject[..], &[("question_text_with_options", BLOCK)]].concat();
        let text = fill(&template(name), &values);
        assert_eq!((kind(&text), Prompt::read(kind(&text), &text)), expected);
    }

    #[test]
    fn the_prompts_of_the_method_are_classified_and_split() {
        let question = Prompt::Question { subject: Subject::Described(PROFILE), block: BLOCK };
        check("story", (Kind::Story, Prompt::Story { profile: PROFILE }));
        check("cognitive", (Kind::Cognitive, question));
        check("affective", (Kind::Affective, question));
        check("behavioral", (Kind::Behavioral, question));
        check("full_info", (Kind::FullInfo, question));
        check("no_cab", (Kind::NoCab, question));
        check("rag", (Kind::Rag, question));
        check("no_profile", (Kind::NoProfile, Prompt::Question { subject: Subject::Unspecified, block: BLOCK }));
    }

    #[test]
    fn a_coordinator_prompt_has_three_opinions() {
        let values = [
            ("question_text", "Tea?"),
            ("options_text", "1: Yes\n2: No"),
            ("cognitive_answer", "1"),
            ("cognitive_analysis", "A\n\nB"),
            ("affective_answer", "None"),
            ("affective_analysis", "Error: x"),
            ("behavioral_answer", "2"),
            ("behavioral_analysis", ""),
        ];
        let text = fill(&template("coordinator"), &values);
        let Prompt::Coordinator { question, options, opinions } = Prompt::read(kind(&text), &text) else {
            panic!("{:?}", kind(&text))
        };
        assert_eq!((question, options), ("Tea?", "1: Yes\n2: No"));
        assert_eq!(opinions.map(|opinion| opinion.answer), ["1", "None", "2"]);
        assert!(opinions[0].analysis.ends_with("A\n\nB"));
    }

    #[test]
    fn a_prompt_that_lacks_a_part_is_other() {
        for text in ["", "hello", "Question: what?", MODULE_START, COORDINATOR_START, STORY_START] {
            assert_eq!(Prompt::read(kind(text), text), Prompt::Other { block: text });
        }
    }
}
