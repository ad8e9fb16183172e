//! The one gate before a call: the port that limits, cooldown, circuit and, later, budgets stand behind.
//!
//! ```text
//!   run ──> office.open(run, endpoint, model) ──> desk.acquire(request) ──> permit ──> settle(what came of it)
//!                                                        └── refused: not now, because ..., for ...
//! ```

mod circuit_breaker;
mod cooldown;
mod desk;
mod endpoint;
mod in_flight;
mod limits;
mod local;
mod office;
mod pace;
mod queue;
mod stall_detector;

pub use circuit_breaker::CircuitPauses;
pub use desk::LocalPermit;
pub use endpoint::{Endpoint, KeyName};
pub use limits::{DEFAULT_CALLS_IN_FLIGHT, Limits, MAX_CALLS_IN_FLIGHT};
pub use local::{LocalDesk, LocalOffice};
pub use office::{CallEnd, OwnLimit, Permit, PermitDesk, PermitOffice, Reason, Refusal, Request, Settlement, Wait};
