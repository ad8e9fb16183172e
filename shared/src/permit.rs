//! Decides whether a call may be sent now. Limits, cooldowns and the circuit breaker are all behind one port.
//!
//! ```text
//!   run ──> office.open(run, endpoint, model) ──> desk.acquire(request) ──> permit ──> permit.settle(outcome)
//!                                                        └── refusal: the reason, and when to ask again
//! ```
//!
//! - [`PermitOffice`] is the port; [`QuotaOffice`] implements it.
//! - [`PermitDesk`] is one run's handle on an endpoint and model; [`QuotaDesk`] is that of a [`QuotaOffice`].
//! - [`quota`] decides which calls may go, as a pure function.
//! - `EndpointState` is what all desks of a process for the same endpoint and model share.
//! - [`Permit`] allows one call.

mod circuit_pauses;
mod cooldown;
mod desk_book;
mod endpoint;
mod endpoint_state;
mod fleet_clerk;
mod forecast;
mod grant;
mod in_flight;
mod limits;
mod office;
mod office_permit;
mod outbox;
pub mod quota;
mod quota_office;
mod stall_detector;
mod stored_quota;
mod token_kinds;
mod waiters;
mod waiting;

pub use circuit_pauses::CircuitPauses;
pub use endpoint::{Endpoint, KeyName, plain_address};
pub use limits::{DEFAULT_CALLS_IN_FLIGHT, Limits, MAX_CALLS_IN_FLIGHT};
pub use office::{
    CallEnd, OwnLimit, Permit, PermitDesk, PermitOffice, Reason, Refusal, Request, RunShare, Settlement, Wait,
};
pub use office_permit::OfficePermit;
pub use quota::{LimitKind, Stated};
pub use quota_office::{QuotaDesk, QuotaOffice};
pub use token_kinds::{ByTokenKind, TokenCounts, TokenKind};
