//! `valuesim parse`: shows how replies are read, and why.

mod input;
mod shown;
mod summary;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use valuesim_shared::codebook::Codebook;
use valuesim_shared::id::QuestionId;
use valuesim_shared::method::Behaviour;
use valuesim_shared::reply::{Explanation, explain_module_reply, explain_single_reply};

use self::input::{Input, Reply};
use self::shown::Shown;
use self::summary::Summary;
use super::run::behaviour;
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::{Reader, print, print_json};

/// What `valuesim parse` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// The replies, or `-` for standard input. On each line the question, a tab and the reply, `Q57<TAB>Answer: 2`, or a JSON
    /// object: `{"question": "Q57", "reply": "Answer: 2\nAnalysis: ..."}`, perhaps with `model` and with `right`, the code that a
    /// person reads, "refused" or "invalid". Blank lines are skipped
    file: PathBuf,

    /// The question of replies that name none: each line is then a reply
    #[arg(long, value_name = "QUESTION")]
    question: Option<QuestionId>,

    /// Which replies these are. In behaviour `corrected` both kinds are read alike
    #[arg(long, value_enum, value_name = "KIND", default_value = "module")]
    kind: Kind,

    /// Read as this behaviour does: corrected or paper
    #[arg(long, value_name = "BEHAVIOUR", default_value = "corrected", value_parser = behaviour)]
    behaviour: Behaviour,

    /// Another codebook: a TOML file, or the reference code's `questions.json` with `nature_options.json` beside it
    #[arg(long, value_name = "FILE", env = "VALUESIM_CODEBOOK")]
    codebook: Option<PathBuf>,

    /// Write one JSON object per reply, each on its own line, and the summary as the last
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Replies of a module or the coordinator: an answer with its analysis
    Module,
    /// Replies of a method that asks once: the answer alone
    Single,
}

/// Prints how each reply is read. Fails if one is read otherwise than its `right` says.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let codebook = match &flags.codebook {
        Some(path) => Codebook::load(path).or_usage()?,
        None => Codebook::built_in(),
    };
    let replies = Input::read(&flags.file).and_then(|input| input.replies(flags.question)).or_usage()?;
    let mut summary = Summary::default();
    for reply in &replies {
        let question = codebook.question(reply.question);
        let shown = Shown::new(reply, question, flags.explain(&codebook, reply));
        summary.count(&shown);
        if flags.show(&shown)? == Reader::IsGone {
            return Ok(summary.exit());
        }
    }
    if flags.json {
        print_json(&summary.for_machines())?
    } else {
        print(&summary.text())?
    };
    Ok(summary.exit())
}

impl Flags {
    fn explain(&self, codebook: &Codebook, reply: &Reply) -> Explanation {
        let explain = match self.kind {
            Kind::Module => explain_module_reply,
            Kind::Single => explain_single_reply,
        };
        explain(self.behaviour, &reply.text, codebook.question(reply.question))
    }

    fn show(&self, shown: &Shown<'_>) -> anyhow::Result<Reader> {
        if self.json { print_json(shown) } else { print(&shown.text()) }
    }
}
