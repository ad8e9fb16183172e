//! What the tests of the worker share: a provider that does as it is told, one that answers well, and a cell to work on.

pub(crate) mod bench;
pub(crate) mod person;
pub(crate) mod server;
