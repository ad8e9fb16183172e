//! The flat tables of a run beside its predictions: what their columns are, and the values of their rows.
//!
//! Each table is written to a Parquet file of the run folder when the run is scored, exported in any format, and verified from
//! these definitions alone.

pub(crate) mod calls;
pub(crate) mod people;
pub(crate) mod scores;
pub(crate) mod spend;

use crate::evaluation::Evaluated;
use crate::parquet_table::{Column, Kind};
use crate::predictions::{RELEASE, Replies};

/// Whose row it is.
pub(crate) const RESPONDENT: Column = Column::required(
    "respondent",
    Kind::Int32,
    "row number in the survey file, starting at 1; or the number in `--id-column`",
);

/// What its calls were for.
const STAGE: Column = Column::required(
    "stage",
    Kind::Text,
    "what was asked for: `story`, a module, `coordinator`, or a method of one call",
);

/// What a table says about itself, in a file's key-value metadata.
pub(crate) fn about(of: &Evaluated<'_>, table: &str) -> [(&'static str, String); 6] {
    [
        ("valuesim.table", table.to_owned()),
        (RELEASE, env!("CARGO_PKG_VERSION").to_owned()),
        ("valuesim.run", of.run.to_string()),
        ("valuesim.behaviour", of.experiment.behaviour.to_string()),
        ("valuesim.simulated", (of.replies() == Replies::Simulated).to_string()),
        ("valuesim.survey", of.survey.edition().version.clone()),
    ]
}
