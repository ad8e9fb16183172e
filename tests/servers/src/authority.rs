//! A private certificate authority for servers on this machine.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::{ServerError, file};

/// The servers' names; the last one is only reachable through a proxy.
const NAMES: [&str; 3] = ["127.0.0.1", "localhost", "provider.test"];

/// An authority with one certificate for all servers of a test. Dropping it deletes its files.
pub struct Authority {
    folder: TempDir,
}

impl Authority {
    /// Creates the authority and a server certificate.
    pub fn new() -> Result<Self, ServerError> {
        let folder = tempfile::tempdir().map_err(ServerError::io("make a folder for certificates"))?;
        let authority = Self { folder };
        authority.certify().map_err(|error| ServerError::Refused {
            request: "a certificate".to_owned(),
            answer: error.to_string(),
        })??;
        Ok(authority)
    }

    /// A server's certificate that is signed by itself, and says whether it is that of an authority, as `openssl req -x509` lets
    /// it say unless it is told otherwise.
    pub fn self_signed(is_ca: bool) -> Result<Self, ServerError> {
        let folder = tempfile::tempdir().map_err(ServerError::io("make a folder for certificates"))?;
        let authority = Self { folder };
        let refused = |error: rcgen::Error| ServerError::Refused {
            request: "a self-signed certificate".to_owned(),
            answer: error.to_string(),
        };
        let mut about = CertificateParams::new(NAMES.map(str::to_owned)).map_err(refused)?;
        about.is_ca = if is_ca { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
        let key = KeyPair::generate().map_err(refused)?;
        let own = about.self_signed(&key).map_err(refused)?.pem();
        let files =
            [(authority.file(), own.clone()), (authority.certificate(), own), (authority.key(), key.serialize_pem())];
        files.iter().try_for_each(|(path, text)| file::write(path, text))?;
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

    /// The authority's own certificate, which clients must trust.
    pub fn file(&self) -> PathBuf {
        self.path("authority.pem")
    }

    /// The servers' certificate.
    pub fn certificate(&self) -> PathBuf {
        self.path("server.pem")
    }

    /// The certificate's key.
    pub fn key(&self) -> PathBuf {
        self.path("server-key.pem")
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.folder.path(), name)
    }
}
