//! A TCP proxy that breaks what goes through it when a test says so.

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

/// What is read and not yet passed on, in each direction of a connection.
const BUFFER_BYTES: usize = 16 * 1024;

/// Orders follow one another: each is waited for.
const ORDERS: usize = 1;

/// A proxy in front of one address. It ends with all its connections when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    orders: mpsc::Sender<(Order, oneshot::Sender<()>)>,
    clients: Arc<AtomicU64>,
    delay_ms: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy)]
enum Order {
    Cut,
    TurnAway,
    Stall,
    Heal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passage {
    Open,
    Stalled,
    Shut,
}

impl Proxy {
    /// Starts a proxy in front of an address, on a port of its own. The target need not listen yet, and may come and go.
    pub async fn start(target: SocketAddr) -> Result<Self, ServerError> {
        Self::to_first_of(vec![target]).await
    }

    async fn to_first_of(targets: Vec<SocketAddr>) -> Result<Self, ServerError> {
        let address = local(free_port());
        let listener = TcpListener::bind(address).await.map_err(ServerError::io("open the proxy's port"))?;
        let (orders, inbox) = mpsc::channel(ORDERS);
        let (clients, delay_ms) = (Arc::default(), Arc::default());
        let (counted, delay) = (Arc::clone(&clients), Arc::clone(&delay_ms));
        let route = Route { address, targets: targets.into(), clients: counted, delay_ms: delay };
        let task = tokio::spawn(serve(route, listener, inbox));
        Ok(Self { address, orders, clients, delay_ms, task })
    }

    /// Starts a proxy in front of the server that a URL names, and returns it with the URL that leads through it.
    pub async fn in_front_of(url: &str) -> Result<(Self, String), ServerError> {
        let proxy = Self::start(look_up(url).await?).await?;
        let through = proxy.through(url);
        Ok((proxy, through))
    }

    /// The same for servers that do the same: each connection leads to the first of them that takes it, as a load
    /// balancer's does. The URL is the first one's but for the server.
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

    /// Closes all connections and refuses new ones, until [`Proxy::heal`]. Done when it returns.
    pub async fn cut(&self) {
        self.order(Order::Cut).await;
    }

    /// Closes all connections, and each new one as soon as it is there, until [`Proxy::heal`]. Done when it returns.
    pub async fn turn_away(&self) {
        self.order(Order::TurnAway).await;
    }

    /// Connections that clients have opened so far, those that were turned away among them.
    pub fn clients(&self) -> u64 {
        self.clients.load(Ordering::Relaxed)
    }

    /// Lets connections open, but no byte through, until [`Proxy::heal`]. What was on its way may still arrive.
    pub async fn stall(&self) {
        self.order(Order::Stall).await;
    }

    /// Lets everything through so much later from now on, each way, as a long way does.
    pub fn delay(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Lets everything through again: what was held back by a stall, new connections after a cut.
    pub async fn heal(&self) {
        self.order(Order::Heal).await;
    }

    async fn order(&self, order: Order) {
        let (done, is_done) = oneshot::channel();
        self.orders.send((order, done)).await.expect("the proxy's task ends with the proxy");
        is_done.await.expect("the proxy's task carries out each order");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where the server of a URL is.
async fn look_up(url: &str) -> Result<SocketAddr, ServerError> {
    let server = host_and_port(url);
    let doing = || format!("look up {server} of {url}");
    let mut found = tokio::net::lookup_host(server).await.map_err(ServerError::io(doing()))?;
    found.next().ok_or_else(|| ServerError::Refused { request: doing(), answer: "no address".to_owned() })
}

/// `host:port` of a URL, after the user's name and password.
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

/// Owns the listener and all connections; dropped, it takes them with it.
async fn serve(route: Route, listener: TcpListener, mut orders: mpsc::Receiver<(Order, oneshot::Sender<()>)>) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    let passage = watch::Sender::new(Passage::Open);
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some((order, done)) = order else { return };
                match order {
                    Order::Cut => {
                        listener = None;
                        connections.shutdown().await;
                    }
                    Order::TurnAway => {
                        passage.send_replace(Passage::Shut);
                        connections.shutdown().await;
                    }
                    Order::Stall => _ = passage.send_replace(Passage::Stalled),
                    Order::Heal => {
                        listener = Some(listen_again(listener, route.address).await);
                        passage.send_replace(Passage::Open);
                    }
                }
                // Whoever gave the order may have stopped waiting.
                _ = done.send(());
            }
            client = accept(listener.as_ref()), if listener.is_some() => {
                route.clients.fetch_add(1, Ordering::Relaxed);
                if *passage.borrow() != Passage::Shut {
                    connections.spawn(relay(client, route.clone(), passage.subscribe()));
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

/// The next client. A client that is gone again before it is accepted is none.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        if let Ok((client, _)) = listener.accept().await {
            return client;
        }
        tokio::task::yield_now().await;
    }
}

/// Passes bytes both ways until both sides have said all, or one of them is gone.
async fn relay(client: TcpStream, route: Route, mut passage: watch::Receiver<Passage>) {
    if passage.wait_for(|now| *now == Passage::Open).await.is_err() {
        return;
    }
    // One after the other, and the first that takes it.
    let Ok(server) = TcpStream::connect(&*route.targets).await else { return };
    // Small frames are not held back: a proxy should not add delays of its own.
    _ = client.set_nodelay(true);
    _ = server.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let there = pass(from_client, to_server, (passage.clone(), &route.delay_ms));
    _ = tokio::try_join!(there, pass(from_server, to_client, (passage, &route.delay_ms)));
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    (mut passage, delay_ms): (watch::Receiver<Passage>, &AtomicU64),
) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = from.read(&mut buffer).await?;
        let delay = Duration::from_millis(delay_ms.load(Ordering::Relaxed));
        if !delay.is_zero() {
            // What comes meanwhile comes together afterwards.
            tokio::time::sleep(delay).await;
        }
        if passage.wait_for(|now| *now == Passage::Open).await.is_err() {
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
    fn the_server_of_a_url_is_between_the_password_and_the_path() {
        let check = |url: &str, expected: &str| assert_eq!(host_and_port(url), expected, "{url}");
        check("amqp://guest:guest@127.0.0.1:5672/test-1", "127.0.0.1:5672");
        check("amqp://127.0.0.1:5672?heartbeat=1", "127.0.0.1:5672");
        check("redis://:p@ss@localhost:6379/3", "localhost:6379");
        check("http://127.0.0.1:80", "127.0.0.1:80");
        check("127.0.0.1:80", "127.0.0.1:80");
    }
}
