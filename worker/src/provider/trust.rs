//! The certificates that are trusted: the system's, or those in `SSL_CERT_FILE`, and those in a `ca_file`.

use std::path::Path;

use reqwest::Certificate;

/// The variable, known from OpenSSL, that names a file to use in place of the system's certificates.
const SYSTEM: &str = "SSL_CERT_FILE";

/// Why certificates cannot be used: their origin, and what is wrong with them.
#[derive(Debug, thiserror::Error)]
#[error("cannot trust {0}: {1}; expected a file of certificates in PEM")]
pub(super) struct TrustError(String, String);

impl TrustError {
    /// The error for certificates that were read but that the TLS library rejects.
    pub(super) fn unusable(ca_file: Option<&Path>, reason: String) -> Self {
        let machine = || format!("this machine's root certificates (package ca-certificates, or {SYSTEM})");
        Self(ca_file.map_or_else(machine, named), reason)
    }
}

fn named(ca_file: &Path) -> String {
    format!("the ca_file {}", ca_file.display())
}

/// The certificates to trust in addition to the system's. A file that is named but cannot be read is an error, because
/// calls would otherwise fail one by one for no visible reason.
pub(super) fn extra_certificates(ca_file: Option<&Path>, encrypted: bool) -> Result<Vec<Certificate>, TrustError> {
    if let Some(file) = std::env::var_os(SYSTEM).filter(|_| encrypted) {
        let file = Path::new(&file);
        read(file).map_err(|reason| TrustError(format!("{SYSTEM} {}", file.display()), reason))?;
    }
    let Some(file) = ca_file else { return Ok(Vec::new()) };
    read(file).map_err(|reason| TrustError(named(file), reason))
}

fn read(file: &Path) -> Result<Vec<Certificate>, String> {
    let text = std::fs::read(file).map_err(|error| format!("it cannot be read ({error})"))?;
    match Certificate::from_pem_bundle(&text) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err("it contains no certificate".to_owned()),
        Err(_) => Err("its certificates are damaged".to_owned()),
    }
}
