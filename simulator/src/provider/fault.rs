//! Decides which calls fail and how, and which replies are spoilt.

use std::time::Duration;

use super::options::{Latency, ProviderOptions};
use super::tokens;
use crate::person::{Draw, Purpose};

/// How a call ends other than with a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An internal error: 500.
    Broken,
    /// An overloaded engine: 503.
    Overloaded,
    /// No reply, ever.
    Hang,
    /// A connection that breaks in the middle of the reply.
    Cut,
}

/// Why a reply says that it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    Length,
    ContentFilter,
}

impl Finish {
    /// The word of the API.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
        }
    }
}

/// What is done to a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spoil {
    /// Nothing.
    Not,
    /// It does not keep to the format.
    Malformed,
    /// It ends too early.
    Truncated,
    /// The model will not.
    Refused,
}

/// The message of a call as it will be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// What the model says.
    pub(crate) content: Option<String>,
    /// In which words it refuses, where it does so by the API's own field.
    pub(crate) refusal: Option<&'static str>,
    /// Why it ended.
    pub(crate) finish: Finish,
    /// What was done to it.
    pub(crate) spoil: Spoil,
}

const REFUSAL: &str = "I'm sorry, but I can't help with that request. (simulated)";

/// Whether this try of a prompt fails; another try has another draw, so that who tries again gets through.
pub(crate) fn fault(options: &ProviderOptions, digest: u128, attempt: u64) -> Option<Fault> {
    let mut draw = Draw::new(digest, options.seed, Purpose::Fault, attempt);
    let at = draw.uniform();
    let overloaded = draw.below(2) == 1;
    let [errors, hangs, cuts] = sums([options.error_rate, options.hang_rate, options.cut_rate]);
    match at {
        _ if at < errors => Some(if overloaded { Fault::Overloaded } else { Fault::Broken }),
        _ if at < hangs => Some(Fault::Hang),
        _ if at < cuts => Some(Fault::Cut),
        _ => None,
    }
}

/// Whether a prompt is one that the provider does not understand, however often it is sent.
pub(crate) fn is_rejected(options: &ProviderOptions, digest: u128) -> bool {
    Draw::new(digest, options.seed, Purpose::Rejection, 0).uniform() < options.bad_request_rate
}

/// How long this try of a prompt takes.
pub(crate) fn latency(options: &ProviderOptions, digest: u128, attempt: u64) -> Duration {
    match options.latency {
        Latency::None => Duration::ZERO,
        Latency::Fixed(time) => time,
        Latency::Lognormal { median, sigma } => {
            let spread = Draw::new(digest, options.seed, Purpose::Latency, attempt).normal();
            median.mul_f64((sigma * spread).exp())
        }
    }
}

/// Makes of a reply what is sent: spoilt or not as the prompt and the seed will have it, and no longer than allowed.
pub(crate) fn finish(options: &ProviderOptions, digest: u128, reply: String, most_tokens: Option<u64>) -> Said {
    let mut said = spoilt(options, digest, reply);
    if let (Some(content), Some(most)) = (&mut said.content, most_tokens) {
        let cut = tokens::first(most, content).len();
        if cut < content.len() {
            content.truncate(cut);
            said.finish = Finish::Length;
        }
    }
    said
}

fn spoilt(options: &ProviderOptions, digest: u128, mut reply: String) -> Said {
    let mut draw = Draw::new(digest, options.seed, Purpose::Spoil, 0);
    let at = draw.uniform();
    let [malformed, truncated, refused] = sums([options.malformed_rate, options.truncated_rate, options.refusal_rate]);
    if at < malformed {
        let content = Some(MALFORMED[draw.below(MALFORMED.len())].to_owned());
        return Said { content, refusal: None, finish: Finish::Stop, spoil: Spoil::Malformed };
    }
    if at < truncated {
        let cut = reply.floor_char_boundary(draw.below(reply.len().max(1)));
        reply.truncate(cut);
        return Said { content: Some(reply), refusal: None, finish: Finish::Length, spoil: Spoil::Truncated };
    }
    if at < refused { refusal(&mut draw) } else { Said { content: Some(reply), ..UNSPOILT } }
}

const UNSPOILT: Said = Said { content: None, refusal: None, finish: Finish::Stop, spoil: Spoil::Not };

/// Replies that do not keep to the format: no parser can find an option in them.
const MALFORMED: [&str; 5] = [
    "",
    "(simulated) This person would most likely lean towards agreeing, though it depends on the day.",
    "Answer: 97531\nAnalysis: (simulated) none of the options fits.",
    "{\"analysis\": \"(simulated) the answer follows\", \"answer\": ",
    "Answer: [option number]\nAnalysis: [your reasoning] (simulated)",
];

/// The three ways in which providers refuse: in words, in a field of the API, by a filter.
fn refusal(draw: &mut Draw) -> Said {
    let refused = Said { spoil: Spoil::Refused, ..UNSPOILT };
    match draw.below(3) {
        0 => Said { content: Some(REFUSAL.to_owned()), ..refused },
        1 => Said { refusal: Some(REFUSAL), ..refused },
        _ => Said { content: Some(String::new()), finish: Finish::ContentFilter, ..refused },
    }
}

/// Running sums: the ends of the stretches of 0..1 that belong to each share.
fn sums([first, second, third]: [f64; 3]) -> [f64; 3] {
    [first, first + second, first + second + third]
}

#[cfg(test)]
mod tests {
    use valuesim_shared::codebook::Codebook;
    use valuesim_shared::method::Behaviour;
    use valuesim_shared::reply::{read_module_reply, read_single_reply};

    use super::*;

    #[test]
    fn no_option_can_be_read_from_a_malformed_reply() {
        let codebook = Codebook::built_in();
        for question in codebook.questions().iter().filter(|question| !question.options.is_empty()) {
            for reply in MALFORMED {
                assert_eq!(read_module_reply(Behaviour::Corrected, reply, question).answer, None, "{reply}");
                assert_eq!(read_single_reply(Behaviour::Corrected, reply, question).answer, None, "{reply}");
            }
        }
    }

    #[test]
    fn faults_come_at_their_rates_and_a_later_try_gets_through() {
        let options = ProviderOptions { error_rate: 0.1, hang_rate: 0.1, cut_rate: 0.2, ..ProviderOptions::default() };
        let faults: Vec<_> = (0..4000).map(|digest| fault(&options, digest, 1)).collect();
        let share =
            |wanted: &[Fault]| faults.iter().flatten().filter(|fault| wanted.contains(fault)).count() as f64 / 4000.0;
        for (wanted, rate) in
            [(&[Fault::Broken, Fault::Overloaded][..], 0.1), (&[Fault::Hang], 0.1), (&[Fault::Cut], 0.2)]
        {
            assert!((share(wanted) - rate).abs() < 0.03, "{wanted:?}: {}", share(wanted));
        }
        for digest in 0..200 {
            assert!((1..60).any(|attempt| fault(&options, digest, attempt).is_none()));
        }
    }

    #[test]
    fn rejected_prompts_come_at_their_rate() {
        let options = ProviderOptions { bad_request_rate: 0.2, ..ProviderOptions::default() };
        let rejected = (0..4000).filter(|&digest| is_rejected(&options, digest)).count();
        assert!((700..900).contains(&rejected), "{rejected}");
        assert!(!(0..4000).any(|digest| is_rejected(&ProviderOptions::default(), digest)));
    }

    #[test]
    fn spoilt_replies_come_at_their_rates_whatever_the_attempt() {
        let options = ProviderOptions { malformed_rate: 0.3, truncated_rate: 0.3, ..ProviderOptions::default() };
        let said: Vec<_> = (0..2000).map(|digest| finish(&options, digest, "Answer: 1".to_owned(), None)).collect();
        for (spoil, rate) in [(Spoil::Malformed, 0.3), (Spoil::Truncated, 0.3), (Spoil::Refused, 0.0)] {
            let share = said.iter().filter(|said| said.spoil == spoil).count() as f64 / 2000.0;
            assert!((share - rate).abs() < 0.04, "{spoil:?}: {share}");
        }
    }

    #[test]
    fn the_median_latency_is_in_the_middle() {
        let latency = Latency::Lognormal { median: Duration::from_secs(2), sigma: 0.5 };
        let options = ProviderOptions { latency, ..ProviderOptions::default() };
        let shorter = (0..2000).filter(|&digest| super::latency(&options, digest, 1).as_secs_f64() < 2.0).count();
        assert!((900..1100).contains(&shorter), "{shorter}");
    }

    #[test]
    fn a_reply_is_cut_to_the_tokens_asked_for() {
        let options = ProviderOptions::default();
        let said = finish(&options, 1, "x".repeat(100), Some(5));
        assert_eq!((said.content.unwrap().len(), said.finish), (23, Finish::Length));
        assert_eq!(finish(&options, 1, "x".repeat(23), Some(5)).finish, Finish::Stop);
    }
}
