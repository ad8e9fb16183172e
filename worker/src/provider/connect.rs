//! Makes connections to a provider: directly or through the proxy that the environment names, in the clear or with TLS.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::crypto::ring;
use tokio::net::TcpStream;
use tower_service::Service;

/// Makes connections to a provider.
pub(super) type Connector = HttpsConnector<Route>;

/// How long a connection may be silent before the other side is asked whether it is there, in between and how often;
/// a middle box that forgets a connection in mid-call is noticed so.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_PROBES: u32 = 3;

/// A connector for calls to `address`; a connection takes at most `within`.
pub(super) fn connector(address: &Uri, within: Duration) -> Result<Connector, rustls::Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(within));
    tcp.set_keepalive(Some(KEEP_ALIVE));
    tcp.set_keepalive_interval(Some(KEEP_ALIVE));
    tcp.set_keepalive_retries(Some(KEEP_ALIVE_PROBES));
    let proxies = if is_this_machine(address) { Matcher::builder().build() } else { Matcher::from_env() };
    let route = Route { tcp, proxies: Arc::new(proxies) };
    // One connection for each call in flight: a shared HTTP/2 connection would cap them at the server's limit of streams,
    // often 100, without a word.
    Ok(HttpsConnectorBuilder::new().with_tls_config(tls(address)?).https_or_http().enable_http1().wrap_connector(route))
}

fn tls(address: &Uri) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?;
    let config = if address.scheme_str() == Some("https") {
        builder.try_with_platform_verifier()?
    } else {
        // Never used; a bare container has no root certificates to look for.
        builder.with_root_certificates(rustls::RootCertStore::empty())
    };
    Ok(config.with_no_client_auth())
}

fn is_this_machine(address: &Uri) -> bool {
    address.host().is_some_and(|host| matches!(host, "localhost" | "[::1]") || host.starts_with("127."))
}

/// The way to an address: directly, or through a proxy.
#[derive(Debug, Clone)]
pub(super) struct Route {
    tcp: HttpConnector,
    proxies: Arc<Matcher>,
}

impl Service<Uri> for Route {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_ready(context).map_err(io::Error::other)
    }

    fn call(&mut self, address: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.intercept(&address) else {
            let connecting = self.tcp.call(address);
            return Box::pin(async move { connecting.await.map_err(innermost) });
        };
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.tcp.clone());
        if let Some(name_and_password) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(name_and_password.clone());
        }
        let connecting = tunnel.call(with_port(&address));
        Box::pin(async move { connecting.await.map_err(|error| io::Error::other(format!("the proxy: {error}"))) })
    }
}

/// The address with its port: a tunnel takes one without for TLS's.
fn with_port(address: &Uri) -> Uri {
    let plain = address.scheme_str() == Some("http") && address.port().is_none();
    let authority = address.host().filter(|_| plain).map(|host| format!("{host}:80"));
    let ported = authority.and_then(|authority| {
        let mut parts = address.clone().into_parts();
        parts.authority = Some(authority.parse().ok()?);
        Uri::from_parts(parts).ok()
    });
    ported.unwrap_or_else(|| address.clone())
}

/// The error of the operating system where there is one: it says whether time ran out.
fn innermost(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    let mut cause: &(dyn std::error::Error + 'static) = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let kind = cause.downcast_ref::<io::Error>().map_or(io::ErrorKind::Other, io::Error::kind);
    io::Error::new(kind, cause.to_string())
}
