use super::Path;
use crate::Certificate;

/// Somewhere on the network that says whether a certificate was revoked.
///
/// Nothing here asks. Whoever does takes the sources of a [`Path`]: one that ends in a trusted anchor, so that no
/// stranger's certificate makes anybody contact an address of the stranger's choice (CASES T-121).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RevocationSource {
    /// What is found there.
    pub kind: RevocationSourceKind,
    /// Where, over HTTP.
    pub uri: String,
    /// Names what is found there: two certificates share a CRL, never an OCSP answer.
    pub key: String,
}

/// What is found at a [`RevocationSource`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationSourceKind {
    /// A CRL, complete or delta.
    Crl,
    /// An OCSP responder.
    Ocsp,
}

impl RevocationSource {
    /// The sources that a certificate names for itself: OCSP first, which is the smaller answer.
    pub fn of(certificate: &Certificate) -> Vec<Self> {
        let answer = format!("ocsp:{}", certificate.sha256().to_hex());
        let ocsp = certificate.ocsp_uris().map(|uri| Self {
            kind: RevocationSourceKind::Ocsp,
            uri: uri.to_owned(),
            key: answer.clone(),
        });
        let lists = certificate.crl_uris().chain(certificate.delta_crl_uris()).map(|uri| Self {
            kind: RevocationSourceKind::Crl,
            uri: uri.to_owned(),
            key: format!("crl:{uri}"),
        });
        let mut sources: Vec<Self> = Vec::new();
        for source in ocsp.chain(lists) {
            if sources.len() < MOST && !sources.contains(&source) {
                sources.push(source);
            }
        }
        sources
    }
}

/// CASES N-24
const MOST: usize = 10;

impl Path {
    /// Where to ask about each certificate below the anchor: its index in [`Path::certificates`], and the source. The
    /// issuer is the next one.
    pub fn revocation_sources(&self) -> Vec<(usize, RevocationSource)> {
        let below = self.certificates().len().saturating_sub(1);
        let of =
            |(index, certificate)| RevocationSource::of(certificate).into_iter().map(move |source| (index, source));
        self.certificates().iter().take(below).enumerate().flat_map(of).take(2 * MOST).collect()
    }
}
