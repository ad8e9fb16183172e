//! Servers that cannot be used, and what is said of them.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use valuesim_shared::control::{Control as _, RedisControl, RunPhase};
use valuesim_shared::redis_connection::{Address, RedisConnection, RedisConnectionError, RedisConnectionState};
use valuesim_shared::store::Store as _;
use valuesim_test_servers::{Authority, RedisServer, eventually};

use crate::support::{
    LIMIT, call, cell, command, connect, each, is_unreachable, keys, plain, reply, run, store, until,
};

async fn refusal(url: &str) -> RedisConnectionError {
    let start = Instant::now();
    let refused = RedisConnection::connect(&url.parse().expect("is an address"), Duration::ZERO)
        .await
        .expect_err("cannot be used");
    assert!(start.elapsed() < LIMIT);
    refused
}

/// Something on a port that says this to whatever it hears.
async fn speaker(words: &'static str) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("listens");
    let url = format!("redis://{}", listener.local_addr().expect("has an address"));
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut heard = [0; 512];
            // A client that has gone already is no concern of a speaker.
            let _ = connection.read(&mut heard).await;
            let _ = connection.write_all(words.as_bytes()).await;
            let _ = connection.shutdown().await;
        }
    });
    url
}

#[tokio::test]
async fn a_port_where_nobody_listens() {
    // A privileged port: nothing listens there, and no other test can take it.
    let url = "redis://127.0.0.1:1";
    let said = refusal(url).await.to_string();
    assert!(said.starts_with(&format!("reach the Redis server {url}: ")), "{said}");
    assert!(said.ends_with("check that it runs and that the address is right"), "{said}");
}

#[tokio::test]
async fn a_host_that_does_not_exist() {
    let said = refusal("redis://no-such-host.invalid:6379").await;
    assert!(matches!(said, RedisConnectionError::Unreachable { .. }), "{said}");
}

#[tokio::test]
async fn something_that_is_no_redis() {
    for words in ["HTTP/1.1 400 Bad Request\r\n\r\n", "AMQP\u{0}\u{0}\u{9}\u{1}"] {
        let url = speaker(words).await;
        let said = refusal(&url).await;
        let text = said.to_string();
        assert!(matches!(said, RedisConnectionError::NotRedis { .. }), "{text}");
        assert!(
            text.starts_with(&format!("connect to {url}: the server there does not speak the Redis protocol")),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_password_that_is_missing_or_wrong_is_never_shown() {
    let server = RedisServer::start().await.expect("starts");
    let running = connect(&server.url()).await;
    command(&mut plain(&server.url()).await, "CONFIG SET requirepass s3cret").await;
    let with = |login: &str| server.url().replace("redis://", &format!("redis://{login}@"));
    for url in [server.url(), with(":guess1"), with("somebody:guess1")] {
        let refused = refusal(&url).await;
        assert!(matches!(refused, RedisConnectionError::Password { .. }), "{refused}");
        let said = format!("{refused} {refused:?}");
        assert!(said.contains("rejects the user or the password") && !said.contains("guess1"), "{said}");
    }
    assert!(connect(&with(":s3cret")).await.state().is_connected());

    // Who is logged in stays so; who has to log in again is told.
    assert!(running.state().is_connected());
    command(&mut plain(&with(":s3cret")).await, "CLIENT KILL TYPE normal SKIPME yes").await;
    let state = until(&running, is_unreachable).await;
    assert!(!state.to_string().contains("s3cret"));
    let store = valuesim_shared::store::RedisStore::new(running);
    let said = tokio::time::timeout(LIMIT, store.manifest(&run("r"))).await.expect("in time").expect_err("is barred");
    assert!(said.to_string().starts_with("log in to the Redis server"), "{said}");
}

#[tokio::test]
async fn a_login_that_is_refused_for_a_moment_is_tried_again_by_who_was_logged_in() {
    let server = RedisServer::start().await.expect("starts");
    let mut without = plain(&server.url()).await;
    command(&mut without, "CONFIG SET requirepass s3cret").await;
    let url = server.url().replace("redis://", "redis://:s3cret@");
    let running = connect(&url).await;
    // As a server that has too many clients does, whose answer to a login reads as a wrong password.
    command(&mut without, "CONFIG SET requirepass other").await;
    command(&mut without, "CLIENT KILL TYPE normal SKIPME yes").await;
    let is_refused = |state: &RedisConnectionState| state.to_string().contains("rejects the user or the password");
    until(&running, is_refused).await;
    let store = valuesim_shared::store::RedisStore::new(running);
    let reading = {
        let store = store.clone();
        tokio::spawn(async move { store.manifest(&run("r")).await })
    };
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!reading.is_finished(), "it waits");
    command(&mut without, "CONFIG SET requirepass s3cret").await;
    let read = tokio::time::timeout(LIMIT, reading).await.expect("in time").expect("does not panic");
    assert_eq!(read.expect("reads"), None);
}

#[tokio::test]
async fn a_user_without_the_rights() {
    let server = RedisServer::start().await.expect("starts");
    let acl = "ACL SETUSER reader on >pw ~valuesim:* +get +info +ping +select +client";
    command(&mut plain(&server.url()).await, acl).await;
    let store = store(&server.url().replace("redis://", "redis://reader:pw@")).await;
    assert_eq!(store.manifest(&run("r")).await.expect("reads"), None);
    let said = store.put_manifest(&run("r"), b"{}").await.expect_err("may not").to_string();
    assert!(said.contains("no permissions to run the 'set' command") && said.contains("~valuesim:*"), "{said}");
}

#[tokio::test]
async fn a_reply_that_cannot_be_kept_is_told_to_whoever_waits_next() {
    let server = RedisServer::start().await.expect("starts");
    let mut admin = plain(&server.url()).await;
    command(&mut admin, "ACL SETUSER writer on >pw ~valuesim:* +@all -rpush").await;
    let store = store(&server.url().replace("redis://", "redis://writer:pw@")).await;
    store.record_reply(&run("r"), cell(1), call(1), &reply("yes")).expect("is in line");
    let mut log = admin.clone();
    let is_refused = async || (command(&mut log, "ACL LOG 1").await != redis::Value::Array(Vec::new())).then_some(());
    eventually("the refused command", LIMIT, is_refused).await.expect("in time");
    command(&mut admin, "ACL SETUSER writer +rpush").await;
    let said = store.settle().await.expect_err("it was not kept").to_string();
    assert!(said.contains("no permissions to run the 'rpush' command"), "{said}");
    store.record_reply(&run("r"), cell(1), call(2), &reply("yes")).expect("is in line");
    store.settle().await.expect("it was said once");
    assert_eq!(store.cell_record(&run("r"), cell(1)).await.expect("reads").replies.len(), 1);
}

#[tokio::test]
async fn a_replica() {
    let (server, primary) = tokio::join!(RedisServer::start(), RedisServer::start());
    let (server, primary) = (server.expect("starts"), primary.expect("starts").url());
    let (_, port) = primary.rsplit_once(':').expect("a port");
    command(&mut plain(&server.url()).await, &format!("REPLICAOF 127.0.0.1 {port}")).await;
    let said = refusal(&server.url()).await.to_string();
    assert!(said.ends_with(&format!("give the address of its primary, 127.0.0.1:{port}")), "{said}");
}

#[tokio::test]
async fn a_database_that_there_is_not() {
    let server = RedisServer::start().await.expect("starts");
    let said = refusal(&format!("{}/99999", server.url())).await.to_string();
    assert!(said.contains("DB index is out of range"), "{said}");
}

#[tokio::test]
async fn a_server_without_tls() {
    let server = RedisServer::start().await.expect("starts");
    let said = refusal(&server.url().replace("redis://", "rediss://")).await.to_string();
    assert!(said.contains("if it is a server without TLS, its address begins with redis://"), "{said}");
}

#[tokio::test]
async fn settings_that_lose_what_was_paid_for_are_warned_of() {
    let server = RedisServer::start().await.expect("starts");
    assert_eq!(connect(&server.url()).await.warnings(), &[] as &[String]);
    let mut plain = plain(&server.url()).await;
    command(&mut plain, "CONFIG SET maxmemory-policy allkeys-lru").await;
    command(&mut plain, "CONFIG SET appendonly no").await;
    let connection = connect(&server.url()).await;
    let [evicts, forgets] = connection.warnings() else { panic!("{:?}", connection.warnings()) };
    assert!(evicts.contains("maxmemory-policy allkeys-lru") && forgets.contains("keeps nothing on disk"));
}

#[tokio::test]
async fn a_key_with_a_value_of_another_kind_is_named_to_operators_and_mended_by_a_fleet() {
    let server = RedisServer::start().await.expect("starts");
    let (store, run) = (store(&server.url()).await, run("r1"));
    store.put_manifest(&run, b"{}").await.expect("writes");
    let mut plain = plain(&server.url()).await;
    let [key] = &keys(&mut plain, "*").await[..] else { panic!("one key") };
    command(&mut plain, &format!("DEL {key}")).await;
    command(&mut plain, &format!("RPUSH {key} x")).await;
    assert_eq!(store.manifest(&run).await.expect("is mended"), None, "as if it were lost");
    store.put_manifest(&run, b"{}").await.expect("writes");
    assert_eq!(store.manifest(&run).await.expect("reads").as_deref(), Some(&b"{}"[..]));
    command(&mut plain, "RPUSH valuesim:{r1}:about x").await;
    let control = RedisControl::new(store.connection().clone());
    let refused = control.about(&run).await.expect_err("it is a list").to_string();
    assert!(refused.contains("its key valuesim:{r1}:about holds a value of another kind"), "{refused}");
    control.announce(&crate::message::about("r1", RunPhase::Begun)).await.expect("replaces it");
    command(&mut plain, "SET valuesim:{r1/0/1/1}:calls x").await;
    store.note_sent(&run, cell(1), call(1), &each()).await.expect("is mended");
    command(&mut plain, "RPUSH valuesim:{r1}:leader x").await;
    let lead = control.take_lead(&run, &crate::message::process("c1", 1), None).await;
    assert_eq!(lead, Ok(valuesim_shared::control::Lead::Ours));
}

/// A proxy in front of a server that closes the connection over `INFO`.
async fn proxy_without_info(server: &RedisServer) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("listens");
    let url = format!("redis://{}", listener.local_addr().expect("has an address"));
    let target = server.url().replace("redis://", "");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut behind = TcpStream::connect(&target).await.expect("connects");
            tokio::spawn(async move {
                let (mut asked, mut answered) = ([0; 4096], [0; 4096]);
                loop {
                    tokio::select! {
                        Ok(count @ 1..) = client.read(&mut asked) => {
                            if asked[..count].windows(4).any(|word| word == b"INFO") {
                                return;
                            }
                            behind.write_all(&asked[..count]).await.expect("writes");
                        }
                        Ok(count @ 1..) = behind.read(&mut answered) => {
                            client.write_all(&answered[..count]).await.expect("writes");
                        }
                        else => return,
                    }
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn a_proxy_that_knows_no_info_is_used_with_a_warning() {
    let server = RedisServer::start_with_settings(&["--rename-command", "INFO", ""]).await.expect("starts");
    let closing = proxy_without_info(&server).await;
    for url in [server.url(), closing] {
        let connection = connect(&url).await;
        let [warning] = connection.warnings() else { panic!("{:?}", connection.warnings()) };
        assert!(warning.contains("does not answer INFO") && warning.contains("is not checked"), "{warning}");
        let store = valuesim_shared::store::RedisStore::new(connection);
        store.put_manifest(&run("r"), b"{}").await.expect("writes");
        assert_eq!(store.manifest(&run("r")).await.expect("reads").as_deref(), Some(&b"{}"[..]));
    }
}

#[tokio::test]
async fn a_sentinel_is_named_with_the_primary_that_it_watches() {
    let primary = RedisServer::start().await.expect("starts");
    let sentinel = RedisServer::start_sentinel(&primary).await.expect("starts");
    let watched = format!("mymaster at {}", primary.url().replace("redis://", ""));
    let with_login = sentinel.url().replace("redis://", "redis://:s3cret@");
    for url in [sentinel.url(), with_login, format!("{}/1", sentinel.url())] {
        let said = refusal(&url).await.to_string();
        assert!(said.contains("it is a Sentinel") && said.contains(&watched), "{said}");
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_or_the_way_to_make_one_is_told() {
    let trusting = |url: &str, authority: &Authority| {
        let address: Address = url.parse().expect("is an address");
        address.trusting(std::fs::read(authority.file()).expect("reads")).expect("are certificates")
    };
    let own = Authority::self_signed(false).expect("is made");
    let server = RedisServer::start_with_tls(&own).await.expect("starts");
    let connected = RedisConnection::connect(&trusting(&server.url(), &own), LIMIT).await.expect("trusts it");
    assert!(connected.state().is_connected());
    let unknown = refusal(&server.url()).await.to_string();
    assert!(unknown.contains("--store-ca name a file with the certificates to trust"), "{unknown}");

    let unusable = Authority::self_signed(true).expect("is made");
    let server = RedisServer::start_with_tls(&unusable).await.expect("starts");
    let refused = RedisConnection::connect(&trusting(&server.url(), &unusable), Duration::ZERO).await;
    let said = refused.expect_err("no server's certificate may sign").to_string();
    assert!(said.contains("name that of the authority") && said.contains("openssl req -x509"), "{said}");
}
