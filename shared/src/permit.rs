//! Decides whether a call may be sent now. Limits, cooldowns and the circuit breaker are all behind one port.
//!
//! ```text
//!   run ──> office.open(run, endpoint, model) ──> desk.acquire(request) ──> permit ──> permit.settle(outcome)
//!                                                        └── refusal: the reason, and when to ask again
//! ```
//!
//! - [`PermitOffice`] is the port; [`LocalOffice`] implements it for one process.
//! - [`PermitDesk`] is one run's handle on an endpoint and model; [`LocalDesk`] is that of a [`LocalOffice`].
//! - `EndpointState` is what all desks of a [`LocalOffice`] for the same endpoint and model share.
//! - [`Permit`] allows one call.

mod circuit_breaker;
mod cooldown;
mod endpoint;
mod endpoint_state;
mod in_flight;
mod limits;
mod local;
mod office;
mod pace;
mod stall_detector;
mod waiters;

pub use circuit_breaker::CircuitPauses;
pub use endpoint::{Endpoint, KeyName};
pub use endpoint_state::LocalPermit;
pub use limits::{DEFAULT_CALLS_IN_FLIGHT, Limits, MAX_CALLS_IN_FLIGHT};
pub use local::{LocalDesk, LocalOffice};
pub use office::{CallEnd, OwnLimit, Permit, PermitDesk, PermitOffice, Reason, Refusal, Request, Settlement, Wait};
