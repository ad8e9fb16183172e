//! Reads the file of replies that `valuesim parse` shows.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::string::FromUtf8Error;

use anyhow::{Context as _, anyhow, bail};
use serde::Deserialize;
use valuesim_shared::id::{Code, QuestionId};

use crate::columns::shortened;

/// The longest file, in bytes.
const MAX_BYTES: u64 = 256 << 20;

/// How much of a line an error repeats, in characters.
const QUOTED: usize = 60;

/// A reply with its question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// The line of the file, from 1.
    pub(super) line: usize,
    pub(super) question: QuestionId,
    /// The model that gave it, if the file says so.
    pub(super) model: Option<String>,
    pub(super) text: String,
    /// How a person reads it, if the file says so.
    pub(super) right: Option<Right>,
}

/// How a person reads a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "expected a code, \"refused\" or \"invalid\"")]
pub(super) enum Right {
    Code(Code),
    Without(Without),
}

/// How a person reads a reply without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Without {
    Refused,
    Invalid,
}

/// A line of JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    question: Option<String>,
    reply: String,
    model: Option<String>,
    right: Option<Right>,
}

/// The text of a file of replies.
#[derive(Debug)]
pub(super) struct Input {
    name: String,
    text: String,
}

impl Input {
    /// The text of the file, or of standard input if it is called `-`. Fails if it is not UTF-8 or too long.
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let is_stdin = file.as_os_str() == "-";
        let name = if is_stdin { "standard input".to_owned() } else { file.display().to_string() };
        let bytes = if is_stdin { bounded(io::stdin().lock()) } else { File::open(file).and_then(bounded) };
        let bytes = bytes.with_context(|| format!("read replies from {name}"))?;
        if bytes.len() as u64 > MAX_BYTES {
            bail!("{name} has more than {} MB: split it", MAX_BYTES >> 20);
        }
        let text = String::from_utf8(bytes).map_err(|error| not_utf8(&name, &error))?;
        Ok(Self { name, text })
    }

    /// The replies of all lines; those that name no question are about `question`.
    pub(super) fn replies(&self, question: Option<QuestionId>) -> anyhow::Result<Vec<Reply>> {
        let text = self.text.strip_prefix('\u{feff}').unwrap_or(&self.text);
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let read = |(at, line): (usize, &str)| {
            reply(at + 1, line, question).with_context(|| format!("{}, line {}", self.name, at + 1))
        };
        let replies: Vec<Reply> = lines.map(read).collect::<Result<_, _>>()?;
        if replies.is_empty() {
            bail!("{} has no replies: expected one on each line, after its question and a tab", self.name);
        }
        Ok(replies)
    }
}

fn bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn not_utf8(name: &str, error: &FromUtf8Error) -> anyhow::Error {
    let bytes = error.as_bytes();
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return anyhow!("{name} is UTF-16: save it as UTF-8");
    }
    let line = bytes[..error.utf8_error().valid_up_to()].split(|&byte| byte == b'\n').count();
    anyhow!("{name}, line {line}: not UTF-8: save the file as UTF-8")
}

fn reply(at: usize, line: &str, question: Option<QuestionId>) -> anyhow::Result<Reply> {
    if is_json(line, question) {
        return json_reply(at, line, question);
    }
    let named = line.split_once('\t').and_then(|(id, text)| Some((id.trim().parse().ok()?, text)));
    if let Some((question, text)) = named.or_else(|| Some((question?, line))) {
        return Ok(Reply { line: at, question, model: None, text: text.to_owned(), right: None });
    }
    let Some((id, _)) = line.split_once('\t') else {
        let quoted = shortened(line, QUOTED);
        bail!("{quoted:?} names no question: expected one and a tab before the reply, or --question for all lines");
    };
    Err(id.trim().parse::<QuestionId>().expect_err("it was parsed above").into())
}

/// Whether a line is meant as JSON. Where the question is given for all lines, a line may be a reply that is itself an object.
fn is_json(line: &str, question: Option<QuestionId>) -> bool {
    line.trim_start().starts_with('{') && (question.is_none() || has_reply(line))
}

/// Whether a line is a JSON object with the field `reply`.
fn has_reply(line: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(line).is_ok_and(|value| value.get("reply").is_some())
}

fn json_reply(at: usize, line: &str, question: Option<QuestionId>) -> anyhow::Result<Reply> {
    let Line { question: named, reply, model, right } = serde_json::from_str(line)
        .map_err(|error| anyhow!("{}", without_line(&error.to_string())))
        .context("expected a JSON object with \"question\" and \"reply\"")?;
    let question = match named {
        Some(id) => id.trim().parse()?,
        None => question.context("the object names no \"question\": expected one, or --question for all lines")?,
    };
    Ok(Reply { line: at, question, model, text: reply, right })
}

/// The message of an error in a line of JSON: that it is in line 1 of this line would only confuse.
fn without_line(message: &str) -> String {
    message.replace(" at line 1 column ", ", at character ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, question: Option<&str>) -> Result<Vec<Reply>, String> {
        let input = Input { name: "x.txt".to_owned(), text: text.to_owned() };
        let question = question.map(|id| id.parse().expect("a question"));
        input.replies(question).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn lines_are_replies_with_their_questions() {
        let check = |text: &str, question: Option<&str>, expected: &[(usize, &str, &str)]| {
            let read = read(text, question).expect("replies");
            let found: Vec<_> =
                read.iter().map(|reply| (reply.line, reply.question.to_string(), reply.text.clone())).collect();
            let expected: Vec<_> =
                expected.iter().map(|&(line, id, text)| (line, id.to_owned(), text.to_owned())).collect();
            assert_eq!(found, expected, "{text:?}");
        };
        check("\u{feff}Q57\tAnswer: 2\tor so\r\n\n Q1 \t3", None, &[(1, "Q57", "Answer: 2\tor so"), (3, "Q1", "3")]);
        check("{\"question\": \"Q57\", \"reply\": \"2\\nx\"}", None, &[(1, "Q57", "2\nx")]);
        check(
            "{\"reply\": \"2\"}\n{\"answer\": 1}\n3\nQ2\t4",
            Some("Q1"),
            &[(1, "Q1", "2"), (2, "Q1", "{\"answer\": 1}"), (3, "Q1", "3"), (4, "Q2", "4")],
        );
    }

    #[test]
    fn what_a_person_reads_may_stand_beside_a_reply() {
        let right = |json: &str| {
            let line = format!("{{\"question\": \"Q1\", \"reply\": \"\", \"model\": \"m\", \"right\": {json}}}");
            read(&line, None).map(|replies| replies[0].right)
        };
        assert_eq!(right("3"), Ok(Some(Right::Code(Code(3)))));
        assert_eq!(right("\"refused\""), Ok(Some(Right::Without(Without::Refused))));
        assert_eq!(right("\"invalid\""), Ok(Some(Right::Without(Without::Invalid))));
        let error = right("\"maybe\"").expect_err("no reading");
        assert!(error.contains("expected a code, \"refused\" or \"invalid\""), "{error}");
    }

    #[test]
    fn errors_name_the_line() {
        let check = |text: &str, question: Option<&str>, expected: &[&str]| {
            let error = read(text, question).expect_err(text);
            assert!(expected.iter().all(|part| error.contains(part)), "{error}");
        };
        check("Q1\t2\nQ291\t3", None, &["x.txt, line 2", "unknown question \"Q291\": expected Q1 to Q290"]);
        check("Answer: 2", None, &["line 1", "\"Answer: 2\" names no question", "--question"]);
        check("\n{\"question\": \"Q1\"", None, &["line 2", "expected a JSON object", "EOF", "at character 17"]);
        check("{\"question\": \"Q1\"}", None, &["line 1", "missing field `reply`"]);
        check("{\"reply\": \"2\"}", None, &["line 1", "names no \"question\""]);
        check("{\"reply\": \"2\", \"question\": \"57\"}", Some("Q1"), &["line 1", "unknown question \"57\""]);
        check("{\"reply\": \"2\", \"say\": 1}", Some("Q1"), &["line 1", "unknown field `say`"]);
        check("", None, &["x.txt has no replies"]);
        check("\n \n", Some("Q1"), &["x.txt has no replies"]);
        let not_text = |bytes: &[u8]| {
            let error = String::from_utf8(bytes.to_vec()).expect_err("not UTF-8");
            not_utf8("x.txt", &error).to_string()
        };
        assert_eq!(not_text(b"a\nb\xff"), "x.txt, line 2: not UTF-8: save the file as UTF-8");
        assert_eq!(not_text(b"\xff\xfea\0"), "x.txt is UTF-16: save it as UTF-8");
    }
}
