//! Lowers the calls in flight of a run to what the process has open files for: each call is a connection.

use valuesim_shared::model::ModelSettings;

use crate::config::Served;

/// Lowers the calls in flight of the served models alike if they are more than `most` together. Returns what to say then.
pub(super) fn fit_calls(models: &mut [ModelSettings], served: &Served, most: Option<u32>) -> Option<String> {
    let most = u64::from(most?);
    let calls = |model: &ModelSettings| u64::from(model.limits.calls_in_flight);
    let wanted: u64 = models.iter().filter(|model| served.has(model)).map(calls).sum();
    if wanted <= most {
        return None;
    }
    for model in models.iter_mut().filter(|model| served.has(model)) {
        let share = calls(model) * most / wanted;
        model.limits.calls_in_flight = u32::try_from(share).unwrap_or(u32::MAX).max(1);
    }
    Some(format!(
        "the limit of open files (`ulimit -n`) carries {most} calls in flight: that many are made in place of {wanted}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_the_served_models_are_lowered_alike() {
        let model = |name: &str, calls_in_flight| {
            let mut model = ModelSettings::named(name);
            model.limits.calls_in_flight = calls_in_flight;
            model
        };
        let check = |served: &Served, most, expected: [u32; 2], says: bool| {
            let mut models = [model("a", 300), model("b", 100)];
            let said = fit_calls(&mut models, served, most);
            assert_eq!(models.map(|model| model.limits.calls_in_flight), expected);
            assert_eq!(said.is_some_and(|said| said.contains("ulimit -n")), says);
        };
        check(&Served::All, Some(400), [300, 100], false);
        check(&Served::All, Some(200), [150, 50], true);
        check(&Served::Named(["b".to_owned()].into()), Some(50), [300, 50], true);
        check(&Served::All, None, [300, 100], false);
    }
}
