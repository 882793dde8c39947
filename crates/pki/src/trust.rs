use std::collections::HashMap;

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
    anchors: Vec<Certificate>,
    by_subject: HashMap<Vec<u8>, Vec<usize>>,
}

impl TrustAnchors {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// All certificates of a PEM bundle, a DER file, or bare base64.
    pub fn all_from(bytes: &[u8]) -> Result<Self, Error> {
        Ok(Certificate::all_from(bytes)?.into_iter().collect())
    }

    /// Trusts one more. Adding the same certificate again changes nothing.
    pub fn add(&mut self, anchor: Certificate) {
        if self.contains(&anchor) {
            return;
        }
        self.by_subject.entry(anchor.subject().canonical().to_vec()).or_default().push(self.anchors.len());
        self.anchors.push(anchor);
    }

    /// Whether exactly this certificate is among them.
    pub fn contains(&self, certificate: &Certificate) -> bool {
        self.with_subject(certificate.subject()).any(|anchor| anchor == certificate)
    }

    /// Those with this subject.
    pub(crate) fn with_subject(&self, name: &crate::Name) -> impl Iterator<Item = &Certificate> {
        let indices = self.by_subject.get(name.canonical()).map(Vec::as_slice).unwrap_or_default();
        indices.iter().filter_map(|&index| self.anchors.get(index))
    }

    /// All of them, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Certificate> {
        self.anchors.iter()
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
