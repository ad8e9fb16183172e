//! The address of a server, and the part of it that may be shown.

use std::fmt;
use std::str::FromStr;

use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo, TlsCertificates};

use super::RedisConnectionError;
use crate::server_address;

/// What is said of an address of Sentinels.
const SENTINEL: &str = "it is that of a Sentinel, which is not asked: give the address of the primary (`redis-cli -p 26379 \
                        sentinel get-master-addr-by-name mymaster`), or of a proxy or name that follows it";

/// The address of a Redis or Valkey server: `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, `rediss://` for TLS.
///
/// Shown without user and password.
#[derive(Clone)]
pub struct Address {
    pub(super) client: Client,
    shown: String,
}

impl Address {
    /// The same address, trusting the certificates in a PEM text instead of the system's.
    pub fn trusting(self, certificates: Vec<u8>) -> Result<Self, RedisConnectionError> {
        let info = self.client.get_connection_info().clone();
        let trusted = TlsCertificates { client_tls: None, root_cert: Some(certificates) };
        let client = Client::build_with_tls(info, trusted).map_err(|error| RedisConnectionError::Address {
            reason: format!("use the certificates for TLS: {error}"),
        })?;
        Ok(Self { client, ..self })
    }

    /// The same server without user, password and database, none of which a Sentinel knows.
    pub(super) fn without_login(&self) -> Self {
        let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
        let info = self.client.get_connection_info().clone().set_redis_settings(settings);
        // Certificates of one's own are left out: then nothing is found out.
        Client::open(info).map_or_else(|_| self.clone(), |client| Self { client, shown: self.shown.clone() })
    }

    /// Whether the connection is encrypted.
    pub fn has_tls(&self) -> bool {
        matches!(self.client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. })
    }
}

impl FromStr for Address {
    type Err = RedisConnectionError;

    fn from_str(text: &str) -> Result<Self, RedisConnectionError> {
        // The library's message may repeat the text, and there may be a password in it.
        let no_url = |_| RedisConnectionError::Address { reason: "it cannot be parsed".to_owned() };
        let text = text.trim();
        check(text).map_err(|reason| RedisConnectionError::Address { reason })?;
        let info: ConnectionInfo = text.into_connection_info().map_err(no_url)?;
        install_cryptography();
        // Without this, each of many small requests could wait for the answer to the previous one.
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        // Proxies and users with few rights know no CLIENT.
        let settings = info.redis_settings().clone().set_skip_set_lib_name();
        let info = info.set_redis_settings(settings);
        let shown = shown(&info);
        let client = Client::open(info).map_err(|error| RedisConnectionError::Address { reason: error.to_string() })?;
        Ok(Self { client, shown })
    }
}

/// Checks what the library would not, or would say in words that repeat the address.
fn check(address: &str) -> Result<(), String> {
    let scheme = address.split_once("://").map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    if scheme.contains("sentinel") {
        return Err(SENTINEL.to_owned());
    }
    // The address of a socket has no host.
    let is_of_a_socket = scheme == "unix" || scheme.ends_with("+unix");
    if is_of_a_socket { Ok(()) } else { server_address::check(address).map_err(|fault| fault.to_string()) }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn shown(info: &ConnectionInfo) -> String {
    let scheme = match info.addr() {
        ConnectionAddr::TcpTls { .. } => "rediss",
        ConnectionAddr::Unix(_) => "redis+unix",
        _ => "redis",
    };
    match info.redis_settings().db() {
        0 => format!("{scheme}://{}", info.addr()),
        database => format!("{scheme}://{}/{database}", info.addr()),
    }
}

/// rustls has no default provider in this build. The first caller in the process installs one, and all install the same.
fn install_cryptography() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, shown: &str) {
        assert_eq!(text.parse::<Address>().expect("is an address").to_string(), shown);
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        check("redis://127.0.0.1:6379", "redis://127.0.0.1:6379");
        check(" redis://127.0.0.1/3\n", "redis://127.0.0.1:6379/3");
        check("redis://:s3cret@store.example:7000/0", "redis://store.example:7000");
        check("rediss://me:s3cret@store.example", "rediss://store.example:6379");
        let address: Address = "redis://me:s3cret@store.example".parse().expect("is an address");
        assert!(!format!("{address:?}").contains("s3cret"));
    }

    #[test]
    fn what_is_no_address_is_said_without_repeating_it() {
        for text in ["", "s3cret", "http://s3cret@store", "redis://s3cret:@@:x/", "redis://me:s3cret@host/notanumber"] {
            let said = text.parse::<Address>().expect_err("is no address").to_string();
            assert!(said.contains("expected redis://") && !said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn the_address_of_sentinels_is_named_as_such() {
        let said =
            "redis+sentinel://me:s3cret@h:26379/mymaster".parse::<Address>().expect_err("is no server").to_string();
        assert!(said.contains("it is that of a Sentinel") && said.contains("the primary"), "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}
