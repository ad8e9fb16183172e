//! Finds free ports for servers.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ephemeral ports of Linux (from 32768) and macOS (from 49152), so that a stopped server finds its port
/// still free when it starts again.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Gives processes that start at the same time different ports.
const STRIDE: u32 = 37;

/// A port on which nobody listens; each call returns a different one.
pub(crate) fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id().wrapping_mul(STRIDE) % u32::from(COUNT);
    loop {
        let next = u32::from(TAKEN.fetch_add(1, Ordering::Relaxed));
        let offset = u16::try_from((start + next) % u32::from(COUNT)).expect("below COUNT, which is an u16");
        if TcpListener::bind(local(FIRST + offset)).is_ok() {
            return FIRST + offset;
        }
    }
}

/// The loopback address with this port.
pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
