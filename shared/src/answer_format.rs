//! How a model is asked to write its answers: as text, or as JSON that the server enforces.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::codebook::Question;
use crate::stage::StageKind;

/// The form of answers that requests ask for. It decides results, so it is part of a run's identity.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerFormat {
    /// Text, as the prompts describe it.
    #[default]
    Text,
    /// JSON of a schema that has the question's codes, by `response_format` as OpenAI defines it ("Structured Outputs"); vLLM and
    /// llama.cpp take the same.
    JsonSchema,
}

impl AnswerFormat {
    /// Whether it is the paper's.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// The field `response_format` of a request about a question; `None` for text, and for backstories.
    pub fn response_format(self, kind: StageKind, question: &Question) -> Option<String> {
        let has_analysis = match (self, kind) {
            (Self::Text, _) | (_, StageKind::Story | StageKind::Embeddings) => return None,
            (
                Self::JsonSchema,
                StageKind::Cognitive | StageKind::Affective | StageKind::Behavioral | StageKind::Coordinator,
            ) => true,
            (Self::JsonSchema, StageKind::FullInfo | StageKind::NoCab | StageKind::NoProfile | StageKind::Rag) => false,
        };
        let schema = json!({"name": "answer", "strict": true, "schema": schema(question, has_analysis)});
        Some(json!({"type": "json_schema", "json_schema": schema}).to_string())
    }
}

/// An object with the code, any integer for an open question, and perhaps with the reasons.
fn schema(question: &Question, has_analysis: bool) -> Value {
    let codes: Vec<i32> = question.options.iter().map(|option| option.code.0).collect();
    let answer = if codes.is_empty() { json!({"type": "integer"}) } else { json!({"type": "integer", "enum": codes}) };
    let (properties, required) = if has_analysis {
        (json!({"answer": answer, "analysis": {"type": "string"}}), json!(["answer", "analysis"]))
    } else {
        (json!({"answer": answer}), json!(["answer"]))
    };
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::QuestionId;

    #[test]
    fn the_schema_has_the_codes_of_the_question() {
        let question = Question::example(QuestionId::from_index(0), "How?", &[(0, "No"), (2, "Yes")]);
        let asked = |kind| AnswerFormat::JsonSchema.response_format(kind, &question);
        assert_eq!(
            asked(StageKind::Rag).as_deref(),
            Some(
                r#"{"json_schema":{"name":"answer","schema":{"additionalProperties":false,"properties":{"answer":{"enum":[0,2],"type":"integer"}},"required":["answer"],"type":"object"},"strict":true},"type":"json_schema"}"#
            )
        );
        let module: Value = serde_json::from_str(&asked(StageKind::Cognitive).expect("constrained")).expect("JSON");
        assert_eq!(module["json_schema"]["schema"]["required"], json!(["answer", "analysis"]));
        assert_eq!(asked(StageKind::Story), None);
        assert_eq!(AnswerFormat::Text.response_format(StageKind::Rag, &question), None);
        let open = Question::example(QuestionId::from_index(0), "When?", &[]);
        let open = AnswerFormat::JsonSchema.response_format(StageKind::NoCab, &open).expect("constrained");
        assert!(open.contains(r#""answer":{"type":"integer"}"#), "{open}");
    }
}
