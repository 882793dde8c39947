use std::sync::Arc;

use asn1::{Oid, Time};
use cms::RecipientInfo;
use pki::{Certificate, RevocationStatus};

/// One cryptographic layer, outermost first.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LayerReport {
    /// Signed by one or more.
    Signed(SignedReport),
    /// Encrypted.
    Encrypted(EncryptedReport),
    /// Compressed, which protects nothing.
    Compressed,
}

/// A signed layer.
#[derive(Debug, Clone, Default)]
pub struct SignedReport {
    /// Each signer by itself.
    pub signers: Vec<SignerVerdict>,
    /// The certificates that came along; they prove nothing.
    pub certificates: Vec<Certificate>,
    /// Whether lines ended with a bare LF and were completed for the digest.
    pub bare_line_feeds: bool,
    /// The type of what was signed: `id-data` for mail.
    pub content_type: Option<Oid>,
}

/// An encrypted layer.
#[derive(Debug, Clone, Default)]
pub struct EncryptedReport {
    pub(crate) recipients: Option<Arc<[RecipientInfo]>>,
    /// The content cipher's name.
    pub cipher: String,
    /// Whether a tag protected the content.
    pub authenticated: bool,
    /// Whether one of our keys opened it.
    pub opened: bool,
    /// The certificate of that key.
    pub opened_by: Option<Certificate>,
}

impl EncryptedReport {
    /// Whom it is encrypted to, as the message names them, and how.
    pub fn recipients(&self) -> Vec<String> {
        let infos = self.recipients.iter().flat_map(|infos| infos.iter());
        infos
            .flat_map(|info| {
                let algorithm = info.algorithm();
                let named: Vec<String> = match info.recipients() {
                    [] => vec![algorithm],
                    named => named.iter().map(|named| format!("{} by {algorithm}", named.describe())).collect(),
                };
                named
            })
            .collect()
    }
}

/// The result of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// It held.
    Pass,
    /// It did not.
    Fail,
    /// It was not made, because an earlier one failed or nobody asked.
    Unchecked,
}

impl Check {
    /// `pass`, `fail`, `unchecked`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unchecked => "unchecked",
        }
    }
}

/// How far one signer got, and why it stopped.
#[derive(Debug, Clone)]
pub struct SignerVerdict {
    /// The subject of the certificate, or how the message names the signer when there is none.
    pub subject: String,
    /// The addresses in the certificate.
    pub addresses: Vec<String>,
    /// The certificate.
    pub certificate: Option<Certificate>,
    /// The signature algorithm.
    pub algorithm: String,
    /// The digest.
    pub digest: String,
    /// When the signer claims to have signed.
    pub signing_time: Option<Time>,
    /// Whether the signature covers the content.
    pub integrity: Check,
    /// Whether the certificate leads to a trusted root.
    pub path: Check,
    /// Whether it was revoked.
    pub revocation: RevocationStatus,
    /// Whether one of its addresses is the sender's.
    pub address: Check,
    /// Why it stopped, in words.
    pub reason: Option<String>,
    /// Those who signed this signature, which is extra information and decides nothing (CASES S-46).
    pub countersigners: Vec<Countersigner>,
    /// See [`Self::awaits_revocation`].
    pub(crate) awaits_revocation: bool,
    /// The attribute's value of SMIMECapabilities; a claim until the signer is accepted.
    pub(crate) capabilities: Option<Vec<u8>>,
}

/// Somebody who signed another's signature (RFC 5652 §11.4). Whether to trust them is not asked.
#[derive(Debug, Clone)]
pub struct Countersigner {
    /// The subject of the certificate, or how the message names the countersigner when there is none.
    pub subject: String,
    /// The certificate.
    pub certificate: Option<Certificate>,
    /// When they claim to have signed.
    pub signing_time: Option<Time>,
    /// Whether their signature covers the signature.
    pub integrity: Check,
}

impl SignerVerdict {
    /// What the signer's program can do, by its signed word.
    pub fn capabilities(&self) -> Option<crate::Capabilities> {
        let intact = self.integrity == Check::Pass && self.path == Check::Pass;
        self.capabilities.as_deref().filter(|_| intact).and_then(crate::Capabilities::from_der)
    }

    /// Whether the path is good but for one thing: it must be known whether its certificates were revoked, and that is
    /// not known, or not yet.
    pub fn awaits_revocation(&self) -> bool {
        self.awaits_revocation
    }

    pub(crate) fn passes_without_address(&self) -> bool {
        self.integrity == Check::Pass && self.path == Check::Pass
    }
}
