//! Maps values to pixels, and chooses round numbers for the ticks of an axis.

/// The steps between ticks, times a power of ten.
const STEPS: [f64; 4] = [1.0, 2.0, 5.0, 10.0];

/// What the numbers of an axis are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Scores, with as many decimals as the ticks need.
    Score,
    /// Shares from 0 to 1, shown in percent.
    Percent,
    /// Whole numbers.
    Count,
}

/// An axis: what it shows, and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    /// Its title.
    pub(crate) title: String,
    /// Its numbers.
    pub(crate) unit: Unit,
    /// Whether it must show 0, as bars need.
    pub(crate) from_zero: bool,
}

/// A stretch of values between round numbers, and its ticks.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    least: f64,
    most: f64,
    step: f64,
    unit: Unit,
    /// Ticks at these values in place of every step.
    at: Vec<f64>,
}

/// More ticks at values of the data than this would stand too close.
const MAX_TICKS_AT_VALUES: usize = 6;

impl Scale {
    /// The scale from the least to the largest of some values, with a tick at each if there are few.
    pub(super) fn at(axis: &Axis, values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        let scale = Self::new(axis, values.iter().copied(), 4.0);
        match values.as_slice() {
            [least, .., most] if values.len() <= MAX_TICKS_AT_VALUES => {
                Self { least: *least, most: *most, at: values, ..scale }
            }
            _ => scale,
        }
    }

    /// The scale that shows all values with about `ticks` steps. Values that are no numbers are left out.
    pub(super) fn new(axis: &Axis, values: impl IntoIterator<Item = f64>, ticks: f64) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in finite.chain(axis.from_zero.then_some(0.0)) {
            (least, most) = (least.min(value), most.max(value));
        }
        if least > most {
            (least, most) = (0.0, 1.0);
        }
        if most - least < f64::EPSILON * most.abs().max(1.0) * 16.0 {
            most = least + most.abs().max(0.1);
        }
        let step = nice_step((most - least) / ticks, axis.unit);
        Self {
            least: (least / step).floor() * step,
            most: (most / step - 1e-9).ceil() * step,
            step,
            unit: axis.unit,
            at: Vec::new(),
        }
    }

    /// Where a value is between the two ends, as a share from 0 to 1.
    pub(super) fn share(&self, value: f64) -> f64 {
        ((value - self.least) / (self.most - self.least)).clamp(0.0, 1.0)
    }

    /// The ticks: their values and labels.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        if !self.at.is_empty() {
            return self.at.iter().map(|&value| (value, self.label(value))).collect();
        }
        let steps = ((self.most - self.least) / self.step).round();
        let mut ticks = Vec::new();
        let mut at = 0.0;
        while at <= steps {
            let value = self.least + at * self.step;
            ticks.push((value, self.label(value)));
            at += 1.0;
        }
        ticks
    }

    fn label(&self, value: f64) -> String {
        match self.unit {
            _ if value.abs() >= 1e6 => format!("{value:.1e}"),
            Unit::Score => format!("{value:.*}", decimals(self.step)),
            Unit::Percent => format!("{:.*} %", decimals(self.step * 100.0), value * 100.0),
            Unit::Count => format!("{value:.0}"),
        }
    }
}

/// How many decimals tell apart numbers with this step between them, at most six.
fn decimals(step: f64) -> usize {
    let mut places = 0;
    let mut step = step;
    while step < 1.0 - 1e-9 && places < 6 {
        step *= 10.0;
        places += 1;
    }
    places
}

/// The smallest round number that is at least `least`.
fn nice_step(least: f64, unit: Unit) -> f64 {
    let least = if unit == Unit::Count { least.max(1.0) } else { least };
    let power = 10_f64.powf(least.log10().floor());
    let step = STEPS.into_iter().map(|step| step * power).find(|step| *step >= least * (1.0 - 1e-9));
    step.unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn axis(unit: Unit, from_zero: bool) -> Axis {
        Axis { title: String::new(), unit, from_zero }
    }

    fn labels(unit: Unit, from_zero: bool, values: &[f64]) -> Vec<String> {
        let scale = Scale::new(&axis(unit, from_zero), values.iter().copied(), 5.0);
        scale.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(labels(Unit::Score, true, &[0.1, 0.76]), ["0.0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(labels(Unit::Score, false, &[0.41, 0.47]), ["0.40", "0.42", "0.44", "0.46", "0.48"]);
        assert_eq!(labels(Unit::Percent, true, &[0.38]), ["0 %", "10 %", "20 %", "30 %", "40 %"]);
        assert_eq!(labels(Unit::Count, true, &[3.0]), ["0", "1", "2", "3"]);
    }

    #[test]
    fn few_values_are_ticks_themselves() {
        let ticks = |values: &[f64]| -> Vec<String> {
            let scale = Scale::at(&axis(Unit::Count, true), values.iter().copied());
            scale.ticks().into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(ticks(&[0.0, 232.0, 58.0, 58.0, 116.0]), ["0", "58", "116", "232"]);
        assert_eq!(ticks(&[232.0]), ["0", "100", "200", "300"]);
    }

    #[test]
    fn values_that_are_all_the_same_or_no_numbers_have_a_scale() {
        for values in [vec![], vec![0.3, 0.3], vec![f64::NAN, f64::INFINITY], vec![0.0]] {
            let scale = Scale::new(&axis(Unit::Score, false), values.clone(), 5.0);
            assert!(scale.ticks().len() > 1, "{values:?}");
        }
    }

    proptest! {
        #[test]
        fn every_value_is_between_the_ends(
            values in proptest::collection::vec(-1e9..1e9, 1..20),
            shrink in 0..15,
            from_zero: bool,
        ) {
            let values: Vec<f64> = values.into_iter().map(|value: f64| value / 10_f64.powi(shrink)).collect();
            let scale = Scale::new(&axis(Unit::Score, from_zero), values.iter().copied(), 5.0);
            let ticks = scale.ticks();
            prop_assert!((2..=13).contains(&ticks.len()), "{ticks:?}");
            let slack = (scale.most - scale.least) * 1e-6;
            for value in values {
                prop_assert!(scale.least - slack <= value && value <= scale.most + slack, "{value} {scale:?}");
            }
        }
    }
}
