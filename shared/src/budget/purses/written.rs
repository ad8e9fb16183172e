//! Purses and statements as they are written and read.

use std::collections::BTreeMap;

use crate::budget::statement::Statement;
use crate::money::NanoUsd;

/// What a worker may spend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purse {
    /// By model, since the purse was opened.
    Open(Vec<NanoUsd>),
    /// It was closed: what comes next needs a purse of another name.
    Closed,
    /// There is none yet, or the store has lost it.
    Absent,
}

/// A statement as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// The statement.
    pub statement: Statement,
    /// Its bytes, by which it is recognized.
    bytes: Vec<u8>,
}

impl Stated {
    /// A statement as it is read.
    pub(super) fn read(bytes: Vec<u8>) -> Option<Self> {
        let statement = serde_json::from_slice(&bytes).ok()?;
        Some(Self { statement, bytes })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What the coordinator finds.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Found {
    /// A name of the store's present life: another one means that it may have lost or forgotten what was written.
    pub life: String,
    /// The last statement of each owner.
    pub stated: BTreeMap<String, Stated>,
    /// What each owner may spend, as the store has it.
    pub granted: BTreeMap<String, Purse>,
}

/// What came of closing a purse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closing {
    /// It is closed; this was its owner's last statement, if the store has one.
    Closed(Option<Statement>),
    /// The store has begun another life, and nothing was closed.
    OtherLife,
}

/// A closed purse as it is written.
pub(super) const CLOSED: &[u8] = b"closed";

/// A purse as it is written.
pub(super) fn purse_bytes(limits: &[NanoUsd]) -> Vec<u8> {
    let limits: Vec<String> = limits.iter().map(|limit| limit.0.to_string()).collect();
    limits.join(" ").into_bytes()
}

/// A purse as it is read. What cannot be read is not there.
pub(super) fn purse(bytes: &[u8]) -> Purse {
    if bytes == CLOSED {
        return Purse::Closed;
    }
    let parse = |number: &str| number.parse().ok().map(NanoUsd);
    let limits = std::str::from_utf8(bytes).ok().and_then(|text| text.split(' ').map(parse).collect());
    limits.map_or(Purse::Absent, Purse::Open)
}

/// A statement as it is written.
pub(super) fn statement_bytes(statement: &Statement) -> Vec<u8> {
    serde_json::to_vec(statement).unwrap_or_default()
}
