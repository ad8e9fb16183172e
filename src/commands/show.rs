//! `valuesim show`: shows what a run knows about one respondent.

use clap::Args;
use valuesim_coordinator::show::{Prompts, Selection, ShownCell, show};
use valuesim_coordinator::terminal_escape::{visible, visible_json};
use valuesim_shared::id::{Fold, QuestionId, Respondent};

use super::open_run::Which;
use super::run::{fold, respondent};
use crate::exit::{Exit, Failure, OrUsage as _};
use crate::output::print;

/// What `valuesim show` takes.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    which: Which,

    /// The respondent's row number in the survey file, starting at 1
    #[arg(value_parser = respondent)]
    respondent: Respondent,

    /// Only this question: Q1 to Q290
    question: Option<QuestionId>,

    /// Only this fold [default: all finished folds]
    #[arg(long, value_name = "FOLD", value_parser = fold)]
    fold: Option<Fold>,

    /// Only this model [default: all]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,

    /// Also show the prompts
    #[arg(long)]
    prompts: bool,

    /// Write one JSON object per fold and model, each on its own line
    #[arg(long)]
    json: bool,
}

/// Prints profile, backstory, what the model said, predictions and truth.
pub(crate) fn run(flags: &Flags) -> Result<Exit, Failure> {
    let selection = Selection {
        respondent: flags.respondent,
        question: flags.question,
        fold: flags.fold,
        model: flags.model.clone(),
        prompts: if flags.prompts { Prompts::Shown } else { Prompts::Hidden },
    };
    flags.which.view(|run| {
        let cells = match show(run, &selection) {
            Err(error) if error.is_usage() => return Err(error).or_usage(),
            shown => shown?,
        };
        let texts: Vec<String> = cells.iter().map(|cell| flags.render(cell)).collect();
        print(&texts.join(if flags.json { "" } else { "\n" }))?;
        Ok(Exit::Done)
    })
}

impl Flags {
    /// A cell as text, with terminal control characters escaped.
    fn render(&self, cell: &ShownCell) -> String {
        if self.json {
            let json = serde_json::to_string(cell).expect("a cell can be written as JSON");
            return format!("{}\n", visible_json(&json));
        }
        visible(&cell.text()).into_owned()
    }
}
