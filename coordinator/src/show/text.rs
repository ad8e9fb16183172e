//! Formats a cell as text for people. A bar marks what a model wrote, so that nobody mistakes it for the program's own
//! text.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Write};

use super::{Call, ReplyText, ShownAnswer, ShownBackstory, ShownCell, ShownQuestion, ShownRejection, Stage};

pub(super) fn text(cell: &ShownCell) -> String {
    let mut text = String::new();
    write_cell(&mut text, cell).expect("writing to memory does not fail");
    text
}

fn write_cell(out: &mut String, cell: &ShownCell) -> fmt::Result {
    let ShownCell { run, model, respondent, fold, .. } = cell;
    let country = cell.country.as_ref().map(|country| format!(" ({country})")).unwrap_or_default();
    let simulated = if cell.simulated { ", SIMULATED replies" } else { "" };
    writeln!(out, "Respondent {respondent}{country}, fold {fold}, model {model}, run {run}{simulated}")?;
    if !cell.texts_kept {
        writeln!(
            out,
            "No transcript was kept for this cell. `valuesim run --transcripts` keeps the transcripts of cells that finish"
        )?;
        writeln!(out, "from then on.")?;
    }
    writeln!(out, "\nProfile")?;
    write_barred(out, &cell.profile)?;
    if let Some(backstory) = &cell.backstory {
        write_backstory(out, backstory)?;
    }
    cell.questions.iter().try_for_each(|question| write_question(out, question))
}

fn write_backstory(out: &mut String, backstory: &ShownBackstory) -> fmt::Result {
    let ShownBackstory { ended, characters, calls, rejections } = backstory;
    writeln!(out, "\nBackstory ({ended}, {characters} characters)")?;
    write_calls(out, calls.iter())?;
    write_rejections(out, rejections)
}

/// What the provider said to prompts that it did not take.
fn write_rejections(out: &mut String, rejections: &[ShownRejection]) -> fmt::Result {
    rejections.iter().try_for_each(|ShownRejection { stage, said }| writeln!(out, "{stage}: the provider said: {said}"))
}

fn write_question(out: &mut String, question: &ShownQuestion) -> fmt::Result {
    writeln!(out, "\n{}: {}", question.question, question.text)?;
    for option in &question.options {
        writeln!(out, "  {}: {}", option.code, option.label)?;
    }
    for item in &question.retrieved {
        let (id, similarity, answer) = (item.question, &item.similarity, Answer(item.answer.as_ref()));
        writeln!(out, "retrieved [similarity: {similarity}] {id}: {} {answer}", item.text)?;
    }
    let calls_of = |stage: Stage| question.calls.iter().filter(move |call| call.key.stage == stage);
    for module in &question.modules {
        let stage = module.stage;
        writeln!(out, "{stage}: {} ({})", Answer(module.answer.as_ref()), module.ended)?;
        write_calls(out, calls_of(stage))?;
    }
    // Each stage other than the modules, such as a coordinator, once.
    let other: BTreeSet<Stage> = question.calls.iter().map(|call| call.key.stage).collect();
    for stage in other.into_iter().filter(|stage| stage.kind().module().is_none()) {
        writeln!(out, "{stage}:")?;
        write_calls(out, calls_of(stage))?;
    }
    write_rejections(out, &question.rejections)?;
    for prediction in &question.predictions {
        let answer = Answer(prediction.answer.as_ref());
        let (method, ended, asked) = (prediction.method, prediction.ended, prediction.asked);
        let decided = prediction.decided.replace('_', " ");
        writeln!(out, "prediction of {method}: {answer} ({ended}; {decided}; calls: {asked})")?;
    }
    match &question.truth {
        Some(truth) => writeln!(out, "truth: {}", Answer(Some(truth))),
        None => writeln!(out, "truth: none in the survey"),
    }
}

fn write_calls<'a>(out: &mut String, calls: impl Iterator<Item = &'a Call>) -> fmt::Result {
    for call in calls {
        if call.key.asked_before > 0 {
            writeln!(out, "  asked again:")?;
        }
        // The earlier messages repeat those of the previous call.
        if let Some(prompt) = call.messages.last() {
            writeln!(out, "  prompt:")?;
            write_barred(out, prompt)?;
            writeln!(out, "  reply:")?;
        }
        write_reply(out, &call.reply)?;
    }
    Ok(())
}

fn write_reply(out: &mut String, reply: &ReplyText) -> fmt::Result {
    match reply {
        ReplyText::Text { content, cut_off } => {
            write_barred(out, content)?;
            if *cut_off { writeln!(out, "  (cut off by the length limit)") } else { Ok(()) }
        }
        ReplyText::Refused => writeln!(out, "  (no reply: refused by policy)"),
        ReplyText::TooLong => writeln!(out, "  (no reply: the prompt is too long for the model's context)"),
        ReplyText::Rejected => writeln!(out, "  (no reply: the provider rejected the prompt)"),
    }
}

fn write_barred(out: &mut String, text: &str) -> fmt::Result {
    text.lines().try_for_each(|line| writeln!(out, "  | {line}"))
}

/// Displays an answer with its label.
struct Answer<'a>(Option<&'a ShownAnswer>);

impl Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("no answer"),
            Some(ShownAnswer { code, label: None }) => write!(f, "{code}"),
            Some(ShownAnswer { code, label: Some(label) }) => write!(f, "{code}, {label}"),
        }
    }
}
