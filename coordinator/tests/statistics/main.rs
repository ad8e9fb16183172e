//! The statistics equal those of scipy, statsmodels and R's `survey`, to 1e-12; p values below 1e-10 to 1e-9 relative.
//!
//! `golden.json` has samples and what these programs say of them; `golden.py` beside it computes it.

mod comparisons;
mod distributions;
mod expected;
mod samples;
mod strata;

use serde::de::DeserializeOwned;
use serde_json::Value;

const GOLDEN: &str = include_str!("golden.json");

/// The cases of one kind; at least one.
fn cases<T: DeserializeOwned>(kind: &str) -> Vec<T> {
    let golden: Value = serde_json::from_str(GOLDEN).expect("golden.json is JSON");
    let cases: Vec<T> = serde_json::from_value(golden[kind].clone()).expect("cases of this kind");
    assert!(!cases.is_empty(), "golden.json has no {kind}");
    cases
}

#[track_caller]
fn close(found: f64, expected: f64) {
    let tolerance = if expected.abs() < 1e-10 { 1e-9 } else { 1e-12 };
    let is_close = (found - expected).abs() <= tolerance * expected.abs();
    assert!(is_close, "{found:e} is not {expected:e}: {:e} relative", found / expected - 1.0);
}

/// As [`close`], for the ends of intervals and for differences, which are small beside the numbers that they are made of.
#[track_caller]
fn close_beside(found: f64, expected: f64, size: f64) {
    assert!((found - expected).abs() <= 1e-12 * size.abs().max(expected.abs()), "{found} is not {expected}");
}
