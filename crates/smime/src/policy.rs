use std::fmt::Debug;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use asn1::Time;
use pki::{Certificate, CertificateList, OcspResponse, PathCache, Revocation, TrustAnchors};

/// What is known about revocation besides what a message brings: a store that the caller keeps. Nothing is fetched here.
pub trait Revocations: Debug + Send + Sync {
    /// What is at hand about a signer's certificate and the certificates that came with it.
    ///
    /// # Errors
    /// When the store cannot be asked: the message is then not judged at all.
    fn about(&self, signer: &Certificate, others: &[Certificate]) -> io::Result<RevocationMaterial>;
}

/// Revocation lists and OCSP responses at hand.
#[derive(Debug, Clone, Default)]
pub struct RevocationMaterial {
    /// Lists.
    pub crls: Vec<CertificateList>,
    /// OCSP responses.
    pub ocsp: Vec<OcspResponse>,
    /// Whether the certificate itself is known to be revoked, whatever lists say today.
    pub revoked: bool,
}

/// What is trusted, when, and how much work a message may make. A value: nothing here reads a clock or a file.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The roots that are trusted for email.
    pub anchors: Arc<TrustAnchors>,
    /// The moment to judge by: when the message was received, never what it claims (CASES S-26).
    pub at: Time,
    /// Whether certificates must be known not to be revoked.
    pub revocation: Revocation,
    /// More certificates that may be part of a chain, or a signer's own.
    pub certificates: Vec<Certificate>,
    /// Revocation lists.
    pub crls: Vec<CertificateList>,
    /// More of them, by certificate.
    pub revocations: Option<Arc<dyn Revocations>>,
    /// Remembers signatures on certificates across messages.
    pub cache: Option<Arc<PathCache>>,
    /// Bounds.
    pub limits: Limits,
}

impl Policy {
    /// Trusting `anchors` at a moment; revocation is checked where there is something to check it with.
    pub fn new(anchors: impl Into<Arc<TrustAnchors>>, at: Time, limits: Limits) -> Self {
        Self {
            anchors: anchors.into(),
            at,
            revocation: Revocation::IfAvailable,
            certificates: Vec::new(),
            crls: Vec::new(),
            revocations: None,
            cache: None,
            limits,
        }
    }
}

/// Bounds on a message (CASES N-24).
#[derive(Debug, Clone)]
pub struct Limits {
    /// Cryptographic layers inside each other (CASES S-10).
    pub layers: usize,
    /// MIME structure.
    pub mime: mime::Limits,
    /// Octets of a detached signature.
    pub signature: u64,
    /// Where content waits that may not be shown yet.
    pub spool: cms::SpoolLimits,
}

impl Limits {
    /// Ten layers, and the limits of [`mime::Limits`] and [`cms::SpoolLimits`]; large content waits, encrypted, in
    /// unlinked files in `folder`.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self {
            layers: 10,
            mime: mime::Limits::default(),
            signature: 16 << 20,
            spool: cms::SpoolLimits::in_folder(folder),
        }
    }
}
