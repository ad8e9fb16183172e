//! The address of the broker, and the credentials in it. The password leaves this file only on its way to the broker.

use std::path::PathBuf;
use std::time::Duration;

use lapin::tcp::OwnedTLSConfig;
use lapin::uri::AMQPUri;
use secrecy::{ExposeSecret as _, SecretString};

use crate::queue::QueueError;
use crate::server_address;

/// Seconds between heartbeats on an idle connection. A peer that is silent for twice as long counts as gone.
const HEARTBEAT_SECONDS: u16 = 10;

/// The largest frame, in bytes. The client keeps buffers of 64 frames for each connection, 8 MB with RabbitMQ's own 128 KiB;
/// a task fits into one of these, and so does an outcome without transcripts.
const FRAME_MAX: u32 = 16 * 1024;

/// How long to try to connect at first, by default.
const PATIENCE: Duration = Duration::from_secs(15);

/// What an address looks like.
const EXPECTED: &str = "amqp://user:password@host:port/vhost, or amqps:// for TLS";

/// The line that begins a certificate in a PEM file.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

/// How to reach a broker.
#[derive(Debug, Clone)]
pub struct RabbitSettings {
    /// `amqp://user:password@host:port/vhost`, or `amqps://` for TLS. Without a path, or with `/` alone, the virtual
    /// host is `/`.
    pub url: SecretString,
    /// What RabbitMQ's management shows: "valuesim worker 4711".
    pub connection_name: String,
    /// A file with certificates (PEM) to trust beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// How long to try to connect at first.
    pub patience: Duration,
}

impl RabbitSettings {
    /// Settings for the broker at `url`, on connections named `connection_name`.
    pub fn new(url: SecretString, connection_name: impl Into<String>) -> Self {
        Self { url, connection_name: connection_name.into(), ca_file: None, patience: PATIENCE }
    }

    /// The address without user and password, to show it. Fails if the address cannot be parsed.
    pub fn shown(&self) -> Result<String, QueueError> {
        Ok(shown(&parse(self.url.expose_secret())?))
    }

    /// Fails if the certificate file cannot be read or contains no certificate.
    pub fn check_certificates(&self) -> Result<(), QueueError> {
        self.certificates().map(drop)
    }

    fn certificates(&self) -> Result<Option<String>, QueueError> {
        let Some(file) = &self.ca_file else { return Ok(None) };
        let unusable = |reason: &str| QueueError::Address(format!("certificate file {}: {reason}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|error| unusable(&error.to_string()))?;
        if !text.contains(CERTIFICATE) {
            return Err(unusable("expected at least one certificate in PEM format; found none in PEM format"));
        }
        Ok(Some(text))
    }
}

/// A parsed address of a broker.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) uri: AMQPUri,
    pub(super) tls: OwnedTLSConfig,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Address {
    pub(super) fn read(settings: &RabbitSettings) -> Result<Self, QueueError> {
        let uri = parse(settings.url.expose_secret())?;
        Ok(Self { uri, tls: OwnedTLSConfig { identity: None, cert_chain: settings.certificates()? } })
    }

    /// The address without user and password: who leaves out the user may have put the password in its place.
    pub(super) fn shown(&self) -> String {
        shown(&self.uri)
    }
}

fn shown(AMQPUri { scheme, authority, vhost, .. }: &AMQPUri) -> String {
    let host = if authority.host.contains(':') { format!("[{}]", authority.host) } else { authority.host.clone() };
    let path = if vhost == "/" { String::new() } else { format!("/{vhost}") };
    format!("{scheme}://{host}:{}{path}", authority.port)
}

fn parse(url: &str) -> Result<AMQPUri, QueueError> {
    let unusable = |fault: String| QueueError::Address(format!("{fault}; expected {EXPECTED}"));
    let url = url.trim();
    server_address::check(url).map_err(|fault| unusable(fault.to_string()))?;
    // The parser's own message may contain the whole address, and so the password.
    let mut uri: AMQPUri = url.parse().map_err(|_| unusable("it cannot be parsed".to_owned()))?;
    if let Some(host) = bracketed_host(url) {
        // The parser replaces a numeric IPv6 address with localhost.
        host.clone_into(&mut uri.authority.host);
    }
    if uri.vhost.is_empty() {
        "/".clone_into(&mut uri.vhost);
    }
    uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
    uri.query.frame_max.get_or_insert(FRAME_MAX);
    Ok(uri)
}

fn bracketed_host(url: &str) -> Option<&str> {
    let authority = url.split("://").nth(1)?.split('/').next()?;
    let host = authority.rsplit('@').next()?;
    Some(host.strip_prefix('[')?.split_once(']')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: &str) {
        let uri = parse(url).expect("readable");
        assert_eq!(Address { uri, tls: OwnedTLSConfig::default() }.shown(), expected);
    }

    #[test]
    fn addresses_are_shown_without_the_password() {
        check("amqp://127.0.0.1", "amqp://127.0.0.1:5672");
        check("amqp://me:secret@rabbit.example:5673/runs", "amqp://rabbit.example:5673/runs");
        check("amqps://me:secret@rabbit.example/%2f", "amqps://rabbit.example:5671");
        check("amqp://me:secret@rabbit.example/", "amqp://rabbit.example:5672");
        check("amqp://me:se%40cret@[::1]:5673/a%2Fb", "amqp://[::1]:5673/a/b");
    }

    #[test]
    fn a_password_with_signs_of_its_own_is_read_whole() {
        let password = |url| parse(url).expect("readable").authority.userinfo.password;
        assert_eq!(password("amqp://me:a@b@h"), "a@b");
        assert_eq!(password("amqp://me:%2Fa%23b%25@h"), "/a#b%");
    }

    #[test]
    fn an_unreadable_address_is_not_repeated() {
        for url in ["rabbit.example", "http://me:secret@host", "amqp://me:secret@host:port", ""] {
            let error = parse(url).expect_err("unreadable").to_string();
            assert!(error.contains("amqp://user:password@host") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_missing_certificate_file_is_named() {
        let url = SecretString::from("amqps://localhost".to_owned());
        let settings = RabbitSettings { ca_file: Some("/nowhere/ca.pem".into()), ..RabbitSettings::new(url, "test") };
        let error = Address::read(&settings).expect_err("no such file").to_string();
        assert!(error.contains("/nowhere/ca.pem"), "{error}");
        assert_eq!(settings.check_certificates().map_err(|error| error.to_string()), Err(error));
    }

    #[test]
    fn a_file_without_certificates_is_named() {
        let url = SecretString::from("amqps://localhost".to_owned());
        let this_file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let settings = RabbitSettings { ca_file: Some(this_file.into()), ..RabbitSettings::new(url, "test") };
        let error = settings.check_certificates().expect_err("no certificates").to_string();
        assert!(error.contains(this_file) && error.contains("none in PEM format"), "{error}");
    }
}
