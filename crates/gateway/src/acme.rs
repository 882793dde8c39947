//! ACME for S/MIME (RFC 8823): certificates of the people inside from a CA, without anybody doing anything.
//!
//! The CA's mail with the challenge comes in like any other. It is answered only when there is an order for its
//! recipient, it comes from whom the CA said, and its DKIM signature proves that; anything else is a mail like others.
//! A driver does what the CA is told and asked, step by step; what it has to remember is in the directory.

mod challenge;
mod dkim;
mod drive;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use directory::{AcmeAnswer, Address, Directory, Outgoing, OutgoingKind};
use egress::acme::{AccountKey, AcmeClient, AcmeLimits, key_authorization_digest};
use egress::{Records, TlsRoots};
use mime::Header;
use pki::EmailAddress;

use crate::book::Unavailable;
use crate::facts::Facts;
use crate::smtp::Reply;

use challenge::ChallengeMail;
pub use challenge::answer_to_challenge;
pub(crate) use drive::drive;

/// How CAs that speak ACME are reached.
#[derive(Clone)]
pub struct AcmeSettings {
    roots: TlsRoots,
    records: Arc<dyn Records>,
    /// How many days before its end a certificate that came this way is ordered again; 0 is never.
    pub renew_days: u16,
}

impl AcmeSettings {
    /// Over HTTPS with these roots; the keys of DKIM signatures are looked up by `records`.
    pub fn new(roots: TlsRoots, records: Arc<dyn Records>) -> Self {
        Self { roots, records, renew_days: 30 }
    }
}

impl fmt::Debug for AcmeSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AcmeSettings({} days)", self.renew_days)
    }
}

/// The clients, one per CA, kept for their nonces and for what they know of the server.
#[derive(Debug, Default)]
struct Clients(Mutex<HashMap<String, Arc<AcmeClient>>>);

impl Clients {
    fn of(&self, settings: &AcmeSettings, server: &str) -> Result<Arc<AcmeClient>, egress::Error> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known.get(server) {
            return Ok(Arc::clone(client));
        }
        let client = AcmeClient::new(server, settings.roots.clone(), AcmeLimits::default());
        let client = Arc::new(client?);
        known.insert(server.to_owned(), Arc::clone(&client));
        Ok(client)
    }
}

/// Whether a mail may be one with a challenge: what decides that it is read whole.
pub(crate) fn may_be_challenge(facts: &Facts) -> bool {
    facts.automatic && facts.bytes <= MOST_OCTETS && challenge::has_prefix(&facts.subject)
}

/// Answers the mails of CAs.
#[derive(Debug)]
pub(crate) struct Answerer {
    settings: AcmeSettings,
}

impl Answerer {
    pub(crate) fn new(settings: AcmeSettings) -> Self {
        Self { settings }
    }

    /// Whether a mail was a challenge to somebody's order; then its answer is in the outbox. `false` for any other mail,
    /// which is delivered as it is.
    ///
    /// # Errors
    /// When it cannot be told now: the mail is held.
    pub(crate) async fn answer(
        &self,
        directory: &Directory,
        keys: &directory::KeyRing,
        to: &EmailAddress,
        content: &[u8],
    ) -> Result<bool, Reply> {
        let Ok(to) = Address::from_email(to.clone()) else { return Ok(false) };
        let Some(order) = directory.open_acme_order(&to).await.map_err(Unavailable::from)? else { return Ok(false) };
        let not_answered = |because: &str| {
            tracing::warn!(order = %order.id, because, "a mail that looks like a CA's was not answered");
            Ok(false)
        };
        let header = match Header::parse(content, &mime::Limits::default()) {
            Ok((header, _)) => header,
            Err(_) => return Ok(false),
        };
        // What DKIM covers and what is read here must be the same fields.
        if let Some(ambiguity) = header.ambiguity() {
            return not_answered(&ambiguity.to_string());
        }
        let mail = match ChallengeMail::read(&header, to.email()) {
            Ok(mail) => mail,
            Err(because) => return not_answered(because),
        };
        let Some(challenge) = &order.challenge else {
            // Mail can be faster than the CA's own answer, which names its sender.
            return Err(Reply::new(451, "4.7.1", "the order for this is being placed; try again later"));
        };
        // RFC 8823 §3.1: from whom the CA said it would come.
        if mail.from != *challenge.from.email() {
            return not_answered("it is not from whom the CA said");
        }
        match dkim::verify(content, mail.from.domain(), &self.settings.records).await {
            Ok(Ok(())) => {}
            Ok(Err(because)) => return not_answered(&because),
            Err(error) => {
                tracing::warn!(order = %order.id, %error, "the key of a DKIM signature cannot be looked up");
                return Err(Reply::new(451, "4.7.5", "the DKIM signature cannot be checked now; try again later"));
            }
        }
        let (_, key) = keys.acme_key(order.account).await.map_err(Unavailable::from)?;
        let key = match AccountKey::new(key) {
            Ok(key) => key,
            Err(error) => return not_answered(&error.to_string()),
        };
        let digest = key_authorization_digest(&mail.token_part1, &challenge.token, &key.thumbprint());
        let recipient = match Address::from_email(mail.answer_to.clone()) {
            Ok(recipient) => recipient,
            Err(_) => return not_answered("its sender has an address that is not written to"),
        };
        let outgoing = Outgoing {
            sender: Some(to.clone()),
            recipient,
            content: mail.response(&to, &digest, directory.now()),
            kind: OutgoingKind::AcmeResponse,
            not_before: None,
            key: Some(format!("acme {} {digest}", order.id)),
        };
        match directory.acme_answer(&order, &mail.token_part1, &outgoing).await.map_err(Unavailable::from)? {
            AcmeAnswer::Answered => {
                tracing::info!(order = %order.id, "a CA's challenge was answered");
                Ok(true)
            }
            AcmeAnswer::AnsweredBefore => Ok(true),
            AcmeAnswer::NotAnswered => not_answered("its token was used before"),
        }
    }
}

/// What is larger is no challenge.
const MOST_OCTETS: u64 = 256 << 10;
