use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Error;

/// Whose word about servers is taken: for LDAPS and HTTPS, not for mail.
#[derive(Clone)]
pub struct TlsRoots(Arc<ClientConfig>);

impl TlsRoots {
    /// From a PEM file, such as `/etc/ssl/certs/ca-certificates.crt`. What cannot be read in it is passed over.
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let because = |because: String| Error::Malformed { what: "roots for TLS", because };
        let found = CertificateDer::pem_file_iter(path).map_err(|error| because(error.to_string()))?;
        Self::of(found.filter_map(Result::ok)).map_err(because)
    }

    /// From DER.
    pub fn from_der(roots: &[Vec<u8>]) -> Result<Self, Error> {
        let because = |because: String| Error::Malformed { what: "roots for TLS", because };
        Self::of(roots.iter().map(|root| CertificateDer::from(root.clone()))).map_err(because)
    }

    fn of(roots: impl Iterator<Item = CertificateDer<'static>>) -> Result<Self, String> {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(roots);
        if store.is_empty() {
            return Err("there is none".into());
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// CASES T-123: the server's certificate is verified, always.
    pub(crate) async fn connect(&self, host: &str, stream: TcpStream) -> Result<TlsStream<TcpStream>, Error> {
        let because = |because: String| Error::Unreachable { host: host.to_owned(), because };
        let plain = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(plain).map_err(|error| because(error.to_string()))?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await.map_err(|error| because(error.to_string()))
    }
}

impl std::fmt::Debug for TlsRoots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsRoots")
    }
}
