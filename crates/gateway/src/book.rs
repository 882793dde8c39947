use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;

use asn1::Time;
use pki::{Certificate, Credential, EmailAddress, TrustAnchors};

/// What the gateway asks and tells about people, keys and deliveries: the directory and the key ring, as it sees them.
///
/// Whatever cannot be answered now is [`Unavailable`], and the mail is held: no answer is never taken for "nobody has
/// a certificate" (CASES T-88).
pub trait Book: Send + Sync + 'static {
    /// The time to judge by.
    fn now(&self) -> Time;

    /// Whether an address is in one of our domains.
    fn is_inside(&self, address: &EmailAddress) -> bool;

    /// The roots that are trusted for mail.
    fn anchors(&self) -> impl Future<Output = Result<Arc<TrustAnchors>, Unavailable>> + Send;

    /// Active certificates to encrypt to, each with the capabilities that its holder's program has, in DER.
    fn certificates(&self, address: &EmailAddress) -> impl Future<Output = Result<Certificates, Unavailable>> + Send;

    /// What an employee signs with.
    fn signing(&self, address: &EmailAddress) -> impl Future<Output = Result<Option<Credential>, Unavailable>> + Send;

    /// What an employee's mail is decrypted with, retired keys included.
    fn decryption(&self, address: &EmailAddress) -> impl Future<Output = Result<Vec<Credential>, Unavailable>> + Send;

    /// Who has a message already, of an attempt that did not reach everybody.
    fn delivered(&self, message: &MessageKey) -> impl Future<Output = Result<HashSet<String>, Unavailable>> + Send;

    /// Notes that the next hop took a message for a recipient.
    fn record_delivery(
        &self,
        message: &MessageKey,
        recipient: &EmailAddress,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// A signature was accepted: its certificate is a candidate for this address, and no more than that (CASES T-60).
    fn learn(
        &self,
        address: &EmailAddress,
        certificate: &Certificate,
        capabilities: Option<&[u8]>,
        signed: Option<Time>,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;
}

/// Certificates with their holders' capabilities in DER.
pub type Certificates = Vec<(Certificate, Option<Vec<u8>>)>;

/// Names an envelope with its content: the same again is a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageKey(pub [u8; 32]);

/// The directory or the keys cannot be asked now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// What it said, for the log.
    pub because: String,
}
