//! The rules by which an experiment that asks people in rounds stops: what they leave out, and what is wrong with them.

use super::{ArmName, Experiment, Sample, Users};
use crate::method::{Behaviour, Method};

impl Sample {
    /// Whether people are asked in rounds, until a rule stops them.
    pub fn is_in_rounds(&self) -> bool {
        self.precision.is_some() || !self.until_decided.is_empty()
    }
}

impl Experiment {
    /// Fills in what a rule leaves out: everybody as the ceiling, the only model, and the groups among those that results are
    /// broken down by.
    pub(super) fn complete_stopping(&mut self) {
        if self.sample.is_in_rounds() && self.sample.users.is_none() && self.sample.respondents.is_empty() {
            self.sample.users = Some(Users::All);
        }
        if let [model] = &self.models[..] {
            let asking = self.sample.until_decided.iter_mut().filter(|arm| arm.method.asks_model());
            asking.for_each(|arm| _ = arm.model.get_or_insert_with(|| model.name.clone()));
        }
        if let Some(column) = &self.sample.precision_by
            && !self.evaluation.by.contains(column)
        {
            self.evaluation.by.push(column.clone());
        }
    }

    /// What is wrong with the rule, if there is one.
    pub(super) fn stopping_problems(&self) -> Vec<String> {
        let Sample { precision, precision_by, until_decided, respondents, stratify, .. } = &self.sample;
        let mut problems = Vec::new();
        let mut unless = |holds: bool, problem: &str| {
            if !holds {
                problems.push(problem.to_owned());
            }
        };
        unless(
            precision.is_none() || until_decided.is_empty(),
            "sample: `precision` and `until_decided` exclude each other; leave one out",
        );
        unless(
            precision.is_none_or(|half_width| half_width > 0.0 && half_width < 0.5),
            &format!(
                "sample.precision {}: expected half the width of an interval, above 0 and below 0.5",
                precision.unwrap_or_default()
            ),
        );
        unless(
            precision_by.is_none() || precision.is_some(),
            "sample.precision_by: its groups need a `precision`; set it, or leave `precision_by` out",
        );
        unless(
            respondents.is_empty() || !self.sample.is_in_rounds(),
            "sample: rounds of people are drawn, so `precision` and `until_decided` exclude `respondents`; leave one out",
        );
        unless(
            stratify.is_none() || !self.sample.is_in_rounds(),
            "sample: the rules of `precision` and `until_decided` hold for plain draws, so they exclude `stratify`; leave one out",
        );
        unless(
            !(self.sample.is_in_rounds() && self.behaviour == Behaviour::Paper && self.reads_a_part()),
            "sample: in behaviour `paper` what `profile-scale(N)` reads depends on the number of people, which rounds do not \
             know beforehand; leave out `precision` and `until_decided`, or use behaviour `corrected`",
        );
        problems.extend(self.arm_problems());
        problems
    }

    fn reads_a_part(&self) -> bool {
        self.methods.iter().any(|method| matches!(method, Method::ProfileScale(_)))
    }

    fn arm_problems(&self) -> Vec<String> {
        let arms = &self.sample.until_decided;
        let count = match &arms[..] {
            [] => return Vec::new(),
            [one, other] if one == other => Some(format!("{one} is named twice; expected two different arms")),
            [one, other] if ![one, other].iter().any(|arm| arm.method.asks_model()) => {
                Some(format!("neither {one} nor {other} asks a model; expected at least one that does"))
            }
            [_, _] => None,
            others => Some(format!("expected two arms, such as valuesim,full-info; found {}", others.len())),
        };
        let of_arms = arms.iter().filter_map(|arm| self.problem_of(arm));
        count.into_iter().chain(of_arms).map(|problem| format!("sample.until_decided: {problem}")).collect()
    }

    fn problem_of(&self, arm: &ArmName) -> Option<String> {
        let ArmName { method, model } = arm;
        match model {
            Some(_) if !method.asks_model() => Some(format!("{arm}: `{method}` asks no model; leave the model out")),
            None if !method.asks_model() => None,
            _ if !self.methods.contains(method) => {
                let [methods, baselines] = [&self.methods[..], &Method::WITHOUT_MODEL].map(listed);
                Some(format!("{arm} is not run; expected one of the methods ({methods}) or a baseline ({baselines})"))
            }
            None => Some(format!("several models have {method}; say which, as in {method}:{}", self.models[0].name)),
            Some(model) if self.models.iter().all(|known| known.name != *model) => {
                let known: Vec<&str> = self.models.iter().map(|model| model.name.as_str()).collect();
                Some(format!("{arm}: there is no model {model:?}; expected one of {}", known.join(", ")))
            }
            Some(_) => None,
        }
    }
}

fn listed(methods: &[Method]) -> String {
    methods.iter().map(Method::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::Problems;
    use super::*;

    fn resolved(text: &str) -> Result<Experiment, Problems> {
        Experiment::from_toml(text).expect("reads").resolve()
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let Problems(problems) = resolved(text).expect_err("is invalid");
        assert_eq!(problems, [expected]);
    }

    const TWO_MODELS: &str =
        "methods = ['valuesim', 'full-info']\nsimulate = {}\nmodel = [{ name = 'a' }, { name = 'b' }]\n";

    #[test]
    fn a_rule_that_is_complete_is_left_as_it_is() {
        let text = "sample = { precision = 0.01, precision_by = 'Q260', users = 60 }";
        let sample = resolved(text).expect("is valid").sample;
        assert_eq!((sample.precision, sample.users), (Some(0.01), Some(Users::Count(60))));
        let text = format!("{TWO_MODELS}sample.until_decided = ['valuesim:a', 'mode']");
        let arms = resolved(&text).expect("is valid").sample.until_decided;
        assert_eq!(arms.iter().map(ArmName::to_string).collect::<Vec<_>>(), ["valuesim:a", "mode"]);
    }

    #[test]
    fn what_a_rule_leaves_out_is_filled_in() {
        let experiment = resolved("sample = { precision = 0.01, precision_by = 'Q273' }").expect("is valid");
        assert_eq!((experiment.sample.users, experiment.evaluation.by), (Some(Users::All), vec!["Q273".to_owned()]));
        let experiment = resolved("sample.until_decided = ['valuesim', 'full-info']").expect("is valid");
        let arms: Vec<String> = experiment.sample.until_decided.iter().map(ArmName::to_string).collect();
        assert_eq!(arms, ["valuesim:simulated", "full-info:simulated"]);
    }

    #[test]
    fn rules_that_exclude_each_other_are_refused() {
        check(
            "sample = { precision = 0.1, until_decided = ['valuesim', 'mode'] }",
            "sample: `precision` and `until_decided` exclude each other; leave one out",
        );
        check(
            "sample = { precision = 0.1, respondents = [1, 2] }",
            "sample: rounds of people are drawn, so `precision` and `until_decided` exclude `respondents`; leave one out",
        );
        check(
            "sample = { precision = 0.1, users = 60, stratify = 'country' }",
            "sample: the rules of `precision` and `until_decided` hold for plain draws, so they exclude `stratify`; leave one out",
        );
        check(
            "sample.precision_by = 'Q260'",
            "sample.precision_by: its groups need a `precision`; set it, or leave `precision_by` out",
        );
    }

    #[test]
    fn half_widths_that_no_interval_has_are_refused() {
        for half_width in ["0", "0.5", "-0.1", "nan", "inf"] {
            let Problems(problems) = resolved(&format!("sample.precision = {half_width}")).expect_err("is invalid");
            assert!(problems[0].ends_with("above 0 and below 0.5"), "{problems:?}");
        }
    }

    #[test]
    fn a_sample_that_must_be_known_beforehand_has_no_rounds() {
        let Problems(problems) =
            resolved("behaviour = 'paper'\nmethods = ['profile-scale(5)']\nsample.precision = 0.1")
                .expect_err("is invalid");
        assert!(problems[0].contains("depends on the number of people"), "{problems:?}");
    }

    #[test]
    fn arms_that_cannot_be_compared_are_refused() {
        for (arms, expected) in [
            ("['valuesim:a']", "expected two arms, such as valuesim,full-info; found 1"),
            ("['valuesim:a', 'valuesim:a']", "valuesim:a is named twice; expected two different arms"),
            ("['mode', 'chance']", "neither mode nor chance asks a model; expected at least one that does"),
            ("['mode:a', 'valuesim:a']", "mode:a: `mode` asks no model; leave the model out"),
            (
                "['rag:a', 'mode']",
                "rag:a is not run; expected one of the methods (valuesim, full-info) or a baseline (chance, mode, median, \
                 mode-country, median-country)",
            ),
            ("['valuesim', 'mode']", "several models have valuesim; say which, as in valuesim:a"),
            ("['valuesim:c', 'mode']", "valuesim:c: there is no model \"c\"; expected one of a, b"),
        ] {
            check(&format!("{TWO_MODELS}sample.until_decided = {arms}"), &format!("sample.until_decided: {expected}"));
        }
    }

    #[test]
    fn one_arm_named_in_two_ways_is_one_arm() {
        check(
            "sample.until_decided = ['valuesim', 'valuesim:simulated']",
            "sample.until_decided: valuesim:simulated is named twice; expected two different arms",
        );
    }
}
