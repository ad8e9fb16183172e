//! Finds ports for servers.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that Linux (32768) and macOS (49152) give to outgoing connections: a server that is stopped finds
/// its port free when it starts again.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Spreads processes that start at the same time.
const STRIDE: u32 = 37;

/// A port of this machine on which nobody listens, another one at each call.
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

/// The address of a port on the loopback interface.
pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
