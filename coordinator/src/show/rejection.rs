//! What a provider said to prompts that it did not take, as it is shown.

use serde::Serialize;
use valuesim_shared::id::QuestionId;
use valuesim_shared::outcome::CellResult;
use valuesim_shared::stage::Stage;

/// What a provider said to a prompt that it did not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownRejection {
    /// What the prompt was for.
    pub stage: Stage,
    /// The status, the provider's code and the beginning of its message.
    pub said: String,
}

/// What the provider said to prompts about a question, or for a backstory.
pub(super) fn rejections(result: &CellResult, about: Option<QuestionId>) -> Vec<ShownRejection> {
    let rejected = result.rejections.iter().filter(|rejected| rejected.call.question == about);
    rejected.map(|it| ShownRejection { stage: it.call.stage, said: it.rejection.to_string() }).collect()
}
