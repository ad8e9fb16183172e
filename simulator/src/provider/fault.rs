//! Decides which calls fail and how, and which replies are defective.

use std::time::Duration;

use super::options::{Latency, ProviderOptions};
use super::tokens;
use crate::person::{Purpose, Rng};

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An internal error: 500.
    Broken,
    /// An overloaded engine: 503.
    Overloaded,
    /// No reply at all.
    Hang,
    /// A connection cut in the middle of the reply.
    Cut,
    /// A refusal for a limit that others have used up.
    Limited,
}

/// The reason that a reply gives for its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FinishReason {
    Stop,
    Length,
    ContentFilter,
}

impl FinishReason {
    /// The API's name for it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
        }
    }
}

/// A deliberate defect of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// The reply is intact.
    None,
    /// It violates the format.
    Malformed,
    /// It ends too early.
    Truncated,
    /// The model refuses to answer.
    Refused,
}

/// The message to send as the reply to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplyMessage {
    /// The text.
    pub(crate) content: Option<String>,
    /// The text of a refusal in the API's own field.
    pub(crate) refusal: Option<&'static str>,
    /// Why it ended.
    pub(crate) finish: FinishReason,
    /// Its deliberate defect.
    pub(crate) defect: Defect,
}

const REFUSAL: &str = "I'm sorry, but I can't help with that request. (simulated)";

/// How this attempt at a prompt fails, if it does. Each attempt is drawn separately, so a retry succeeds eventually.
pub(crate) fn fault(options: &ProviderOptions, digest: u128, attempt: u64) -> Option<Fault> {
    let mut rng = Rng::new(digest, options.seed, Purpose::Fault, attempt);
    let at = rng.uniform();
    let overloaded = rng.below(2) == 1;
    let [errors, hangs, cuts, limited] =
        sums([options.error_rate, options.hang_rate, options.cut_rate, options.rate_limited_rate]);
    match at {
        _ if at < errors => Some(if overloaded { Fault::Overloaded } else { Fault::Broken }),
        _ if at < hangs => Some(Fault::Hang),
        _ if at < cuts => Some(Fault::Cut),
        _ if at < limited => Some(Fault::Limited),
        _ => None,
    }
}

/// Whether the provider rejects a prompt every time it is sent.
pub(crate) fn is_rejected(options: &ProviderOptions, digest: u128) -> bool {
    Rng::new(digest, options.seed, Purpose::Rejection, 0).uniform() < options.bad_request_rate
}

/// A number from 0 to 1 for a prompt: below a share, the prompt is part of it.
pub(crate) fn share_of_prompt(digest: u128, seed: u64) -> f64 {
    Rng::new(digest, seed, Purpose::Rejection, 1).uniform()
}

/// How long this attempt at a prompt takes.
pub(crate) fn latency(options: &ProviderOptions, digest: u128, attempt: u64) -> Duration {
    match options.latency {
        Latency::None => Duration::ZERO,
        Latency::Fixed(time) => time,
        Latency::Lognormal { median, sigma } => {
            let spread = Rng::new(digest, options.seed, Purpose::Latency, attempt).normal();
            median.mul_f64((sigma * spread).exp())
        }
    }
}

/// A reply as long as the options want it: with sentences after its end that say nothing.
pub(crate) fn lengthened(options: &ProviderOptions, digest: u128, mut reply: String) -> String {
    let Some(sigma) = options.reply_sigma.filter(|_| reply.contains("Analysis:") || reply.len() > A_BACKSTORY) else {
        return reply;
    };
    let spread = Rng::new(digest, options.seed, Purpose::Length, 0).normal();
    let factor = (MEDIAN_FACTOR * (sigma * spread).exp()).clamp(1.0, LONGEST_FACTOR);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length times at most a hundred")]
    let length = (reply.len() as f64 * factor) as usize;
    while reply.len() < length {
        reply.push_str(FILLER);
    }
    reply
}

/// A reply longer than this is a backstory, in bytes.
const A_BACKSTORY: usize = 1_500;

const MEDIAN_FACTOR: f64 = 2.0;
const LONGEST_FACTOR: f64 = 100.0;
const FILLER: &str = " So it seems on the whole, all things considered (simulated).";

/// The message for a reply: defective if prompt and seed say so, and no longer than allowed.
pub(crate) fn finish_reply(
    options: &ProviderOptions,
    digest: u128,
    reply: String,
    max_tokens: Option<u64>,
) -> ReplyMessage {
    let mut message = with_defect(options, digest, reply);
    if let (Some(content), Some(most)) = (&mut message.content, max_tokens) {
        let cut = tokens::first(most, content).len();
        if cut < content.len() {
            content.truncate(cut);
            message.finish = FinishReason::Length;
        }
    }
    message
}

fn with_defect(options: &ProviderOptions, digest: u128, mut reply: String) -> ReplyMessage {
    let mut rng = Rng::new(digest, options.seed, Purpose::Defect, 0);
    let at = rng.uniform();
    let [malformed, truncated, refused] = sums([options.malformed_rate, options.truncated_rate, options.refusal_rate]);
    if at < malformed {
        let content = Some(MALFORMED[rng.below(MALFORMED.len())].to_owned());
        return ReplyMessage { content, refusal: None, finish: FinishReason::Stop, defect: Defect::Malformed };
    }
    if at < truncated {
        let cut = reply.floor_char_boundary(rng.below(reply.len().max(1)));
        reply.truncate(cut);
        return ReplyMessage {
            content: Some(reply),
            refusal: None,
            finish: FinishReason::Length,
            defect: Defect::Truncated,
        };
    }
    if at < refused { refusal(&mut rng) } else { ReplyMessage { content: Some(reply), ..INTACT } }
}

const INTACT: ReplyMessage =
    ReplyMessage { content: None, refusal: None, finish: FinishReason::Stop, defect: Defect::None };

/// Replies that violate the format: no parser can find an option in them.
const MALFORMED: [&str; 5] = [
    "",
    "(simulated) This person would most likely lean towards agreeing, though it depends on the day.",
    "Answer: 97531\nAnalysis: (simulated) none of the options fits.",
    "{\"analysis\": \"(simulated) the answer follows\", \"answer\": ",
    "Answer: [option number]\nAnalysis: [your reasoning] (simulated)",
];

/// One of the three ways in which providers refuse: as text, in a field of the API, by a content filter.
fn refusal(rng: &mut Rng) -> ReplyMessage {
    let refused = ReplyMessage { defect: Defect::Refused, ..INTACT };
    match rng.below(3) {
        0 => ReplyMessage { content: Some(REFUSAL.to_owned()), ..refused },
        1 => ReplyMessage { refusal: Some(REFUSAL), ..refused },
        _ => ReplyMessage { content: Some(String::new()), finish: FinishReason::ContentFilter, ..refused },
    }
}

/// Cumulative sums: the upper bounds of each share's interval in 0..1.
fn sums<const N: usize>(shares: [f64; N]) -> [f64; N] {
    let mut sum = 0.0;
    shares.map(|share| {
        sum += share;
        sum
    })
}

#[cfg(test)]
mod tests {
    use valuesim_shared::codebook::Codebook;
    use valuesim_shared::method::Behaviour;
    use valuesim_shared::reply::{read_module_reply, read_single_reply};

    use super::*;

    #[test]
    fn malformed_replies_contain_no_option() {
        let codebook = Codebook::built_in();
        for question in codebook.questions().iter().filter(|question| !question.options.is_empty()) {
            for reply in MALFORMED {
                assert_eq!(read_module_reply(Behaviour::Corrected, reply, question).answer, None, "{reply}");
                assert_eq!(read_single_reply(Behaviour::Corrected, reply, question).answer, None, "{reply}");
            }
        }
    }

    #[test]
    fn faults_occur_at_their_rates_and_a_retry_succeeds() {
        let (error_rate, hang_rate, cut_rate, rate_limited_rate) = (0.1, 0.1, 0.2, 0.3);
        let options =
            ProviderOptions { error_rate, hang_rate, cut_rate, rate_limited_rate, ..ProviderOptions::default() };
        let faults: Vec<_> = (0..4000).map(|digest| fault(&options, digest, 1)).collect();
        let share =
            |wanted: &[Fault]| faults.iter().flatten().filter(|fault| wanted.contains(fault)).count() as f64 / 4000.0;
        for (wanted, rate) in [
            (&[Fault::Broken, Fault::Overloaded][..], 0.1),
            (&[Fault::Hang], 0.1),
            (&[Fault::Cut], 0.2),
            (&[Fault::Limited], 0.3),
        ] {
            assert!((share(wanted) - rate).abs() < 0.03, "{wanted:?}: {}", share(wanted));
        }
        for digest in 0..200 {
            assert!((1..60).any(|attempt| fault(&options, digest, attempt).is_none()));
        }
    }

    #[test]
    fn prompts_are_rejected_at_their_rate() {
        let options = ProviderOptions { bad_request_rate: 0.2, ..ProviderOptions::default() };
        let rejected = (0..4000).filter(|&digest| is_rejected(&options, digest)).count();
        assert!((700..900).contains(&rejected), "{rejected}");
        assert!(!(0..4000).any(|digest| is_rejected(&ProviderOptions::default(), digest)));
    }

    #[test]
    fn defective_replies_occur_at_their_rates() {
        let options = ProviderOptions { malformed_rate: 0.3, truncated_rate: 0.3, ..ProviderOptions::default() };
        let message: Vec<_> =
            (0..2000).map(|digest| finish_reply(&options, digest, "Answer: 1".to_owned(), None)).collect();
        for (defect, rate) in [(Defect::Malformed, 0.3), (Defect::Truncated, 0.3), (Defect::Refused, 0.0)] {
            let share = message.iter().filter(|message| message.defect == defect).count() as f64 / 2000.0;
            assert!((share - rate).abs() < 0.04, "{defect:?}: {share}");
        }
    }

    #[test]
    fn half_of_the_latencies_are_below_the_median() {
        let latency = Latency::Lognormal { median: Duration::from_secs(2), sigma: 0.5 };
        let options = ProviderOptions { latency, ..ProviderOptions::default() };
        let shorter = (0..2000).filter(|&digest| super::latency(&options, digest, 1).as_secs_f64() < 2.0).count();
        assert!((900..1100).contains(&shorter), "{shorter}");
    }

    #[test]
    fn a_reply_is_truncated_to_the_maximum_tokens() {
        let options = ProviderOptions::default();
        let message = finish_reply(&options, 1, "x".repeat(100), Some(5));
        assert_eq!((message.content.unwrap().len(), message.finish), (23, FinishReason::Length));
        assert_eq!(finish_reply(&options, 1, "x".repeat(23), Some(5)).finish, FinishReason::Stop);
    }
}
