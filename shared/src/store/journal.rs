//! The journal of a cell's calls: what both stores write of each call, in the same bytes, and how a record is read from it.
//!
//! A journal is a list of entries that is only appended to. Each entry is one [`CallEvent`]: a call was sent, it failed,
//! or its reply arrived. Two workers may append to the same journal; whoever takes the cell over reads it once, from its
//! first entry to its last, with a [`RecordReader`].
//!
//! An entry has no checksum and does not name its cell: the store keeps it under the cell's name and guards its bytes.
//! `event.rs` has the layout of an entry, `reply.rs` that of the reply in it. Releases share journals, so these bytes never
//! change: what is new gets a new kind, which an older release leaves out.

mod event;
mod mark;
mod number;
mod record;
mod reply;

pub(super) use event::CallEvent;
pub(super) use mark::{Mark, Marks};
pub(super) use record::RecordReader;
pub(super) use reply::read_reply;
