//! Which certificates a provider is trusted with: the system's, or those of `SSL_CERT_FILE`, and the model's `ca_file`.

use std::path::Path;

use reqwest::Certificate;
use valuesim_shared::model::ModelSettings;

/// The variable whose file replaces the system's certificates, as OpenSSL has it.
const SYSTEM: &str = "SSL_CERT_FILE";

/// Why certificates cannot be trusted: the file, or else the machine's, and what is wrong.
#[derive(Debug, thiserror::Error)]
#[error("cannot trust {0}: {1}; expected a file of certificates in PEM")]
pub(super) struct TrustError(String, String);

impl TrustError {
    /// Certificates that were read, and that the encryption refuses.
    pub(super) fn unusable(model: &ModelSettings, reason: String) -> Self {
        let machine = || format!("this machine's root certificates (package ca-certificates, or {SYSTEM})");
        Self(model.ca_file.as_deref().map_or_else(machine, named), reason)
    }
}

fn named(ca_file: &Path) -> String {
    format!("the ca_file {}", ca_file.display())
}

/// The certificates that are trusted in addition to the system's. A file that is named and cannot be read is an error:
/// calls would otherwise fail one by one, for a reason that nobody sees.
pub(super) fn extra_certificates(model: &ModelSettings, encrypted: bool) -> Result<Vec<Certificate>, TrustError> {
    if let Some(file) = std::env::var_os(SYSTEM).filter(|_| encrypted) {
        let file = Path::new(&file);
        read(file).map_err(|reason| TrustError(format!("{SYSTEM} {}", file.display()), reason))?;
    }
    let Some(file) = &model.ca_file else { return Ok(Vec::new()) };
    read(file).map_err(|reason| TrustError(named(file), reason))
}

fn read(file: &Path) -> Result<Vec<Certificate>, String> {
    let text = std::fs::read(file).map_err(|error| format!("it cannot be read ({error})"))?;
    match Certificate::from_pem_bundle(&text) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err("it has no certificate".to_owned()),
        Err(_) => Err("its certificates are damaged".to_owned()),
    }
}
