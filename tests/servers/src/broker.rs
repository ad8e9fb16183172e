//! A RabbitMQ broker of a test's own, or a part of one that is shared.

pub(crate) mod management;
pub(crate) mod node;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use management::Management;
use node::{Node, new_cookie};

use crate::port::local;
use crate::{Authority, ServerError};

/// RabbitMQ's default, as a share of the machine's memory, and one at which every node is above it.
const WATERMARK: &str = "0.4";
const WATERMARK_BELOW_ALL: &str = "0.0000001";

/// A RabbitMQ node that nobody else uses. Killed and removed when it is dropped.
pub struct Broker {
    node: Node,
    vhosts: Mutex<Vec<String>>,
}

impl Broker {
    /// Starts a broker on ports of its own with no data; about five seconds.
    pub async fn start() -> Result<Self, ServerError> {
        let mut node = Node::new(&new_cookie())?;
        node.start().await?;
        Ok(Self { node, vhosts: Mutex::default() })
    }

    /// The same with a certificate; [`Broker::url`] then is one for TLS.
    pub async fn start_with_tls(authority: &Authority) -> Result<Self, ServerError> {
        let mut node = Node::new(&new_cookie())?;
        node.speak_tls(authority)?;
        node.start().await?;
        Ok(Self { node, vhosts: Mutex::default() })
    }

    /// The broker's address without a virtual host: a client's default there is `/`.
    pub fn url(&self) -> String {
        match self.node.tls_port() {
            Some(port) => url(port).replace("amqp://", "amqps://"),
            None => url(self.node.port),
        }
    }

    /// The process id of the broker's Erlang machine; none while it does not run.
    pub fn pid(&self) -> Option<u32> {
        self.node.pid()
    }

    /// Makes an empty virtual host and returns its address; some ten milliseconds.
    pub async fn new_vhost(&self) -> Result<String, ServerError> {
        let name = new_vhost_name();
        self.node.management.put_vhost(&name).await?;
        self.vhosts.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
        Ok(format!("{}/{name}", self.url()))
    }

    /// Ends the broker in good order; connections are told. Its data stays.
    pub async fn stop(&mut self) -> Result<(), ServerError> {
        self.node.stop().await
    }

    /// Kills the broker at once. Its data stays.
    pub fn kill(&mut self) {
        self.node.kill();
    }

    /// Kills the broker at once and removes its data.
    pub fn kill_and_wipe(&mut self) -> Result<(), ServerError> {
        self.node.kill();
        self.node.wipe()
    }

    /// Starts a stopped, killed or wiped broker on its old ports. The virtual hosts that [`Broker::new_vhost`] made are
    /// there again, empty after a wipe.
    pub async fn start_again(&mut self) -> Result<(), ServerError> {
        self.node.start().await?;
        let vhosts = self.vhosts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for name in vhosts {
            self.node.management.put_vhost(&name).await?;
        }
        Ok(())
    }

    /// Makes the broker short of memory: it blocks connections that publish. One to two seconds.
    pub async fn raise_memory_alarm(&self) -> Result<(), ServerError> {
        self.node.control(&["set_vm_memory_high_watermark", WATERMARK_BELOW_ALL]).await
    }

    /// Gives the broker its memory back. One to two seconds.
    pub async fn clear_memory_alarm(&self) -> Result<(), ServerError> {
        self.node.control(&["set_vm_memory_high_watermark", WATERMARK]).await
    }

    pub(crate) fn management(&self) -> Management {
        self.node.management
    }
}

/// A virtual host of a broker that others use too. Deleted with its queues when it is dropped.
pub struct Vhost {
    /// Its address, with `guest`'s password.
    pub url: String,
    name: String,
    management: Management,
}

impl Vhost {
    pub(crate) async fn new(broker_url: &str, management: Management) -> Result<Self, ServerError> {
        let name = new_vhost_name();
        management.put_vhost(&name).await?;
        Ok(Self { url: format!("{broker_url}/{name}"), name, management })
    }
}

impl Drop for Vhost {
    /// Whether it succeeds or not: the broker goes with all its virtual hosts after the last test.
    fn drop(&mut self) {
        _ = self.management.delete_vhost(&self.name);
    }
}

pub(crate) fn url(port: u16) -> String {
    format!("amqp://guest:guest@{}", local(port))
}

/// A name that no other test has, also in other processes.
pub(crate) fn new_vhost_name() -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed))
}
