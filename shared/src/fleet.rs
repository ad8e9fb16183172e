//! The servers that the processes of a fleet share, each behind its port.

/// Queues, store and control as one process uses them. Cheap to clone where its parts are.
#[derive(Debug, Clone)]
pub struct Servers<Q, S, C> {
    /// Where tasks and outcomes wait.
    pub queue: Q,
    /// What workers remember between tasks.
    pub store: S,
    /// Orders and signs of life.
    pub control: C,
}
