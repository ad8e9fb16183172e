//! What can stand between the command and a provider: a proxy of any kind, TLS, or both.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use valuesim_test_servers::Authority;

/// How a relay treats what its clients send.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Passes it on unchanged.
    Front,
    /// Acts as an HTTP proxy.
    HttpProxy,
    /// Acts as a SOCKS5 proxy.
    Socks5,
}

/// A server that connects every client to one address, whatever address the client requested, and records the requests.
/// Dropping it stops it.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    _runtime: Runtime,
}

impl Relay {
    pub(crate) fn start(kind: Kind, target: SocketAddr) -> Self {
        Self::listen(kind, None, target)
    }

    /// The same behind TLS, with a certificate from `authority`.
    pub(crate) fn encrypted(kind: Kind, authority: &Authority, target: SocketAddr) -> Self {
        Self::listen(kind, Some(acceptor(authority)), target)
    }

    fn listen(kind: Kind, tls: Option<TlsAcceptor>, target: SocketAddr) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let relaying = Relaying { kind, target, requests: Arc::clone(&requests) };
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (relaying, tls) = (relaying.clone(), tls.clone());
                tokio::spawn(async move {
                    // A client may disconnect at any time, for example because it does not trust the certificate.
                    let _ = match tls {
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => relaying.pass_on(stream).await,
                            Err(error) => Err(error),
                        },
                        None => relaying.pass_on(stream).await,
                    };
                });
            }
        });
        Self { address, requests, _runtime: runtime }
    }

    /// The requests so far, one for each connection.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn acceptor(authority: &Authority) -> TlsAcceptor {
    let certificates = CertificateDer::pem_file_iter(authority.certificate()).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(authority.key()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    TlsAcceptor::from(Arc::new(config.with_single_cert(certificates, key).unwrap()))
}

#[derive(Clone)]
struct Relaying {
    kind: Kind,
    target: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Relaying {
    async fn pass_on(self, mut client: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
        let mut target = TcpStream::connect(self.target).await?;
        match self.kind {
            Kind::Front => {}
            Kind::HttpProxy => {
                let head = head(&mut client).await?;
                if head.starts_with("CONNECT ") {
                    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
                } else {
                    target.write_all(head.as_bytes()).await?;
                }
                self.requests.lock().unwrap().push(head);
            }
            Kind::Socks5 => {
                let request = greet(&mut client).await?;
                self.requests.lock().unwrap().push(request);
            }
        }
        copy_bidirectional(&mut client, &mut target).await?;
        Ok(())
    }
}

/// Reads the head of an HTTP request and nothing after it.
async fn head(client: &mut (impl AsyncRead + Unpin)) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    Ok(String::from_utf8(head).unwrap())
}

/// Greets a client as a SOCKS5 server does (RFC 1928, RFC 1929). Returns how the client named itself and where it wants
/// to go.
async fn greet(client: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> std::io::Result<String> {
    const PASSWORD: u8 = 2;
    assert_eq!(client.read_u8().await?, 5, "the version");
    let methods = length_prefixed(client).await?;
    let mut who = String::new();
    if methods.contains(&PASSWORD) {
        client.write_all(&[5, PASSWORD]).await?;
        assert_eq!(client.read_u8().await?, 1, "the version of the password's message");
        let (name, password) = (length_prefixed(client).await?, length_prefixed(client).await?);
        who = format!("{}:{}@", String::from_utf8(name).unwrap(), String::from_utf8(password).unwrap());
        client.write_all(&[1, 0]).await?;
    } else {
        client.write_all(&[5, 0]).await?;
    }
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    assert_eq!(request[..3], [5, 1, 0], "a request to connect");
    let host = match request[3] {
        1 => std::net::Ipv4Addr::from(client.read_u32().await?).to_string(),
        3 => String::from_utf8(length_prefixed(client).await?).unwrap(),
        kind => panic!("an address of kind {kind}"),
    };
    let port = client.read_u16().await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    Ok(format!("{who}{host}:{port}"))
}

/// Reads a length and then that many bytes.
async fn length_prefixed(client: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}
