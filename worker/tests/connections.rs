//! Connections to a provider are used again, and one that the provider closes between two calls costs none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, watch};
use valuesim_shared::model::ModelSettings;
use valuesim_worker::provider::{Client, Conversation, Deadlines, EncodedText};

const REPLY: &str = r#"{"model":"m","choices":[{"message":{"content":"Answer: 1"},"finish_reason":"stop"}]}"#;

/// A provider that answers any number of requests on a connection, until it closes all that it has.
struct Provider {
    address: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    /// How often all connections were closed.
    closings: watch::Sender<usize>,
}

impl Provider {
    async fn start(together: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let address = listener.local_addr().expect("is bound").to_string();
        let provider =
            Self { address, connections: Arc::default(), requests: Arc::default(), closings: watch::Sender::new(0) };
        let (connections, requests) = (Arc::clone(&provider.connections), Arc::clone(&provider.requests));
        let closings = provider.closings.clone();
        // So many requests are answered together, so that each has a connection of its own.
        let all_here = Arc::new(Barrier::new(together));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let answering = answer(stream, Arc::clone(&requests), Arc::clone(&all_here));
                let mut closings = closings.subscribe();
                tokio::spawn(async move {
                    tokio::select! {
                        () = answering => {}
                        _ = closings.changed() => {}
                    }
                });
            }
        });
        provider
    }

    fn client(&self) -> Client {
        let model =
            ModelSettings { base_url: Some(format!("http://{}/v1", self.address)), ..ModelSettings::named("m") };
        Client::new(&model, Deadlines::default()).expect("is set up")
    }

    fn seen(&self) -> (usize, usize) {
        (self.connections.load(Ordering::SeqCst), self.requests.load(Ordering::SeqCst))
    }
}

async fn answer(mut stream: TcpStream, requests: Arc<AtomicUsize>, all_here: Arc<Barrier>) {
    let mut request = Vec::new();
    loop {
        while !request.ends_with(b"\"}]}") {
            if !matches!(stream.read_buf(&mut request).await, Ok(1..)) {
                return;
            }
        }
        request.clear();
        requests.fetch_add(1, Ordering::SeqCst);
        all_here.wait().await;
        let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{REPLY}", REPLY.len());
        stream.write_all(response.as_bytes()).await.expect("the client reads");
    }
}

async fn ask(client: &Client) {
    let [before, after] = ["Who are you?", ""].map(EncodedText::new);
    let reply = client.send(client.body(&Conversation::new(&before, None, &after), "s"), "s").await.expect("a reply");
    assert_eq!(reply.content, "Answer: 1");
}

#[tokio::test]
async fn calls_one_after_the_other_share_a_connection() {
    let provider = Provider::start(1).await;
    let client = provider.client();
    for _ in 0..5 {
        ask(&client).await;
        ask(&client.clone()).await;
    }
    assert_eq!(provider.seen(), (1, 10));
}

#[tokio::test]
async fn calls_side_by_side_have_a_connection_each_and_use_it_again() {
    let provider = Provider::start(3).await;
    let client = provider.client();
    for _ in 0..4 {
        tokio::join!(ask(&client), ask(&client), ask(&client));
    }
    assert_eq!(provider.seen(), (3, 12));
}

#[tokio::test]
async fn connections_that_the_provider_closed_in_between_cost_no_call() {
    let provider = Provider::start(3).await;
    let client = provider.client();
    for round in 1..=3 {
        tokio::join!(ask(&client), ask(&client), ask(&client));
        assert_eq!(provider.seen(), (3 * round, 3 * round));
        provider.closings.send_modify(|times| *times += 1);
        // Each connection listens until it has ended.
        provider.closings.closed().await;
    }
}
