//! Replies that a provider compresses, as proxies and gateways do once they are told that they may.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use valuesim_shared::model::ModelSettings;
use valuesim_worker::provider::{CallError, CallErrorKind, Client, Conversation, Deadlines, EncodedText, Reply};

use support::server::{Server, completion, response};

#[allow(dead_code, reason = "each test program uses a part")]
mod support;

/// A text in each of the encodings.
fn encodings(text: &[u8]) -> [(&'static str, Vec<u8>); 4] {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text).expect("compresses");
    let mut deflate = ZlibEncoder::new(Vec::new(), Compression::default());
    deflate.write_all(text).expect("compresses");
    let mut brotli = Vec::new();
    let (quality, window) = (5, 22);
    brotli::CompressorWriter::new(&mut brotli, 4096, quality, window).write_all(text).expect("compresses");
    [
        ("gzip", gzip.finish().expect("compresses")),
        ("deflate", deflate.finish().expect("compresses")),
        ("br", brotli),
        ("zstd", zstd::encode_all(text, 3).expect("compresses")),
    ]
}

/// What a client makes of a body in an encoding.
async fn ask(status: &str, encoding: &str, body: &[u8]) -> (Result<Reply, CallError>, Server) {
    let server = Server::always(response(status, &format!("content-encoding: {encoding}\r\n"), body));
    let model = ModelSettings { base_url: Some(format!("http://{}/v1", server.address)), ..ModelSettings::named("m") };
    let deadlines = Deadlines { total: Duration::from_mins(1), ..Deadlines::default() };
    let client = Client::new(&model, deadlines).expect("is set up");
    let [before, after] = ["Who are you?", ""].map(EncodedText::new);
    let answer = client.send(client.body(&Conversation::new(&before, None, &after), "s"), "s").await;
    (answer, server)
}

#[tokio::test]
async fn compressed_replies_are_read() {
    let long = format!("Answer: 1{}", " because".repeat(10_000));
    for (encoding, body) in encodings(completion(&long, "stop").to_string().as_bytes()) {
        assert!(body.len() < 10_000, "{encoding} compresses");
        let (answer, server) = ask("200 OK", encoding, &body).await;
        assert_eq!(answer.expect(encoding).content, long);
        let requests = server.requests();
        let accepted = requests[0].header("accept-encoding").expect("says what it takes");
        assert!(accepted.split(',').any(|name| name.trim() == encoding), "{encoding} is not in {accepted}");
    }
}

#[tokio::test]
async fn compressed_errors_are_read() {
    for (encoding, body) in encodings(br#"{"error":{"message":"No.","code":"model_not_found"}}"#) {
        let error = ask("404 Not Found", encoding, &body).await.0.expect_err("no reply");
        assert_eq!((error.kind, error.message.as_deref()), (CallErrorKind::UnknownModel, Some("No.")), "{encoding}");
    }
}

#[tokio::test]
async fn a_small_body_that_becomes_a_large_one_is_given_up() {
    // Sixteen times what is read.
    for (encoding, body) in encodings(&vec![b' '; 64 << 20]) {
        assert!(body.len() < 1 << 20, "{encoding} compresses");
        let error = ask("200 OK", encoding, &body).await.0.expect_err("too long");
        assert_eq!(error.kind, CallErrorKind::Malformed, "{encoding}");
        assert!(error.to_string().contains("longer than"), "{encoding}: {error}");
    }
}

#[tokio::test]
async fn a_compressed_body_that_is_damaged_or_breaks_off_is_no_reply() {
    for (encoding, body) in encodings(completion("Answer: 1", "stop").to_string().as_bytes()) {
        let error = ask("200 OK", encoding, &body[..body.len() / 2]).await.0.expect_err("breaks off");
        assert_eq!(error.kind, CallErrorKind::ConnectionBroken, "{encoding}: {error}");
        let error = ask("200 OK", encoding, b"<html>It works!</html>").await.0.expect_err("is not compressed");
        assert_eq!(error.kind, CallErrorKind::ConnectionBroken, "{encoding}: {error}");
    }
}
