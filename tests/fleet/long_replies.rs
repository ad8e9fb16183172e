//! Replies so long that a cell's outcome, with its transcript, is longer than any message of the broker.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use redb::TableDefinition;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use crate::fleet::{Fleet, LATENCY};
use crate::support::rows;

/// The table of transcripts.
const TRANSCRIPTS: TableDefinition<(u16, u32, u8), &[u8]> = TableDefinition::new("transcripts");

/// The bytes of noise in a reply. No compression makes 58 of them shorter than 16 MiB.
const NOISE: usize = 330_000;

/// A provider of long replies, which differ from prompt to prompt.
async fn provider_of_long_replies() -> (SocketAddr, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let address = listener.local_addr().expect("has an address");
    let serving = tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client));
        }
    });
    (address, AbortOnDropHandle::new(serving))
}

async fn serve(client: TcpStream) -> std::io::Result<()> {
    let mut client = BufReader::new(client);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while client.read_line(&mut line).await? > 0 && line != "\r\n" {
            if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = bytes.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        let mut body = vec![0; length];
        client.read_exact(&mut body).await?;
        let reply = reply(&body);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", reply.len());
        client.write_all(&[head.as_bytes(), reply.as_bytes()].concat()).await?;
    }
}

fn reply(request: &[u8]) -> String {
    let mut noise = vec![0; NOISE];
    blake3::Hasher::new().update(request).finalize_xof().fill(&mut noise);
    let noise = BASE64_STANDARD.encode(noise);
    format!(
        r#"{{"model":"m","choices":[{{"message":{{"content":"{noise}\nAnswer: 1"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":9,"completion_tokens":9}}}}"#
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_that_no_message_holds_travels_through_the_store() {
    let (provider, _serving) = provider_of_long_replies().await;
    let mut fleet = Fleet::new(LATENCY).await;
    fleet.base_url = format!("http://{provider}/v1");
    (fleet.users, fleet.methods, fleet.flags) = (1, "full-info", &["--folds", "1", "--transcripts"]);
    let coordinator = fleet.coordinator();
    let worker = fleet.worker();
    coordinator.expect_success().await;
    worker.terminate();
    worker.expect_success().await;
    let transcripts = rows(&fleet.run_folder().join("ledger.redb"), TRANSCRIPTS);
    assert!(transcripts.len() == 1 && transcripts.values().all(|row| row.len() > 16 << 20), "{}", transcripts.len());
    let client = redis::Client::open(fleet.urls.store.as_str()).expect("is an address");
    let mut store = client.get_multiplexed_async_connection().await.expect("connects");
    let left: Vec<String> = redis::cmd("KEYS").arg("*:outcome").query_async(&mut store).await.expect("lists");
    assert_eq!(left, [""; 0], "its parts are gone once it is in the ledger");
    fleet.compare_with_one_process().await;
}
