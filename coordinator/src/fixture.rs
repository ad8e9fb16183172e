//! Fixtures for this crate's tests: a codebook with the official codes, levels and categories, and small results.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};
use valuesim_shared::codebook::{Category, Codebook, Question};
use valuesim_shared::id::{Code, QuestionId, RunId};
use valuesim_shared::method::{Behaviour, Method};
use valuesim_shared::money::NanoUsd;
use valuesim_shared::outcome::{Decided, Ended, ReusedReplies};
use valuesim_shared::stage::Stage;

use crate::results::{ArmResults, DistributionSummary, Missing, ModelSpend, RESULTS_VERSION, Results, StageTotals};
use crate::score::{Arm, Prediction, Scorer, Tallies, Whom};
use crate::statistics::{Population, Sample};

/// A JSON file from the repository's folder `tests/fixtures`.
pub(crate) fn json_file(name: &str) -> Value {
    let path = format!("{}/../tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).expect("the fixtures are JSON")
}

/// The codes of a JSON list.
pub(crate) fn codes(list: &Value) -> Vec<Code> {
    serde_json::from_value(list.clone()).expect("a list of codes")
}

/// A codebook with the official codes, levels and categories, but without the questions' wording.
pub(crate) fn codebook() -> Codebook {
    static CODEBOOK: LazyLock<Codebook> = LazyLock::new(|| codebook_with_options(&BTreeMap::new()));
    CODEBOOK.clone()
}

/// The same codebook with other options for some questions.
pub(crate) fn codebook_with_options(options: &BTreeMap<QuestionId, Vec<Code>>) -> Codebook {
    let facts = json_file("questions.json");
    let questions: Vec<Value> = QuestionId::all()
        .map(|id| {
            let fact = &facts[id.to_string()];
            let codes = options.get(&id).cloned().unwrap_or_else(|| codes(&fact["codes"]));
            question(id, fact, &codes)
        })
        .collect();
    let countries = json!([
        { "code": 36, "alpha": "AUS", "name": "Australia" },
        { "code": 76, "alpha": "BRA", "name": "Brazil" },
    ]);
    serde_json::from_value(json!({ "name": "facts", "questions": questions, "countries": countries }))
        .expect("a codebook")
}

fn question(id: QuestionId, fact: &Value, codes: &[Code]) -> Value {
    let options: Vec<Value> =
        codes.iter().map(|code| json!({ "code": code, "label": format!("{id}={code}") })).collect();
    json!({
        "id": id,
        "text": id,
        "options": options,
        "natural": { "text": id, "sentences": [], "template": null },
        "level": fact["level"],
        "direction": fact.get("direction"),
        "section": fact["wvs_category"],
        "category": fact["paper_category"],
        "scale": scale(fact),
        "missing": fact["missing_codes"],
        "open": codes.is_empty().then_some("number"),
        "range": fact.get("observed_range"),
    })
}

fn scale(fact: &Value) -> Vec<Code> {
    let has_scale = ["ordinal", "binary"].contains(&fact["level"].as_str().expect("a level"));
    if !has_scale {
        return Vec::new();
    }
    let off_scale = fact.get("off_scale_codes").map(codes).unwrap_or_default();
    let mut scale = codes(fact.get("scale_order").unwrap_or(&fact["codes"]));
    scale.retain(|code| !off_scale.contains(code));
    scale
}

/// One person's predictions. `predict` gets a question's index, the truth and the number of options, and returns the
/// predicted option.
fn person(codebook: &Codebook, row: usize, predict: impl Fn(usize, usize, usize) -> Option<usize>) -> Vec<Prediction> {
    let predicted = |question: &Question| {
        let options = question.options.len();
        let truth = (row + question.id.index()) % options.max(1);
        let code = |at: usize| question.options.get(at).map_or(Code(-1), |option| option.code);
        let answer = predict(question.id.index(), truth, options).map(code);
        Prediction {
            asked: 3,
            ended: if answer.is_some() { Ended::Answered } else { Ended::Refused },
            decided: if question.id.index().is_multiple_of(3) { Decided::Coordinator } else { Decided::Unanimous },
            ..Prediction::without_model(question.id, code(truth), answer)
        }
    };
    codebook.questions().iter().filter(|question| question.category != Category::Tech).map(predicted).collect()
}

/// The scores of an arm over four people.
fn arm(arm: Arm, predict: impl Fn(usize, usize, usize) -> Option<usize> + Copy) -> ArmResults {
    let codebook = codebook();
    let tallies = Tallies::new(&codebook, Behaviour::Corrected);
    let mut scorer = Scorer::new(&tallies);
    for row in 0..4 {
        scorer.add_person(&person(&codebook, row, |at, truth, options| predict(at * (row + 3), truth, options)));
    }
    let score = scorer.score(Whom {
        sample: Sample { people: 4, population: Population::Finite(2000) },
        strata: None,
        weights: None,
    });
    ArmResults { arm, score, distribution: DistributionSummary::default() }
}

/// The results of a small run of two methods with `model`, without questions of category Tech.
pub(crate) fn results(model: &str) -> Results {
    let guess = |at: usize, truth: usize, options: usize| {
        let missed = at.is_multiple_of(29);
        let answer = if at.is_multiple_of(2) { truth } else { at % options.max(1) };
        (!missed).then_some(answer)
    };
    let first = |_: usize, _: usize, _: usize| Some(0);
    let second = |_: usize, truth: usize, options: usize| Some((truth + 1).min(options.saturating_sub(1)));
    let totals = StageTotals {
        requests: 3482,
        answered: 3480,
        failed: 2,
        abandoned: 0,
        without_usage: 0,
        input_tokens: 5_220_000,
        cached_tokens: 4_100_000,
        cache_write_tokens: 0,
        output_tokens: 452_400,
        cost_nano_usd: Some(NanoUsd(3_288_600_000)),
        unsure_nano_usd: Some(NanoUsd(900_000)),
        unsure_at_most_nano_usd: Some(NanoUsd(5_000_000)),
    };
    Results {
        version: RESULTS_VERSION,
        run: RunId("demo-0123456789ab".to_owned()),
        title: "ValueSim: demo".to_owned(),
        behaviour: Behaviour::Corrected,
        simulated: false,
        synthetic_survey: false,
        population: Population::Finite(2000),
        cells_planned: 20,
        cells_finished: 20,
        cells_dead: 0,
        rounds: None,
        missing: Missing { planned: 20, scored: 20, persons_planned: 4, persons_scored: 4, ..Missing::default() },
        facts: vec!["4 of 2,000 respondents, drawn with seed 42".to_owned(), "5 folds".to_owned()],
        published_elsewhere: Vec::new(),
        weights: None,
        arms: vec![
            arm(Arm::with_model(Method::ValueSim, model), guess),
            arm(Arm::with_model(Method::FullInfo, model), second),
            arm(Arm::without_model(Method::Chance), second),
            arm(Arm::without_model(Method::Mode), first),
        ],
        comparisons: Vec::new(),
        power: Vec::new(),
        questions: Vec::new(),
        breakdowns: Vec::new(),
        calibration: Vec::new(),
        people: Vec::new(),
        modules: Vec::new(),
        notes: Vec::new(),
        call_dates: None,
        spend: vec![ModelSpend {
            model: model.to_owned(),
            reported_models: vec![format!("{model}-0125")],
            stages: [(Stage::STORY, totals), (Stage::COGNITIVE, totals)].into(),
            reused: ReusedReplies::default(),
            oddities: std::collections::BTreeMap::new(),
        }],
        provenance: vec!["valuesim 0.1.0".to_owned(), "prompts 6b1f…".to_owned()],
    }
}
