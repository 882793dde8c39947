//! The confirmation mail: encrypted to the certificate in question, so that following its link proves the mailbox
//! and the private key (CASES T-63).

use asn1::Time;
use smime::Encryptor;

use super::Request;
use crate::accounts::{new_token, tokens_since};
use crate::audit::Change;
use crate::outbox;
use crate::rows::Table;
use crate::texts::{self, Envelope};
use crate::{Address, Directory, Error, OutboxId, Outgoing, OutgoingKind, Purpose, RequestId};

pub(crate) enum Sent {
    Yes,
    /// As many as a mailbox gets in a day (CASES T-110).
    NotBefore(Time),
}

/// The confirmation links that a mailbox was sent within a day.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Links {
    pub(crate) count: i64,
    /// When the first of them was made.
    pub(crate) first: Option<Time>,
}

impl Links {
    pub(crate) async fn to(change: &mut Change<'_>, address: &Address) -> Result<Self, Error> {
        let day_ago = change.now.plus_days(-1);
        let (count, first) = tokens_since(&mut change.tx, Purpose::ConfirmCertificate, address, day_ago).await?;
        Ok(Self { count, first })
    }
}

/// Puts the confirmation mail of a request into the outbox.
pub(crate) async fn send_confirmation(
    directory: &Directory,
    change: &mut Change<'_>,
    request: &mut Request,
    before: Links,
) -> Result<Sent, Error> {
    let now = change.now;
    if before.count >= MOST_PER_DAY {
        return Ok(Sent::NotBefore(before.first.unwrap_or(now).plus_days(1)));
    }
    let purpose = Purpose::ConfirmCertificate;
    let (token, row) = new_token(purpose, request.id.0, &request.address, now, LINK_SECONDS)?;
    change.add(Table::Tokens, row).await?;
    let settings = directory.settings();
    let link = format!("{}/confirm/{}", settings.base_url, token.as_str());
    let mail = texts::confirmation(settings, request.language, request, &link);
    let id = OutboxId::random()?;
    let envelope = Envelope { to: &request.address, id, at: now, language: request.language };
    let mut plain = texts::header(settings, &envelope, &mail.subject);
    plain.extend_from_slice(&mime::MessageBuilder::new().text(mail.body).build());
    let encryptor = Encryptor::to(&request.certificate).map_err(not_a_recipient)?.profile(settings.profile);
    let content = encryptor.encrypt(&plain).map_err(not_a_recipient)?;

    let outgoing = Outgoing {
        sender: Some(settings.notify_from.clone()),
        recipient: request.address.clone(),
        content,
        kind: OutgoingKind::Confirmation,
        not_before: None,
        key: Some(confirmation_key(request.id, id)),
    };
    change.add(Table::Outbox, outbox::row_of(&settings.store_key, id, &outgoing, now)?).await?;
    request.confirmation_sent = Some(now);
    Ok(Sent::Yes)
}

// Each mail is one of its own, and says which request it is about.
fn confirmation_key(request: RequestId, mail: OutboxId) -> String {
    format!("confirmation {request} {mail}")
}

/// Which request a confirmation mail is about.
pub(crate) fn confirmed_by(outgoing: &Outgoing) -> Option<RequestId> {
    if outgoing.kind != OutgoingKind::Confirmation {
        return None;
    }
    let mut words = outgoing.key.as_deref()?.strip_prefix("confirmation ")?.split(' ');
    words.next()?.parse().ok()
}

fn not_a_recipient(error: smime::Error) -> Error {
    Error::Malformed { what: "a certificate to encrypt to", because: error.to_string() }
}

/// CASES T-110
const MOST_PER_DAY: i64 = 3;
/// CASES T-63: a link is good for a day.
const LINK_SECONDS: u32 = 86_400;
