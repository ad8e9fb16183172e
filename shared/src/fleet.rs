//! The servers shared by the processes of a fleet, each behind its trait.

/// Queue, store and control as used by one process. Cheap to clone if its parts are.
#[derive(Debug, Clone)]
pub struct Servers<Q, S, C> {
    /// The queue of tasks and outcomes.
    pub queue: Q,
    /// The store for backstories and the journal of calls.
    pub store: S,
    /// Commands and heartbeats.
    pub control: C,
}
