//! Writes a report in its formats.

pub(super) mod csv;
pub(super) mod html;
pub(super) mod latex;
pub(super) mod markdown;
mod page;
