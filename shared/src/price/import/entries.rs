//! The entries of the tables of others, as far as they could be read.

use crate::price::{PricedModel, TableError};

/// The entries of a table.
#[derive(Default)]
pub(super) struct Entries {
    /// Those that are sound by themselves.
    pub(super) models: Vec<PricedModel>,
    /// What is wrong with others.
    pub(super) wrong: Vec<TableError>,
    /// The names of those without a price of input or of output.
    pub(super) unpriced: Vec<String>,
}

impl Entries {
    /// Adds an entry as far as it could be read.
    pub(super) fn add(&mut self, name: &str, entry: Result<Option<PricedModel>, TableError>) {
        match entry {
            Ok(Some(model)) => self.models.push(model),
            Ok(None) => self.unpriced.push(name.to_owned()),
            Err(error) => self.wrong.push(error),
        }
    }
}
