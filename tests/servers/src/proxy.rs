//! A TCP proxy that disrupts its connections when a test says so.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::ServerError;
use crate::port::{free_port, local};

/// The buffer for each direction of a connection.
const BUFFER_BYTES: usize = 16 * 1024;

/// Commands are executed one at a time: each caller waits for its own.
const PENDING_COMMANDS: usize = 1;

/// A proxy in front of one or more servers. Dropping it closes all its connections.
pub struct Proxy {
    address: SocketAddr,
    commands: mpsc::Sender<(Command, oneshot::Sender<()>)>,
    clients: Arc<AtomicU64>,
    delay_ms: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy)]
enum Command {
    Cut,
    TurnAway,
    Stall,
    Heal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Open,
    Stalled,
    Shut,
}

impl Proxy {
    /// Starts a proxy in front of an address, on a free port. The target need not listen yet, and may come and go.
    pub async fn start(target: SocketAddr) -> Result<Self, ServerError> {
        Self::to_first_of(vec![target]).await
    }

    async fn to_first_of(targets: Vec<SocketAddr>) -> Result<Self, ServerError> {
        let address = local(free_port());
        let listener = TcpListener::bind(address).await.map_err(ServerError::io("open the proxy's port"))?;
        let (commands, inbox) = mpsc::channel(PENDING_COMMANDS);
        let (clients, delay_ms) = (Arc::default(), Arc::default());
        let (counted, delay) = (Arc::clone(&clients), Arc::clone(&delay_ms));
        let route = Route { address, targets: targets.into(), clients: counted, delay_ms: delay };
        let task = tokio::spawn(serve(route, listener, inbox));
        Ok(Self { address, commands, clients, delay_ms, task })
    }

    /// Starts a proxy in front of the server in a URL, and returns it with the URL that leads through it.
    pub async fn in_front_of(url: &str) -> Result<(Self, String), ServerError> {
        let proxy = Self::start(look_up(url).await?).await?;
        let through = proxy.through(url);
        Ok((proxy, through))
    }

    /// The same for equivalent servers: each connection leads to the first that accepts it, as with a load balancer.
    /// The returned URL is the first one with the proxy's address.
    pub async fn in_front_of_all(urls: &[String]) -> Result<(Self, String), ServerError> {
        let mut targets = Vec::with_capacity(urls.len());
        for url in urls {
            targets.push(look_up(url).await?);
        }
        let proxy = Self::to_first_of(targets).await?;
        let through = urls.first().map_or_else(String::new, |url| proxy.through(url));
        Ok((proxy, through))
    }

    fn through(&self, url: &str) -> String {
        url.replacen(host_and_port(url), &self.address.to_string(), 1)
    }

    /// Where the proxy listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes all connections and refuses new ones, until [`Proxy::heal`]. Takes effect before it returns.
    pub async fn cut(&self) {
        self.command(Command::Cut).await;
    }

    /// Closes all connections, and each new one once it is accepted, until [`Proxy::heal`]. Takes effect before it
    /// returns.
    pub async fn turn_away(&self) {
        self.command(Command::TurnAway).await;
    }

    /// The number of connections that clients have opened so far, including those turned away.
    pub fn clients(&self) -> u64 {
        self.clients.load(Ordering::Relaxed)
    }

    /// Accepts connections, but lets no byte through, until [`Proxy::heal`]. Bytes on their way may still arrive.
    pub async fn stall(&self) {
        self.command(Command::Stall).await;
    }

    /// Lets everything through so much later from now on, each way, as a long way does.
    pub fn delay(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Lets everything through again: what was held back by a stall, new connections after a cut.
    pub async fn heal(&self) {
        self.command(Command::Heal).await;
    }

    async fn command(&self, command: Command) {
        let (done, is_done) = oneshot::channel();
        self.commands.send((command, done)).await.expect("the proxy's task ends with the proxy");
        is_done.await.expect("the proxy's task carries out each command");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The address of the server in a URL.
async fn look_up(url: &str) -> Result<SocketAddr, ServerError> {
    let server = host_and_port(url);
    let doing = || format!("look up {server} of {url}");
    let mut found = tokio::net::lookup_host(server).await.map_err(ServerError::io(doing()))?;
    found.next().ok_or_else(|| ServerError::Refused { request: doing(), answer: "no address".to_owned() })
}

/// The `host:port` of a URL, without user name and password.
fn host_and_port(url: &str) -> &str {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, server)| server)
}

#[derive(Debug, Clone)]
struct Route {
    address: SocketAddr,
    targets: Arc<[SocketAddr]>,
    clients: Arc<AtomicU64>,
    delay_ms: Arc<AtomicU64>,
}

/// Owns the listener and all connections; they are closed when it is dropped.
async fn serve(route: Route, listener: TcpListener, mut commands: mpsc::Receiver<(Command, oneshot::Sender<()>)>) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    let flow = watch::Sender::new(Flow::Open);
    loop {
        tokio::select! {
            command = commands.recv() => {
                let Some((command, done)) = command else { return };
                match command {
                    Command::Cut => {
                        listener = None;
                        connections.shutdown().await;
                    }
                    Command::TurnAway => {
                        flow.send_replace(Flow::Shut);
                        connections.shutdown().await;
                    }
                    Command::Stall => _ = flow.send_replace(Flow::Stalled),
                    Command::Heal => {
                        listener = Some(listen_again(listener, route.address).await);
                        flow.send_replace(Flow::Open);
                    }
                }
                // The caller may have stopped waiting.
                _ = done.send(());
            }
            client = accept(listener.as_ref()), if listener.is_some() => {
                route.clients.fetch_add(1, Ordering::Relaxed);
                if *flow.borrow() != Flow::Shut {
                    connections.spawn(relay(client, route.clone(), flow.subscribe()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn listen_again(listener: Option<TcpListener>, address: SocketAddr) -> TcpListener {
    let Some(listener) = listener else {
        return TcpListener::bind(address).await.expect("the proxy's port is not one that others take");
    };
    listener
}

/// The next client. Skips clients that disconnect before they are accepted.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        if let Ok((client, _)) = listener.accept().await {
            return client;
        }
        tokio::task::yield_now().await;
    }
}

/// Passes bytes both ways until both sides have closed their streams, or one connection fails.
async fn relay(client: TcpStream, route: Route, mut flow: watch::Receiver<Flow>) {
    if flow.wait_for(|now| *now == Flow::Open).await.is_err() {
        return;
    }
    // Tries the targets in order.
    let Ok(server) = TcpStream::connect(&*route.targets).await else { return };
    // Without Nagle's algorithm: a proxy should not add delays of its own.
    _ = client.set_nodelay(true);
    _ = server.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let there = pass(from_client, to_server, (flow.clone(), &route.delay_ms));
    _ = tokio::try_join!(there, pass(from_server, to_client, (flow, &route.delay_ms)));
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    (mut flow, delay_ms): (watch::Receiver<Flow>, &AtomicU64),
) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = from.read(&mut buffer).await?;
        let delay = Duration::from_millis(delay_ms.load(Ordering::Relaxed));
        if !delay.is_zero() {
            // Bytes that arrive meanwhile are passed on together afterwards.
            tokio::time::sleep(delay).await;
        }
        if flow.wait_for(|now| *now == Flow::Open).await.is_err() {
            return Ok(());
        }
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..count]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_exclude_credentials_and_path() {
        let check = |url: &str, expected: &str| assert_eq!(host_and_port(url), expected, "{url}");
        check("amqp://guest:guest@127.0.0.1:5672/test-1", "127.0.0.1:5672");
        check("amqp://127.0.0.1:5672?heartbeat=1", "127.0.0.1:5672");
        check("redis://:p@ss@localhost:6379/3", "localhost:6379");
        check("http://127.0.0.1:80", "127.0.0.1:80");
        check("127.0.0.1:80", "127.0.0.1:80");
    }
}
