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

/// What a relay takes its clients' bytes for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Nothing: it passes them on.
    Front,
    /// Requests to an HTTP proxy.
    HttpProxy,
    /// Requests to a SOCKS5 proxy.
    Socks5,
}

/// A server that passes everything on to one address, whatever it is asked for, and remembers how it was asked. It ends
/// when it is dropped.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _runtime: Runtime,
}

impl Relay {
    pub(crate) fn start(kind: Kind, target: SocketAddr) -> Self {
        Self::listen(kind, None, target)
    }

    /// The same behind TLS, with a certificate by `authority`.
    pub(crate) fn encrypted(kind: Kind, authority: &Authority, target: SocketAddr) -> Self {
        Self::listen(kind, Some(acceptor(authority)), target)
    }

    fn listen(kind: Kind, tls: Option<TlsAcceptor>, target: SocketAddr) -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let relaying = Relaying { kind, target, asked: Arc::clone(&asked) };
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (relaying, tls) = (relaying.clone(), tls.clone());
                tokio::spawn(async move {
                    // Clients leave as they like, those among them that do not trust the certificate.
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
        Self { address, asked, _runtime: runtime }
    }

    /// How it was asked so far, once for each connection.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
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
    asked: Arc<Mutex<Vec<String>>>,
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
                self.asked.lock().unwrap().push(head);
            }
            Kind::Socks5 => {
                let asked = greet(&mut client).await?;
                self.asked.lock().unwrap().push(asked);
            }
        }
        copy_bidirectional(&mut client, &mut target).await?;
        Ok(())
    }
}

/// The head of an HTTP request, and nothing of what follows.
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
    let methods = counted(client).await?;
    let mut who = String::new();
    if methods.contains(&PASSWORD) {
        client.write_all(&[5, PASSWORD]).await?;
        assert_eq!(client.read_u8().await?, 1, "the version of the password's message");
        let (name, password) = (counted(client).await?, counted(client).await?);
        who = format!("{}:{}@", String::from_utf8(name).unwrap(), String::from_utf8(password).unwrap());
        client.write_all(&[1, 0]).await?;
    } else {
        client.write_all(&[5, 0]).await?;
    }
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    assert_eq!(request[..3], [5, 1, 0], "the wish for a connection");
    let host = match request[3] {
        1 => std::net::Ipv4Addr::from(client.read_u32().await?).to_string(),
        3 => String::from_utf8(counted(client).await?).unwrap(),
        kind => panic!("an address of kind {kind}"),
    };
    let port = client.read_u16().await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    Ok(format!("{who}{host}:{port}"))
}

/// Bytes after their count.
async fn counted(client: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}
