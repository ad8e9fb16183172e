//! What every queue promises, tried on each implementation; and what only a broker can do to one.

mod broken;
mod conformance;
mod inspect;
mod limits;
mod memory;
mod mistakes;
mod rabbit;
mod support;
