use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::Error;

/// A listener's certificate and key, which can be read again without a restart.
#[derive(Debug)]
pub struct ServerTls {
    certificate: PathBuf,
    key: PathBuf,
    clients: Option<PathBuf>,
    client_names: Vec<ServerName<'static>>,
    config: RwLock<Arc<ServerConfig>>,
}

impl ServerTls {
    /// From PEM files.
    pub fn load(certificate: &Path, key: &Path) -> Result<Arc<Self>, Error> {
        Self::load_for(certificate, key, None, &[])
    }

    /// From PEM files. With roots for clients, only those connect who have a certificate below one of them, and with
    /// names for clients, only those whose certificate is for one of these.
    pub fn load_for(
        certificate: &Path,
        key: &Path,
        clients: Option<&Path>,
        client_names: &[String],
    ) -> Result<Arc<Self>, Error> {
        if clients.is_none() && !client_names.is_empty() {
            return Err(tls("names of clients say nothing without roots that their certificates are verified against"));
        }
        let config = RwLock::new(read(certificate, key, clients)?);
        let names = client_names.iter().map(|name| ServerName::try_from(name.clone()).map_err(tls));
        let (clients, client_names) = (clients.map(Path::to_owned), names.collect::<Result<_, _>>()?);
        Ok(Arc::new(Self { certificate: certificate.to_owned(), key: key.to_owned(), clients, client_names, config }))
    }

    /// Reads the files again. When they cannot be used, what was there stays (CASES R-11).
    pub fn reload(&self) -> Result<(), Error> {
        let config = read(&self.certificate, &self.key, self.clients.as_deref())?;
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(crate) async fn accept<S>(&self, stream: S) -> std::io::Result<TlsStream<S>>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let config = self.config.read().unwrap_or_else(PoisonError::into_inner).clone();
        let stream = TlsAcceptor::from(config).accept(stream).await?;
        let (_, connection) = stream.get_ref();
        // Verified against the roots already; what is left is whose certificate it is.
        let client = connection.peer_certificates().and_then(<[_]>::first);
        if !self.client_names.is_empty() && !client.is_some_and(|client| self.is_named(client)) {
            return Err(std::io::Error::new(
                std::io::ErrorKind::PermissionDenied,
                "the client's certificate is another's",
            ));
        }
        Ok(stream)
    }

    fn is_named(&self, client: &CertificateDer<'_>) -> bool {
        let Ok(client) = ParsedCertificate::try_from(client) else { return false };
        self.client_names.iter().any(|name| verify_server_name(&client, name).is_ok())
    }
}

fn read(certificate: &Path, key: &Path, clients: Option<&Path>) -> Result<Arc<ServerConfig>, Error> {
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| tls(format!("{}: {error}", key.display())))?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .with_client_cert_verifier(verifier(clients)?)
        .with_single_cert(chain, key)
        .map_err(tls)?;
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| tls(format!("{}: {error}", file.display())))
}

fn verifier(clients: Option<&Path>) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let Some(file) = clients else { return Ok(WebPkiClientVerifier::no_client_auth()) };
    let mut roots = RootCertStore::empty();
    for root in certificates(file)? {
        roots.add(root).map_err(tls)?;
    }
    // Without a root nobody could connect, and nobody would know why.
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().map_err(tls)
}

/// How to speak TLS to a next hop. Without roots any certificate will do: that is for *opportunistic*, which is
/// better than nothing and never taken for more.
pub fn client_config(roots: Option<&[Vec<u8>]>) -> Result<Arc<ClientConfig>, Error> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(tls)?;
    let config = match roots {
        Some(roots) => {
            let mut store = RootCertStore::empty();
            for root in roots {
                store.add(CertificateDer::from(root.clone())).map_err(tls)?;
            }
            builder.with_root_certificates(store).with_no_client_auth()
        }
        None => builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified)).with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn tls(error: impl ToString) -> Error {
    Error::Tls { because: error.to_string() }
}

/// RFC 7435: an encrypted connection to nobody in particular.
#[derive(Debug)]
struct Unverified;

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
