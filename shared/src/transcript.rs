//! The transcript of a cell: its calls, compressed, kept if the experiment asks for it.
//!
//! Each call is a line of JSON. The calls of a stage are adjacent and their prompts begin with the same long text, so a
//! line omits the beginning that it shares with the line before. A cell of 174 prompts with a backstory takes little more
//! space and time than its replies.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::call::{CallKey, ReplyText};
use crate::money::Tokens;

/// Fast, and as dense as higher levels on texts that repeat.
const COMPRESSION_LEVEL: i32 = 3;

/// Compression window, as a power of two in bytes: enough for many prompts. Reading takes no more memory than this,
/// whatever the bytes.
const WINDOW_LOG: u32 = 19;

/// The longest line accepted, in bytes: the longest prompt and reply that a worker accepts, escaped.
const MAX_LINE_BYTES: u64 = 64 << 20;

/// A call: the messages to the model, and its reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The key of the call.
    pub key: CallKey,
    /// The messages, alternately to and from the model: the prompt, and after a reminder of the format also the first reply
    /// and the reminder.
    pub messages: Vec<String>,
    /// The reply.
    pub reply: ReplyText,
    /// Tokens as reported by the provider, if it did.
    pub tokens: Option<Tokens>,
    /// The model as named by the provider; empty if it did not.
    pub reported_model: String,
}

/// A call as written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// The number of bytes omitted at the beginning of the first message: those of the call before.
    same: usize,
    call: Call,
}

/// The calls of one cell, compressed; base64 in messages.
#[derive(Clone, PartialEq, Eq)]
pub struct Transcript(Vec<u8>);

/// A transcript that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("read a transcript: {0}")]
pub struct TranscriptError(#[from] io::Error);

impl Transcript {
    /// Compresses calls one by one, so that only one is in memory at a time.
    ///
    /// # Panics
    /// Never: writing to memory does not fail.
    pub fn of(calls: impl IntoIterator<Item = Call>) -> Self {
        compress(calls).map(Self).expect("writing to memory does not fail")
    }

    /// A transcript from its compressed bytes, which are not checked until they are read.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The compressed bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The calls in their original order. Only one is in memory at a time, and an error ends the iteration.
    pub fn calls(&self) -> impl Iterator<Item = Result<Call, TranscriptError>> + '_ {
        let mut lines = Some(decoder(&self.0).map(BufReader::new));
        let mut before = String::new();
        std::iter::from_fn(move || {
            let mut reader = match lines.take()? {
                Ok(reader) => reader,
                Err(error) => return Some(Err(error.into())),
            };
            let call = next_call(&mut reader, &mut before).map_err(TranscriptError).transpose()?;
            if call.is_ok() {
                lines = Some(Ok(reader));
            }
            Some(call)
        })
    }
}

fn decoder(bytes: &[u8]) -> io::Result<zstd::Decoder<'static, &[u8]>> {
    let mut decoder = zstd::Decoder::with_buffer(bytes)?;
    decoder.window_log_max(WINDOW_LOG)?;
    Ok(decoder)
}

fn compress(calls: impl IntoIterator<Item = Call>) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), COMPRESSION_LEVEL)?;
    encoder.include_checksum(true)?;
    encoder.window_log(WINDOW_LOG)?;
    let mut before = String::new();
    for mut call in calls {
        let prompt = call.messages.first_mut().map(std::mem::take).unwrap_or_default();
        let same = common_prefix(&before, &prompt);
        if let Some(rest) = call.messages.first_mut() {
            prompt[same..].clone_into(rest);
        }
        serde_json::to_writer(&mut encoder, &Line { same, call })?;
        encoder.write_all(b"\n")?;
        before = prompt;
    }
    encoder.finish()
}

/// The length of the common prefix in bytes, in whole characters.
fn common_prefix(one: &str, other: &str) -> usize {
    // Slices are compared many bytes at a time.
    const STEP: usize = 256;
    let (a, b) = (one.as_bytes(), other.as_bytes());
    let steps = a.chunks_exact(STEP).zip(b.chunks_exact(STEP)).take_while(|(a, b)| a == b).count();
    let rest = a[steps * STEP..].iter().zip(&b[steps * STEP..]).take_while(|(a, b)| a == b).count();
    other.floor_char_boundary(steps * STEP + rest)
}

/// Reads the next call. `before` is the first message of the call before, and is set to that of this call.
fn next_call(reader: &mut impl io::BufRead, before: &mut String) -> io::Result<Option<Call>> {
    let mut line = Vec::new();
    reader.take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let Line { same, mut call } = serde_json::from_slice(&line)?;
    if !before.is_char_boundary(same) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line refers to more text than the line before has"));
    }
    before.truncate(same);
    if let Some(prompt) = call.messages.first_mut() {
        before.push_str(prompt);
        prompt.clone_from(before);
    }
    Ok(Some(call))
}

impl std::fmt::Debug for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transcript({} bytes)", self.0.len())
    }
}

impl Serialize for Transcript {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Transcript {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        STANDARD_NO_PAD.decode(text.as_bytes()).map(Self).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::QuestionId;
    use crate::stage::Stage;

    fn call(number: u16, messages: &[&str], reply: &str) -> Call {
        Call {
            key: CallKey { stage: Stage::AFFECTIVE, question: QuestionId::new(number), asked_before: 0 },
            messages: messages.iter().map(|&message| message.to_owned()).collect(),
            reply: ReplyText::Text { content: reply.to_owned(), cut_off: false },
            tokens: Some(Tokens { input: 9, cached: 4, output: 2, ..Tokens::default() }),
            reported_model: "m-0125".to_owned(),
        }
    }

    fn read(transcript: &Transcript) -> Vec<Call> {
        transcript.calls().collect::<Result<_, _>>().expect("sound")
    }

    #[test]
    fn a_line_omits_the_prefix_shared_with_the_line_before() {
        let transcript = Transcript::of([call(5, &["Who é?"], "You.\n"), call(6, &["Who è", "?"], "Me.")]);
        let text = zstd::decode_all(transcript.as_bytes()).expect("sound");
        let expected = r#"{"same":0,"call":{"key":{"stage":"affective","question":"Q5","asked_before":0},"messages":["Who é?"],"reply":{"kind":"text","content":"You.\n","cut_off":false},"tokens":{"input":9,"cached":4,"output":2},"reported_model":"m-0125"}}
{"same":4,"call":{"key":{"stage":"affective","question":"Q6","asked_before":0},"messages":["è","?"],"reply":{"kind":"text","content":"Me.","cut_off":false},"tokens":{"input":9,"cached":4,"output":2},"reported_model":"m-0125"}}
"#;
        assert_eq!(String::from_utf8(text).expect("text"), expected);
    }

    #[test]
    fn messages_contain_a_transcript_as_base64() {
        let transcript = Transcript::of([call(5, &["Who?"], "You.")]);
        let json = serde_json::to_string(&transcript).expect("writes");
        assert_eq!(serde_json::from_str::<Transcript>(&json).expect("reads"), transcript);
        assert!(serde_json::from_str::<Transcript>("\"!\"").is_err());
    }

    #[test]
    fn a_text_shared_by_all_calls_is_stored_once() {
        // Words that do not repeat in the story.
        let words = (0_u64..2_000).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string());
        let story = words.collect::<Vec<_>>().join(" ");
        let of = |calls: u16| Transcript::of((1..=calls).map(|number| call(number, &[story.as_str()], "Answer: 1")));
        let (one, many) = (of(1).as_bytes().len(), of(174).as_bytes().len());
        assert!(many < one + 174 * 100, "{one} bytes for one call, {many} for 174");
    }

    #[test]
    fn damage_gives_one_error_and_ends_the_iteration() {
        let sound = Transcript::of((1..=20).map(|number| call(number, &["Who?"], "You.")));
        let mut bytes = sound.as_bytes().to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        for damaged in [bytes, sound.as_bytes()[..last - 8].to_vec(), b"no transcript".to_vec()] {
            let calls: Vec<_> = Transcript::from_bytes(damaged).calls().collect();
            assert_eq!(calls.iter().filter(|call| call.is_err()).count(), 1);
            assert!(calls.last().is_some_and(Result::is_err));
        }
    }

    proptest! {
        #[test]
        fn any_texts_are_read_back(texts in prop::collection::vec(any::<String>(), 1..4), reply in any::<String>()) {
            let messages: Vec<&str> = texts.iter().map(String::as_str).collect();
            let longer = [&texts[0], reply.as_str()].concat();
            let calls = vec![
                call(1, &messages, &reply),
                call(2, &messages, ""),
                call(3, &[longer.as_str()], ""),
                call(4, &[], ""),
                call(5, &messages, ""),
            ];
            prop_assert_eq!(read(&Transcript::of(calls.clone())), calls);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Transcript::from_bytes(bytes).calls().count();
        }
    }
}
