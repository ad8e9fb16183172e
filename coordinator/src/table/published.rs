//! Looks up the paper's published figures for the models that it tested.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use valuesim_shared::method::Method;

use super::COLUMNS;
use crate::results::Measure;

/// Tables 1 and 3 of the paper: by model, then method, the nine categories and overall.
#[derive(Debug, Deserialize)]
struct Published {
    ablation: PublishedAblation,
    mae: BTreeMap<String, BTreeMap<String, [f64; COLUMNS]>>,
    accuracy: BTreeMap<String, BTreeMap<String, [f64; COLUMNS]>>,
}

/// Tables 2 and 4 of the paper: overall, by method, for the models in this order.
#[derive(Debug, Deserialize)]
struct PublishedAblation {
    order: Vec<String>,
    mae: BTreeMap<String, Vec<f64>>,
    accuracy: BTreeMap<String, Vec<f64>>,
}

static PUBLISHED: LazyLock<Published> = LazyLock::new(|| {
    let json = include_str!("../../data/published.json");
    serde_json::from_str(json).expect("a test reads the published figures")
});

/// How providers' names for the paper's models begin, and the paper's names for them.
const MODELS: [(&str, &str); 8] = [
    ("gpt-3.5-turbo", "GPT-3.5-Turbo"),
    ("deepseek-v3", "DeepSeek-V3"),
    ("deepseek-chat", "DeepSeek-V3"),
    ("llama-3.1-8b", "Llama-3.1-8B"),
    ("llama3.1-8b", "Llama-3.1-8B"),
    ("meta-llama-3.1-8b", "Llama-3.1-8B"),
    ("qwen-2.5-7b", "Qwen-2.5-7B"),
    ("qwen2.5-7b", "Qwen-2.5-7B"),
];

/// A row of a published table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PublishedRow {
    /// The paper's name for the method.
    pub(super) method: &'static str,
    /// The paper's name for the model.
    pub(super) model: &'static str,
    /// The nine categories and overall.
    pub(super) values: [f64; COLUMNS],
}

/// The published row of a method with a model, by the provider's name for the model, such as
/// `openai/gpt-3.5-turbo-0125`.
pub(super) fn published(measure: Measure, method: Method, model: &str) -> Option<PublishedRow> {
    let model = papers_model(model)?;
    let method = match method {
        Method::ValueSim => "ValueSim",
        Method::FullInfo => "Full Info",
        Method::Rag => "RAG",
        _ => return None,
    };
    row(measure, method, model)
}

/// The published score of an ablation with a model over all questions of fold 5, by the provider's name for the model.
pub(crate) fn papers_ablation(measure: Measure, method: Method, model: &str) -> Option<f64> {
    let model = papers_model(model)?;
    let method = match method {
        Method::ValueSim => "ValueSim",
        Method::NoCab => "ValueSim w/o CAB module",
        Method::NoStory => "ValueSim w/o story module",
        _ => return None,
    };
    let PublishedAblation { order, mae, accuracy } = &PUBLISHED.ablation;
    let table = if measure == Measure::Mae { mae } else { accuracy };
    let place = order.iter().position(|known| known == model)?;
    table.get(method)?.get(place).copied()
}

/// Everything that the paper published by category: the names of method and model, and the figures.
pub(crate) fn papers_rows(measure: Measure) -> Vec<(String, [f64; COLUMNS])> {
    let table = by_model(measure).iter();
    let rows = table.flat_map(|(model, methods)| methods.iter().map(move |(method, values)| (model, method, *values)));
    rows.map(|(model, method, values)| (name(method, model), values)).collect()
}

/// The paper's ablations: the models, and for each method its figures.
pub(crate) fn papers_ablations(measure: Measure) -> (&'static [String], &'static BTreeMap<String, Vec<f64>>) {
    let PublishedAblation { order, mae, accuracy } = &PUBLISHED.ablation;
    (order, if measure == Measure::Mae { mae } else { accuracy })
}

fn by_model(measure: Measure) -> &'static BTreeMap<String, BTreeMap<String, [f64; COLUMNS]>> {
    match measure {
        Measure::Accuracy => &PUBLISHED.accuracy,
        Measure::Mae => &PUBLISHED.mae,
    }
}

/// What a row of published figures is called.
pub(super) fn name(method: &str, model: &str) -> String {
    if method == model { method.to_owned() } else { format!("{method} / {model}") }
}

/// The same as the paper's names for method and model, and the figures.
pub(crate) fn papers_row(measure: Measure, method: Method, model: &str) -> Option<(String, [f64; COLUMNS])> {
    let row = published(measure, method, model)?;
    Some((name(row.method, row.model), row.values))
}

/// The published figures for answers drawn uniformly from the options.
pub(crate) fn papers_chance(measure: Measure) -> Option<[f64; COLUMNS]> {
    published_chance(measure).map(|row| row.values)
}

/// The published row for answers drawn uniformly from the options.
pub(super) fn published_chance(measure: Measure) -> Option<PublishedRow> {
    row(measure, "Chance", "Chance")
}

fn row(measure: Measure, method: &'static str, model: &'static str) -> Option<PublishedRow> {
    let values = *by_model(measure).get(model)?.get(method)?;
    Some(PublishedRow { method, model, values })
}

/// The paper's name for a model.
fn papers_model(name: &str) -> Option<&'static str> {
    let without_provider = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    MODELS.iter().find(|(start, _)| without_provider.starts_with(start)).map(|&(_, papers_name)| papers_name)
}

#[cfg(test)]
mod tests {
    use valuesim_shared::codebook::Category;

    use super::*;
    use crate::fixture;

    #[test]
    fn the_models_of_the_paper_are_known_by_their_providers_names() {
        let check = |name, expected| assert_eq!(papers_model(name), expected, "{name}");
        check("gpt-3.5-turbo", Some("GPT-3.5-Turbo"));
        check("openai/gpt-3.5-turbo-0125", Some("GPT-3.5-Turbo"));
        check("deepseek-chat", Some("DeepSeek-V3"));
        check("openrouter/deepseek/deepseek-chat-v3-0324:free", Some("DeepSeek-V3"));
        check("deepseek-ai/DeepSeek-V3", Some("DeepSeek-V3"));
        check("meta-llama/Llama-3.1-8B-Instruct", Some("Llama-3.1-8B"));
        check("meta-llama/Meta-Llama-3.1-8B-Instruct", Some("Llama-3.1-8B"));
        check("Qwen/Qwen2.5-7B-Instruct", Some("Qwen-2.5-7B"));
        check("qwen/qwen-2.5-7b-instruct", Some("Qwen-2.5-7B"));
        for other in ["gpt-4o-mini", "Qwen/Qwen2.5-72B-Instruct", "llama-3.1-70b", "deepseek-reasoner", "simulated", ""]
        {
            check(other, None);
        }
    }

    #[test]
    fn rows_are_the_papers() {
        let row = published(Measure::Accuracy, Method::ValueSim, "gpt-3.5-turbo").expect("published");
        assert_eq!((row.values[0], row.values[COLUMNS - 1]), (0.52, 0.452));
        let row = published(Measure::Mae, Method::FullInfo, "deepseek-chat").expect("published");
        assert_eq!((row.method, row.model, row.values[COLUMNS - 1]), ("Full Info", "DeepSeek-V3", 0.355));
        let row = published(Measure::Mae, Method::Rag, "gpt-3.5-turbo").expect("published");
        assert_eq!((row.method, row.values[0]), ("RAG", 0.363));
        let chance = published_chance(Measure::Mae).map(|row| row.values[COLUMNS - 1]);
        assert_eq!(chance, Some(0.507));
        assert_eq!(published(Measure::Mae, Method::Mode, "gpt-3.5-turbo"), None);
    }

    /// What the note below the tables says of the paper's row for chance.
    #[test]
    fn the_papers_chance_is_a_guess_among_one_option_too_many() {
        let row = published_chance(Measure::Accuracy).expect("published");
        let codebook = fixture::codebook();
        for (category, published) in Category::ALL.into_iter().zip(row.values) {
            let of_category = codebook.questions().iter().filter(|question| question.category == category);
            let options = of_category.map(|question| question.options.len()).filter(|&options| options > 0);
            let options: Vec<f64> = options.map(|options| options as f64).collect();
            let mean = |guess: fn(f64) -> f64| options.iter().map(|&k| guess(k)).sum::<f64>() / options.len() as f64;
            assert!(published < mean(|k| 1.0 / k) - 0.008, "{category}");
            let is_near = (published - mean(|k| 1.0 / (k + 1.0))).abs() < 0.006;
            // Some of these questions have no options here, or others than in the paper's file.
            assert!(is_near || category == Category::Demographics, "{category}: {published}");
        }
    }

    #[test]
    fn ablations_are_the_papers() {
        let of = |method, model| papers_ablation(Measure::Mae, method, model);
        assert_eq!(of(Method::NoCab, "gpt-3.5-turbo-0125"), Some(0.352));
        assert_eq!(of(Method::NoStory, "deepseek-chat"), Some(0.256));
        assert_eq!(of(Method::Average, "deepseek-chat"), None);
        assert_eq!(papers_ablation(Measure::Accuracy, Method::ValueSim, "qwen2.5-7b"), Some(0.439));
    }

    #[test]
    fn all_rows_are_there() {
        let rows = papers_rows(Measure::Mae);
        assert_eq!(rows.len(), 13);
        assert!(
            rows.iter().any(|(name, values)| name == "RAG / GPT-3.5-Turbo" && values.first() == Some(&0.363)),
            "{rows:?}"
        );
        assert!(rows.iter().any(|(name, _)| name == "Chance"), "{rows:?}");
    }

    #[test]
    fn the_copy_in_the_program_is_the_fixture() {
        let copy: serde_json::Value = serde_json::from_str(include_str!("../../data/published.json")).expect("JSON");
        assert_eq!(copy, fixture::json_file("published.json"));
        let columns: Vec<&str> = super::super::column_names().collect();
        assert_eq!(copy["columns"], serde_json::json!(columns));
    }
}
