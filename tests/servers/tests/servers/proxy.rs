//! The proxy: open, cut, turning away, stalled and healed.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use valuesim_test_servers::Proxy;

/// Long enough for a byte to arrive if the proxy passes it; no wait can prove that it never will.
const A_WHILE: Duration = Duration::from_millis(200);

/// A server that echoes what it receives.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = client.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

async fn say(connection: &mut TcpStream, text: &str) -> std::io::Result<String> {
    connection.write_all(text.as_bytes()).await?;
    hear(connection, text.len()).await
}

async fn hear(connection: &mut TcpStream, count: usize) -> std::io::Result<String> {
    let mut heard = vec![0; count];
    connection.read_exact(&mut heard).await?;
    Ok(String::from_utf8(heard).unwrap())
}

#[tokio::test]
async fn a_cut_proxy_closes_and_refuses_connections_until_it_is_healed() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut connection, "before").await.unwrap(), "before");

    proxy.cut().await;
    assert!(say(&mut connection, "cut").await.is_err(), "a cut connection answered");
    let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    proxy.heal().await;
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut connection, "after").await.unwrap(), "after");
}

#[tokio::test]
async fn connections_turned_away_are_counted_and_new_ones_pass_once_it_is_healed() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut connection, "before").await.unwrap(), "before");
    assert_eq!(proxy.clients(), 1);

    proxy.turn_away().await;
    assert!(say(&mut connection, "shut").await.is_err(), "a closed connection answered");
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(say(&mut connection, "shut").await.is_err(), "a connection that was turned away answered");
    assert_eq!(proxy.clients(), 2);

    proxy.heal().await;
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut connection, "after").await.unwrap(), "after");
}

#[tokio::test]
async fn a_connection_leads_to_the_first_server_that_accepts_it() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let urls = [nobody, echo().await].map(|server| format!("tcp://{server}/path"));
    let (proxy, through) = Proxy::in_front_of_all(&urls).await.unwrap();
    assert_eq!(through, format!("tcp://{}/path", proxy.address()));
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut connection, "any").await.unwrap(), "any");
}

#[tokio::test]
async fn a_stall_delays_every_byte_and_loses_none() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut old = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut old, "before").await.unwrap(), "before");

    proxy.stall().await;
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    old.write_all(b"old").await.unwrap();
    new.write_all(b"new").await.unwrap();
    assert!(timeout(A_WHILE, hear(&mut old, 1)).await.is_err(), "a byte passed");
    assert!(timeout(A_WHILE, hear(&mut new, 1)).await.is_err(), "a byte passed");

    proxy.heal().await;
    assert_eq!(hear(&mut old, 3).await.unwrap(), "old");
    assert_eq!(hear(&mut new, 3).await.unwrap(), "new");
}

#[tokio::test]
async fn a_stalled_connection_accepts_no_more_than_its_buffers() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut connection, "before").await.unwrap(), "before");
    proxy.stall().await;
    let flood = vec![0; 1 << 20];
    let mut taken = 0;
    while let Ok(count) = timeout(A_WHILE, connection.write(&flood)).await {
        taken += count.unwrap();
        assert!(taken < 64 << 20, "the proxy buffers everything that it receives");
    }
}

#[tokio::test]
async fn a_stalled_connection_can_be_cut() {
    let proxy = Proxy::start(echo().await).await.unwrap();
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut connection, "before").await.unwrap(), "before");
    proxy.stall().await;
    proxy.cut().await;
    assert!(say(&mut connection, "cut").await.is_err(), "a cut connection answered");
}

#[tokio::test]
async fn dropping_a_proxy_closes_its_connections() {
    let (proxy, url) = Proxy::in_front_of(&format!("amqp://guest:guest@{}/v", echo().await)).await.unwrap();
    assert_eq!(url, format!("amqp://guest:guest@{}/v", proxy.address()));
    let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut connection, "before").await.unwrap(), "before");
    drop(proxy);
    assert!(say(&mut connection, "after").await.is_err(), "a dropped proxy answered");
}
