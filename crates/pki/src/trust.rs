mod bundle;

use std::collections::HashMap;

use asn1::Time;

use crate::{Certificate, Error};

/// The CAs whose word is taken, each as a certificate whose own limits hold too (RFC 5937).
///
/// ```
/// # fn roots() -> Result<pki::TrustAnchors, pki::Error> {
/// let pem = std::fs::read("roots.pem").unwrap_or_default();
/// pki::TrustAnchors::all_from(&pem)
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct TrustAnchors {
    anchors: Vec<Anchor>,
    by_subject: HashMap<Vec<u8>, Vec<usize>>,
}

#[derive(Debug, Clone)]
struct Anchor {
    certificate: Certificate,
    distrusted_after: Option<Time>,
}

impl TrustAnchors {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// All anchors of a file: a PEM bundle, a DER file, bare base64; or, of those that say for what they are
    /// trusted, the ones trusted for mail: `TRUSTED CERTIFICATE` blocks as OpenSSL writes them, and Mozilla's
    /// `certdata.txt`.
    pub fn all_from(bytes: &[u8]) -> Result<Self, Error> {
        bundle::parse(bytes)
    }

    /// Trusts one more. Adding the same certificate again changes nothing.
    pub fn add(&mut self, anchor: Certificate) {
        self.add_until(anchor, None);
    }

    /// Trusts one more, for certificates that it issued until `distrusted_after`, as root programs do with CAs
    /// that are on their way out.
    pub fn add_until(&mut self, anchor: Certificate, distrusted_after: Option<Time>) {
        if self.contains(&anchor) {
            return;
        }
        self.by_subject.entry(anchor.subject().canonical().to_vec()).or_default().push(self.anchors.len());
        self.anchors.push(Anchor { certificate: anchor, distrusted_after });
    }

    /// Trusts all that `others` trust too, as far as they do.
    pub fn merge(&mut self, others: &Self) {
        others.anchors.iter().for_each(|anchor| self.add_until(anchor.certificate.clone(), anchor.distrusted_after));
    }

    /// Whether exactly this certificate is among them.
    pub fn contains(&self, certificate: &Certificate) -> bool {
        self.with_subject(certificate.subject()).any(|anchor| anchor == certificate)
    }

    /// Those with this subject.
    pub(crate) fn with_subject(&self, name: &crate::Name) -> impl Iterator<Item = &Certificate> {
        let indices = self.by_subject.get(name.canonical()).map(Vec::as_slice).unwrap_or_default();
        indices.iter().filter_map(|&index| self.anchors.get(index)).map(|anchor| &anchor.certificate)
    }

    /// The time after which what `anchor` issues is no longer trusted.
    pub fn distrusted_after(&self, anchor: &Certificate) -> Option<Time> {
        self.anchors.iter().find(|known| known.certificate == *anchor)?.distrusted_after
    }

    /// All of them, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Certificate> {
        self.anchors.iter().map(|anchor| &anchor.certificate)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.anchors.len()
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }
}

impl Extend<Certificate> for TrustAnchors {
    fn extend<I: IntoIterator<Item = Certificate>>(&mut self, certificates: I) {
        certificates.into_iter().for_each(|certificate| self.add(certificate));
    }
}

impl FromIterator<Certificate> for TrustAnchors {
    fn from_iter<I: IntoIterator<Item = Certificate>>(certificates: I) -> Self {
        let mut anchors = Self::new();
        anchors.extend(certificates);
        anchors
    }
}
