//! Whether an experiment's budgets can be kept.

use crate::budget::PurseLimit;
use crate::model::ModelSettings;
use crate::money::NanoUsd;

/// A billion dollars: more is a typing error.
const MAX_USD: f64 = 1e9;

/// The amounts of which a run's budget consists.
#[derive(Clone, Copy)]
pub(super) struct Budgets<'a> {
    pub(super) of_run: Option<f64>,
    pub(super) models: &'a [ModelSettings],
}

impl Budgets<'_> {
    /// Whether the run, a model or an endpoint has a budget.
    pub(super) fn are_there(self) -> bool {
        let of_model = self.models.iter().any(|model| model.budget_usd.or(model.endpoint_budget_usd).is_some());
        self.of_run.is_some() || of_model
    }

    /// The purses of the run: the run's own first, if there is any budget. Nothing is spent yet.
    pub(super) fn purses(self) -> Vec<PurseLimit> {
        if !self.are_there() {
            return Vec::new();
        }
        let purse =
            |name: String, limit: NanoUsd, models: Vec<usize>| PurseLimit { name, limit, spent: NanoUsd(0), models };
        let all = (0..self.models.len()).collect();
        let of_run = self.of_run.map_or(NanoUsd(u64::MAX), nano);
        let mut purses = vec![purse("the run".to_owned(), of_run, all)];
        for (place, model) in self.models.iter().enumerate() {
            if let Some(usd) = model.budget_usd {
                purses.push(purse(format!("model {:?}", model.name), nano(usd), vec![place]));
            }
            if let Some(usd) = model.endpoint_budget_usd {
                let is_there = |other: &usize| self.models[*other].base_url == model.base_url;
                let models = (0..self.models.len()).filter(is_there).collect();
                let name = format!("endpoint {}", model.base_url.as_deref().unwrap_or_default());
                purses.push(purse(name, nano(usd), models));
            }
        }
        purses
    }
}

/// The problems of the budgets: each call needs a price and a limit, or the most that it costs is unknown.
pub(super) fn problems(budgets: Budgets<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut check = |of: String, usd: Option<f64>| {
        if let Some(usd) = usd.filter(|usd| !(*usd > 0.0 && *usd <= MAX_USD)) {
            problems.push(format!("{of} {usd}: expected an amount of US dollars above 0 and up to a billion"));
        }
    };
    check("budget".to_owned(), budgets.of_run);
    for model in budgets.models {
        check(format!("model {:?}: budget_usd", model.name), model.budget_usd);
        check(format!("model {:?}: endpoint_budget_usd", model.name), model.endpoint_budget_usd);
    }
    if !budgets.are_there() {
        return problems;
    }
    for model in budgets.models {
        let name = &model.name;
        if model.price.is_none() {
            problems.push(format!(
                "model {name:?}: a budget needs a price: say one with --price or `price`, or leave the budget out"
            ));
        }
        if model.max_output_tokens.is_none() {
            problems.push(format!(
                "model {name:?}: a budget needs a limit of the reply: say --max-output-tokens, such as three times the longest \
                 that you expect (4000), or leave the budget out"
            ));
        }
    }
    problems
}

/// Dollars as an exact amount.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to lie in 0..=1e9")]
pub(super) fn nano(usd: f64) -> NanoUsd {
    NanoUsd((usd.clamp(0.0, MAX_USD) * 1e9).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(settings: &str) -> Vec<ModelSettings> {
        let model = format!("name = 'm'\nbase_url = 'http://127.0.0.1:9/v1'\n{settings}");
        vec![toml::from_str(&model).expect("reads")]
    }

    fn with(of_run: Option<f64>, models: &[ModelSettings]) -> Budgets<'_> {
        Budgets { of_run, models }
    }

    #[test]
    fn a_budget_needs_prices_and_limits_of_replies() {
        let found = problems(with(Some(5.0), &models("")));
        assert!(
            found.len() == 2 && found[0].contains("needs a price") && found[1].contains("--max-output-tokens"),
            "{found:?}"
        );
        let price = "max_output_tokens = 100\nprice = { input_usd_per_million = 1, output_usd_per_million = 1 }";
        assert_eq!(problems(with(Some(5.0), &models(price))), Vec::<String>::new());
        for absurd in [-5.0, 0.0, 1e12, f64::NAN, f64::INFINITY] {
            let found = problems(with(Some(absurd), &models(price)));
            assert!(found[0].contains(&format!("budget {absurd}: expected an amount")), "{found:?}");
            let of_model = format!("{price}\nbudget_usd = {absurd:?}");
            assert!(problems(with(None, &models(&of_model.to_lowercase())))[0].starts_with("model \"m\": budget_usd "));
        }
    }

    #[test]
    fn each_budget_is_a_purse_and_the_runs_is_the_first() {
        let purses = with(Some(5.0), &models("budget_usd = 2\nendpoint_budget_usd = 3")).purses();
        let found: Vec<_> = purses.iter().map(|purse| (purse.name.as_str(), purse.limit.0 / 1_000_000_000)).collect();
        assert_eq!(found, [("the run", 5), ("model \"m\"", 2), ("endpoint http://127.0.0.1:9/v1", 3)]);
        assert!(with(None, &models("")).purses().is_empty());
    }
}
