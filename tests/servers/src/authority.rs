//! Certificates for servers on this machine, by an authority that nobody else trusts.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::{ServerError, file};

/// What the servers are called; the last one is reached through a proxy alone.
const NAMES: [&str; 3] = ["127.0.0.1", "localhost", "provider.test"];

/// An authority with one certificate for all servers of a test. Its files go when it is dropped.
pub struct Authority {
    folder: TempDir,
}

impl Authority {
    /// Makes the authority, and a certificate by it.
    pub fn new() -> Result<Self, ServerError> {
        let folder = tempfile::tempdir().map_err(ServerError::io("make a folder for certificates"))?;
        let authority = Self { folder };
        authority.certify().map_err(|error| ServerError::Refused {
            request: "a certificate".to_owned(),
            answer: error.to_string(),
        })??;
        Ok(authority)
    }

    fn certify(&self) -> Result<Result<(), ServerError>, rcgen::Error> {
        let mut about = CertificateParams::new(Vec::new())?;
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        about.distinguished_name.push(DnType::CommonName, "tests of valuesim");
        let key = KeyPair::generate()?;
        let own = about.self_signed(&key)?;
        let server_key = KeyPair::generate()?;
        let server =
            CertificateParams::new(NAMES.map(str::to_owned))?.signed_by(&server_key, &Issuer::new(about, key))?;
        let files =
            [(self.file(), own.pem()), (self.certificate(), server.pem()), (self.key(), server_key.serialize_pem())];
        Ok(files.iter().try_for_each(|(path, text)| file::write(path, text)))
    }

    /// The file that clients are to trust.
    pub fn file(&self) -> PathBuf {
        self.path("authority.pem")
    }

    /// The file with the servers' certificate.
    pub fn certificate(&self) -> PathBuf {
        self.path("server.pem")
    }

    /// The file with its key.
    pub fn key(&self) -> PathBuf {
        self.path("server-key.pem")
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.folder.path(), name)
    }
}
