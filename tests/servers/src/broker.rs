//! A private RabbitMQ broker for one test, or a virtual host on a shared one.

pub(crate) mod management;
pub(crate) mod node;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use management::Management;
use node::{Node, new_cookie};
use serde_json::json;

use crate::port::local;
use crate::{Authority, ServerError};

/// RabbitMQ's default share of the machine's memory, and a share that every node exceeds.
const WATERMARK: &str = "0.4";
const EXCEEDED_WATERMARK: &str = "0.0000001";

/// A private RabbitMQ node. Dropping it kills the node and deletes its data.
pub struct Broker {
    node: Node,
    vhosts: Mutex<Vec<String>>,
}

impl Broker {
    /// Starts an empty broker on free ports; takes about five seconds.
    pub async fn start() -> Result<Self, ServerError> {
        let mut node = Node::new(&new_cookie())?;
        node.start().await?;
        Ok(Self { node, vhosts: Mutex::default() })
    }

    /// The same with TLS; [`Broker::url`] then is a TLS URL.
    pub async fn start_with_tls(authority: &Authority) -> Result<Self, ServerError> {
        let mut node = Node::new(&new_cookie())?;
        node.enable_tls(authority)?;
        node.start().await?;
        Ok(Self { node, vhosts: Mutex::default() })
    }

    /// The same with metrics for Prometheus, at the port that it returns too.
    pub async fn start_with_metrics() -> Result<(Self, u16), ServerError> {
        let mut node = Node::new(&new_cookie())?;
        let port = node.enable_metrics()?;
        node.start().await?;
        Ok((Self { node, vhosts: Mutex::default() }, port))
    }

    /// The same with more lines of its configuration: `max_message_size = 65536`.
    pub async fn start_with_settings(settings: &str) -> Result<Self, ServerError> {
        let mut node = Node::new(&new_cookie())?;
        node.add_settings(settings)?;
        node.start().await?;
        Ok(Self { node, vhosts: Mutex::default() })
    }

    /// Makes a user with these permissions (configure, write, read) in a virtual host.
    pub async fn put_user(
        &self,
        vhost: &str,
        (name, password): (&str, &str),
        [configure, write, read]: [&str; 3],
    ) -> Result<(), ServerError> {
        let management = self.node.management;
        management.put(format!("users/{name}"), &json!({ "password": password, "tags": "" })).await?;
        let permissions = json!({ "configure": configure, "write": write, "read": read });
        management.put(format!("permissions/{vhost}/{name}"), &permissions).await
    }

    /// Lets messages expire in those queues of a virtual host whose names match the regular expression.
    pub async fn put_message_ttl(&self, vhost: &str, queues: &str, milliseconds: u32) -> Result<(), ServerError> {
        let policy = json!({ "pattern": queues, "apply-to": "queues", "definition": { "message-ttl": milliseconds } });
        self.node.management.put(format!("policies/{vhost}/ttl"), &policy).await
    }

    /// Limits what `guest` may have: `{"max-connections": 1, "max-channels": 1}`. Takes one to two seconds.
    pub async fn limit_guest(&self, limits: &str) -> Result<(), ServerError> {
        self.node.rabbitmqctl(&["set_user_limits", "guest", limits]).await
    }

    /// Raises an alarm of the disk, and clears it: the broker blocks connections that publish. Takes one to two seconds.
    pub async fn set_disk_alarm(&self, is_raised: bool) -> Result<(), ServerError> {
        let limit = if is_raised { "1000000GB" } else { "1MB" };
        self.node.rabbitmqctl(&["set_disk_free_limit", limit]).await
    }

    /// Runs `rabbitmqctl`; takes one to two seconds.
    pub async fn rabbitmqctl(&self, arguments: &[&str]) -> Result<(), ServerError> {
        self.node.rabbitmqctl(arguments).await
    }

    /// The broker's URL without a virtual host, for which clients use `/`.
    pub fn url(&self) -> String {
        match self.node.tls_port() {
            Some(port) => url(port).replace("amqp://", "amqps://"),
            None => url(self.node.port),
        }
    }

    /// The process id of the broker's Erlang VM; `None` while it is not running.
    pub fn pid(&self) -> Option<u32> {
        self.node.pid()
    }

    /// Creates an empty virtual host and returns its URL; takes about ten milliseconds.
    pub async fn new_vhost(&self) -> Result<String, ServerError> {
        let name = new_vhost_name();
        self.node.management.put_vhost(&name).await?;
        self.vhosts.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
        Ok(format!("{}/{name}", self.url()))
    }

    /// Shuts the broker down gracefully, which closes connections. Keeps its data.
    pub async fn stop(&mut self) -> Result<(), ServerError> {
        self.node.stop().await
    }

    /// Kills the broker. Keeps its data.
    pub fn kill(&mut self) {
        self.node.kill();
    }

    /// Kills the broker and deletes its data.
    pub fn kill_and_wipe(&mut self) -> Result<(), ServerError> {
        self.node.kill();
        self.node.wipe()
    }

    /// Starts a stopped, killed or wiped broker on its old ports. Restores the virtual hosts of [`Broker::new_vhost`];
    /// after a wipe they are empty.
    pub async fn start_again(&mut self) -> Result<(), ServerError> {
        self.node.start().await?;
        let vhosts = self.vhosts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for name in vhosts {
            self.node.management.put_vhost(&name).await?;
        }
        Ok(())
    }

    /// Raises a memory alarm: the broker blocks connections that publish. Takes one to two seconds.
    pub async fn raise_memory_alarm(&self) -> Result<(), ServerError> {
        self.node.rabbitmqctl(&["set_vm_memory_high_watermark", EXCEEDED_WATERMARK]).await
    }

    /// Clears the memory alarm. Takes one to two seconds.
    pub async fn clear_memory_alarm(&self) -> Result<(), ServerError> {
        self.node.rabbitmqctl(&["set_vm_memory_high_watermark", WATERMARK]).await
    }

    pub(crate) fn management(&self) -> Management {
        self.node.management
    }
}

/// A virtual host on a shared broker. Dropping it deletes it with its queues.
pub struct Vhost {
    /// Its URL, including `guest`'s password.
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
    /// Ignores failures: the broker is removed with all its virtual hosts after the last test.
    fn drop(&mut self) {
        _ = self.management.delete_vhost(&self.name);
    }
}

pub(crate) fn url(port: u16) -> String {
    format!("amqp://guest:guest@{}", local(port))
}

/// A name that is unique across tests and processes.
pub(crate) fn new_vhost_name() -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed))
}
