//! An estimate and its interval as another program gives them.

use serde::Deserialize;
use valuesim_coordinator::statistics::Estimate;

use crate::{close, close_beside};

#[derive(Deserialize)]
pub struct Expected {
    pub mean: f64,
    pub standard_error: f64,
    pub lower: f64,
    pub upper: f64,
}

impl Expected {
    /// Asserts that `found` is this estimate.
    #[track_caller]
    pub fn equals(&self, found: Estimate) {
        let interval = found.uncertainty.interval().expect("their scores differ");
        close(found.mean, self.mean);
        close(found.standard_error.expect("some people"), self.standard_error);
        close_beside(interval.lower, self.lower, self.upper);
        close_beside(interval.upper, self.upper, self.upper);
    }
}
