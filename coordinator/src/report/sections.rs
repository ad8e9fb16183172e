//! The sections of a report, each from results alone.

pub(super) mod appendix;
pub(super) mod bibliography;
mod category_label;
pub(super) mod comparisons;
pub(super) mod coverage;
pub(super) mod figures;
pub(super) mod groups;
pub(super) mod methods;
pub(super) mod paper_tables;
pub(super) mod people;
pub(super) mod questions;
pub(super) mod sample;
