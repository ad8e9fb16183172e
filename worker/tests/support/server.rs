//! A provider that does as it is told: a TCP server that reads one request from each connection and follows a script.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// One step of an answer. After the last the connection is closed.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Send(Vec<u8>),
    Pause(Duration),
    Hang,
}

/// What is done with a request, of which so many came before.
pub(crate) type Script = Arc<dyn Fn(&Request, usize) -> Vec<Step> + Send + Sync>;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: Value,
    pub(crate) at: Instant,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The first message.
    pub(crate) fn prompt(&self) -> &str {
        self.body["messages"][0]["content"].as_str().expect("a request has a message")
    }
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    log: Arc<Log>,
    doorman: JoinHandle<()>,
}

/// An address that nobody listens on, but that is nobody else's either.
pub(crate) struct Closed {
    pub(crate) address: SocketAddr,
    socket: TcpSocket,
}

#[derive(Debug)]
struct Log {
    requests: Mutex<Vec<Request>>,
    count: watch::Sender<usize>,
}

impl Server {
    pub(crate) fn start(script: Script) -> Self {
        Closed::anywhere().open(script)
    }

    /// A server that does the same with every request.
    pub(crate) fn always(steps: Vec<Step>) -> Self {
        Self::start(Arc::new(move |_, _| steps.clone()))
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.log.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many requests have come.
    pub(crate) async fn requested(&self, times: usize) {
        self.log.count.subscribe().wait_for(|&count| count >= times).await.expect("the log is there");
    }

    /// Stops listening and breaks all connections.
    pub(crate) async fn close(mut self) -> Closed {
        self.doorman.abort();
        let ended = (&mut self.doorman).await;
        assert!(ended.is_err_and(|error| error.is_cancelled()), "the server ran until now");
        Closed::at(self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.doorman.abort();
    }
}

impl Closed {
    pub(crate) fn anywhere() -> Self {
        Self::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    fn at(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("makes a socket");
        socket.set_reuseaddr(true).expect("takes the option");
        socket.bind(address).expect("binds");
        Self { address: socket.local_addr().expect("is bound"), socket }
    }

    pub(crate) fn open(self, script: Script) -> Server {
        let listener = self.socket.listen(1024).expect("listens");
        let log = Arc::new(Log { requests: Mutex::default(), count: watch::Sender::new(0) });
        let doorman = tokio::spawn(serve(listener, script, Arc::clone(&log)));
        Server { address: self.address, log, doorman }
    }
}

async fn serve(listener: TcpListener, script: Script, log: Arc<Log>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("accepts");
                connections.spawn(answer(stream, Arc::clone(&script), Arc::clone(&log)));
            }
            Some(ended) = connections.join_next() => ended.expect("a script does not panic"),
        }
    }
}

async fn answer(mut stream: TcpStream, script: Script, log: Arc<Log>) {
    let Some(request) = read(&mut stream).await else { return };
    let steps = {
        let mut requests = log.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let steps = script(&request, requests.len());
        requests.push(request);
        log.count.send_replace(requests.len());
        steps
    };
    for step in steps {
        match step {
            Step::Pause(time) => tokio::time::sleep(time).await,
            Step::Hang => std::future::pending().await,
            Step::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    // The client has hung up, as some tests want it to.
                    return;
                }
            }
        }
    }
}

/// Head and body of a request; none where the client hangs up before.
async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_ends = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, &mut bytes).await?;
    };
    let head = String::from_utf8(bytes[..head_ends].to_vec()).expect("a head is text");
    let mut request = Request { head, body: Value::Null, at: Instant::now() };
    let length: usize = request.header("content-length")?.parse().expect("a length is a number");
    while bytes.len() < head_ends + length {
        more(stream, &mut bytes).await?;
    }
    request.body = serde_json::from_slice(&bytes[head_ends..]).expect("a body is JSON");
    request.at = Instant::now();
    Some(request)
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let read = stream.read_buf(bytes).await.ok()?;
    (read > 0).then_some(())
}

/// A whole response.
pub(crate) fn response(status: &str, headers: &str, body: &[u8]) -> Vec<Step> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    vec![Step::Send([head.as_bytes(), body].concat())]
}

/// A response that is good as a response.
pub(crate) fn ok(body: &Value) -> Vec<Step> {
    response("200 OK", "content-type: application/json\r\n", body.to_string().as_bytes())
}

/// A good response that breaks off in the middle of its body.
pub(crate) fn cut(body: &Value) -> Vec<Step> {
    let mut steps = ok(body);
    if let Some(Step::Send(bytes)) = steps.first_mut() {
        bytes.truncate(bytes.len() - body.to_string().len() / 2);
    }
    steps
}

/// A chat completion.
pub(crate) fn completion(text: &str, finish: &str) -> Value {
    serde_json::json!({
        "model": "m",
        "choices": [{"message": {"content": text}, "finish_reason": finish}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 3},
    })
}
