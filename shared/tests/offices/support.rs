//! What all tests of offices need: an endpoint, calls, and looks at what a desk says.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::sleep;
use valuesim_shared::id::RunId;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::permit::{
    CallEnd, CircuitPauses, Endpoint, KeyName, Limits, Permit as _, PermitDesk, PermitOffice, Reason, Refusal, Request,
    RunShare, Settlement,
};
use valuesim_shared::stage::Stage;

pub(crate) const MINUTE: Duration = Duration::from_mins(1);

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Pauses of the circuit in this suite.
pub(crate) const PAUSES: CircuitPauses =
    CircuitPauses { first: Duration::from_millis(500), longest: Duration::from_secs(2) };

pub(crate) fn run(name: &str) -> RunId {
    RunId(name.to_owned())
}

pub(crate) fn endpoint() -> Endpoint {
    Endpoint::new("https://api.example.com/v1", KeyName::Variable("EXAMPLE_KEY".to_owned()))
}

pub(crate) fn request(tokens: u64) -> Request {
    let expected = Tokens { input: tokens / 2, cached: 0, output: tokens - tokens / 2, ..Tokens::default() };
    Request { stage: Stage::COGNITIVE, expected, at_most: NanoUsd(1_000), goes_ahead: false }
}

pub(crate) fn in_flight(calls_in_flight: u32) -> Limits {
    Limits { calls_in_flight, ..Limits::default() }
}

pub(crate) fn open<O: PermitOffice>(office: &O, limits: Limits) -> O::Desk {
    office.open(RunShare::ordinary(&run("one")), &endpoint(), "m", limits)
}

/// A permit, however long it takes; time passes meanwhile.
pub(crate) async fn granted<D: PermitDesk>(desk: &D) -> D::Permit {
    loop {
        match desk.acquire(request(1)).await {
            Ok(permit) => return permit,
            Err(Refusal::NotNow { left, .. }) => sleep(left).await,
        }
    }
}

/// Whether a call could go out now, without any wait. A permit for it is given back unsettled.
pub(crate) fn is_free<D: PermitDesk>(desk: &D) -> bool {
    let acquiring = pin!(desk.acquire(request(1)));
    matches!(acquiring.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(_)))
}

/// A call that waits now.
pub(crate) fn waiting<F: Future>(acquiring: F) -> Pin<Box<F>> {
    let mut acquiring = Box::pin(acquiring);
    assert!(acquiring.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    acquiring
}

/// Why calls are kept back now, and for how long.
pub(crate) async fn refused<D: PermitDesk>(desk: &D) -> Option<(Reason, Duration)> {
    desk.acquire(request(1)).await.err().map(|Refusal::NotNow { reason, left }| (reason, left))
}

/// Makes a call that ends so.
pub(crate) async fn call<D: PermitDesk>(desk: &D, settlement: Settlement) {
    desk.acquire(request(1)).await.map(|mut permit| permit.settle(settlement)).expect("nothing is kept back");
}

pub(crate) const ANSWERED: Settlement = Settlement::answered(None);

pub(crate) const UNANSWERED: Settlement = Settlement::failed(CallEnd::Unanswered, None);
