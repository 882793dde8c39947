use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use asn1::Time;
use directory::Trace;
use pki::{Certificate, Credential, EmailAddress, Revocation, TrustAnchors};

use crate::facts::Facts;
use crate::inquiry::Answer;
use crate::smtp::Reply;

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

    /// Why certificates of this address that are known are not among them, in words.
    fn unusable(&self, address: &EmailAddress) -> impl Future<Output = Result<Vec<String>, Unavailable>> + Send {
        let _ = address;
        async { Ok(Vec::new()) }
    }

    /// The groups that somebody inside is in.
    fn groups(&self, address: &EmailAddress) -> impl Future<Output = Result<Vec<String>, Unavailable>> + Send {
        let _ = address;
        async { Ok(Vec::new()) }
    }

    /// Certificates of somebody to whom rules want mail encrypted as well: an escrow key of the house, for instance.
    fn house_certificates(
        &self,
        address: &EmailAddress,
    ) -> impl Future<Output = Result<Vec<Certificate>, Unavailable>> + Send {
        let _ = address;
        async { Ok(Vec::new()) }
    }

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

    /// Notes that nobody waits for a message any more: each recipient has it, or never will. After some minutes the same
    /// is another message, not a retry.
    fn finish_delivery(&self, message: &MessageKey) -> impl Future<Output = Result<(), Unavailable>> + Send {
        let _ = message;
        async { Ok(()) }
    }

    /// A signature was accepted: its certificate is a candidate for this address, and no more than that (CASES T-60).
    fn learn(
        &self,
        address: &EmailAddress,
        candidate: &Candidate,
    ) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// A message to somebody inside came encrypted to this certificate, and says that it is from `partner`.
    fn encrypted_to(
        &self,
        employee: &EmailAddress,
        certificate: &Certificate,
        partner: &EmailAddress,
    ) -> impl Future<Output = ()> + Send {
        let _ = (employee, certificate, partner);
        async {}
    }

    /// Somebody inside wrote to somebody outside, and the next hop has it.
    fn wrote(&self, employee: &EmailAddress, partner: &EmailAddress) -> impl Future<Output = ()> + Send {
        let _ = (employee, partner);
        async {}
    }

    /// Somebody inside writes to this address, and there is no certificate for it: others may have one. It holds nothing
    /// up.
    fn is_wanted(&self, address: &EmailAddress) {
        let _ = address;
    }

    /// A message came encrypted: what refers to it must not leave in the clear (CASES T-29, T-30).
    fn mark_confidential(&self, message_id: &str) -> impl Future<Output = Result<(), Unavailable>> + Send {
        let _ = message_id;
        async { Ok(()) }
    }

    /// Whether one of these messages came encrypted.
    fn is_confidential(&self, message_ids: &[String]) -> impl Future<Output = Result<bool, Unavailable>> + Send {
        let _ = message_ids;
        async { Ok(false) }
    }

    /// Keeps what was decided about a message, for those who ask later. It holds nothing up.
    fn trace(&self, traces: Vec<Trace>) {
        let _ = traces;
    }

    /// Whether somebody inside has this password.
    fn authenticate(
        &self,
        name: &str,
        password: &str,
        network: IpAddr,
    ) -> impl Future<Output = Result<bool, Reply>> + Send {
        let _ = (name, password, network);
        async { Ok(false) }
    }

    /// How much has to be known about revocation for a signature to be accepted.
    fn revocation(&self) -> Revocation {
        Revocation::IfAvailable
    }

    /// What else is known about revocation. It is asked from a thread that may wait.
    fn revocations(&self) -> Option<Arc<dyn smime::Revocations>> {
        None
    }

    /// Asks whether a signer's certificate was revoked, for a while: nothing was known, and it must be.
    fn ask_about(
        &self,
        signer: &Certificate,
        others: &[Certificate],
    ) -> impl Future<Output = Result<Answer, Unavailable>> + Send {
        let _ = (signer, others);
        async { Ok(Answer::Nothing) }
    }

    /// Whether there is a webmailer to put messages into.
    fn has_webmailer(&self) -> bool {
        false
    }

    /// Whether somebody outside can log in to the webmailer.
    fn reads_webmailer(&self, address: &EmailAddress) -> impl Future<Output = Result<bool, Unavailable>> + Send {
        let _ = address;
        async { Ok(false) }
    }

    /// Puts a message into the webmailer and says so to its recipient. When this returns, it is committed; the same
    /// message again is the same one.
    fn keep(&self, message: WebmailerMessage) -> impl Future<Output = Result<(), Unavailable>> + Send {
        let _ = message;
        async { Err(Unavailable { because: "there is no webmailer".into() }) }
    }

    /// Whether certificates are sent in to this address.
    fn is_intake(&self, address: &EmailAddress) -> bool {
        let _ = address;
        false
    }

    /// Takes a mail to the intake address in. When this returns, its effects are committed; the same mail again has
    /// no others.
    fn take_in(&self, mail: IntakeMail) -> impl Future<Output = Result<(), Reply>> + Send {
        let _ = mail;
        async { Err(Reply::new(451, "4.3.0", "certificates are not taken in now")) }
    }

    /// Whether a mail to somebody inside was the challenge of a CA (RFC 8823), and is answered. When this returns, that
    /// is committed; the same mail again has no other effect.
    fn answer_challenge(&self, to: &EmailAddress, content: &[u8]) -> impl Future<Output = Result<bool, Reply>> + Send {
        let _ = (to, content);
        async { Ok(false) }
    }
}

/// A message for the webmailer.
#[derive(Debug, Clone)]
pub struct WebmailerMessage {
    /// Names the message, so that a retry is one.
    pub key: MessageKey,
    /// Who wrote it.
    pub from: EmailAddress,
    /// Whose webmailer.
    pub to: EmailAddress,
    /// Its subject, decoded.
    pub subject: String,
    /// The whole message.
    pub content: Vec<u8>,
}

/// A mail to the intake address.
#[derive(Debug, Clone)]
pub struct IntakeMail {
    /// Names the mail, so that a retry is one.
    pub key: MessageKey,
    /// What was found of it.
    pub facts: Facts,
    /// The whole mail.
    pub content: Vec<u8>,
}

/// The signer of a message whose signature was accepted.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The signer's certificate.
    pub certificate: Certificate,
    /// The certificates of authorities that came along.
    pub chain: Vec<Certificate>,
    /// What the signer's program can do, in DER, by the signer's word.
    pub capabilities: Option<Vec<u8>>,
    /// When the signer claims to have signed.
    pub signed: Option<Time>,
}

/// Certificates with their holders' capabilities in DER.
pub type Certificates = Vec<(Certificate, Option<Vec<u8>>)>;

/// Names an envelope with its content: the same again is a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageKey(pub [u8; 32]);

impl fmt::Display for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

/// The directory or the keys cannot be asked now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// What it said, for the log.
    pub because: String,
}
