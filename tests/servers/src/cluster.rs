//! A RabbitMQ cluster of several nodes on this machine.

use std::time::Duration;

use serde_json::Value;

use crate::broker::node::{Node, new_cookie};
use crate::broker::{new_vhost_name, url};
use crate::{ServerError, eventually};

/// Nodes find each other within a second or two of their start, and replace a lost leader as fast.
const AGREE_LIMIT: Duration = Duration::from_mins(1);

/// A private cluster. Dropping it kills the nodes and deletes their data.
pub struct Cluster {
    nodes: Vec<Node>,
}

/// A virtual host of a cluster.
#[derive(Debug, Clone)]
pub struct ClusterVhost {
    /// Its name.
    pub name: String,
    /// Its URL at each node, in the order of the nodes.
    pub urls: Vec<String>,
}

impl Cluster {
    /// Starts a node, then the others, which join it; takes about twelve seconds on two cores.
    pub async fn start(size: usize) -> Result<Self, ServerError> {
        let cookie = new_cookie();
        let nodes: Result<Vec<Node>, ServerError> = (0..size).map(|_| Node::new(&cookie)).collect();
        let mut cluster = Self { nodes: nodes? };
        let Some((first, others)) = cluster.nodes.split_first_mut() else { return Ok(cluster) };
        first.configure(&[&first.name])?;
        first.start().await?;
        for other in &mut *others {
            other.configure(&[&first.name, &other.name])?;
        }
        start_all(others).await?;
        cluster.all_running().await?;
        Ok(cluster)
    }

    /// Each node's URL without a virtual host.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| url(node.port)).collect()
    }

    /// Creates an empty virtual host, and waits until each running node serves it.
    pub async fn new_vhost(&self) -> Result<ClusterVhost, ServerError> {
        let name = new_vhost_name();
        self.some_node()?.management.put_vhost(&name).await?;
        self.served_everywhere(&name).await?;
        let urls = self.urls().into_iter().map(|url| format!("{url}/{name}")).collect();
        Ok(ClusterVhost { name, urls })
    }

    /// The index of the running node that leads a quorum queue. Waits until there is one.
    pub async fn leader_of(&self, vhost: &str, queue: &str) -> Result<usize, ServerError> {
        let management = self.some_node()?.management;
        let path = format!("queues/{vhost}/{queue}");
        let look = async || {
            let answer = management.get(&path).await.ok()?;
            let leader = answer.get("leader").and_then(Value::as_str)?;
            self.nodes.iter().position(|node| node.runs() && node.name == leader)
        };
        eventually(&format!("a leader of queue {queue}"), AGREE_LIMIT, look).await
    }

    /// Kills a node. Keeps its data.
    pub fn kill(&mut self, node: usize) {
        self.nodes[node].kill();
    }

    /// Starts a killed node, which rejoins the cluster by itself.
    pub async fn start_again(&mut self, node: usize) -> Result<(), ServerError> {
        self.nodes[node].start().await
    }

    async fn served_everywhere(&self, vhost: &str) -> Result<(), ServerError> {
        let management = self.some_node()?.management;
        let path = format!("vhosts/{vhost}");
        let look = async || {
            let state = management.get(&path).await.ok()?["cluster_state"].take();
            let is_late = |node: &&Node| node.runs() && state[&node.name] != "running";
            let Some(late) = self.nodes.iter().find(is_late) else { return Some(()) };
            // A node that was too busy when the virtual host was created never starts it by itself.
            _ = management.start_vhost(vhost, &late.name).await;
            None
        };
        eventually(&format!("virtual host {vhost} at each node"), AGREE_LIMIT, look).await
    }

    async fn all_running(&self) -> Result<(), ServerError> {
        let management = self.some_node()?.management;
        let look = async || {
            let answer = management.get("nodes").await.ok()?;
            let running = answer.as_array()?.iter().filter(|node| node["running"] == true).count();
            (running == self.nodes.len()).then_some(())
        };
        eventually("a RabbitMQ cluster of all nodes", AGREE_LIMIT, look).await
    }

    fn some_node(&self) -> Result<&Node, ServerError> {
        let none_runs = || ServerError::Refused {
            request: "a node of the cluster".to_owned(),
            answer: "none is running".to_owned(),
        };
        self.nodes.iter().find(|node| node.runs()).ok_or_else(none_runs)
    }
}

/// Starts the nodes concurrently, because each takes seconds.
async fn start_all(nodes: &mut [Node]) -> Result<(), ServerError> {
    let [node, rest @ ..] = nodes else { return Ok(()) };
    let (one, others) = tokio::join!(node.start(), Box::pin(start_all(rest)));
    one.and(others)
}
