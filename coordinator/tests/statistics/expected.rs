//! An estimate and its interval as another program gives them.

use serde::Deserialize;
use valuesim_coordinator::statistics::Estimate;

use crate::{close, close_beside};

#[derive(Deserialize)]
pub(crate) struct Expected {
    pub(crate) mean: f64,
    pub(crate) standard_error: f64,
    pub(crate) lower: f64,
    pub(crate) upper: f64,
}

impl Expected {
    /// Asserts that `found` is this estimate.
    #[track_caller]
    pub(crate) fn equals(&self, found: Estimate) {
        let interval = found.uncertainty.interval().expect("their scores differ");
        close(found.mean, self.mean);
        close(found.standard_error.expect("some people"), self.standard_error);
        close_beside(interval.lower, self.lower, self.upper);
        close_beside(interval.upper, self.upper, self.upper);
    }
}
