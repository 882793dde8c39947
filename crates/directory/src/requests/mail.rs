//! The confirmation mail: encrypted to the certificate in question, so that following its link proves the mailbox
//! and the private key (CASES T-63).

use std::io::Write;

use asn1::Time;
use cms::{EncryptedDataWriter, Recipient};

use super::Request;
use crate::accounts::{add_token, tokens_since};
use crate::audit::Change;
use crate::outbox;
use crate::texts::{self, Envelope};
use crate::{Directory, Error, OutboxId, Outgoing, OutgoingKind, Purpose};

pub(crate) enum Sent {
    Yes,
    /// As many as a mailbox gets in a day (CASES T-110).
    NotBefore(Time),
}

/// Puts the confirmation mail of a request into the outbox.
pub(crate) async fn send_confirmation(
    directory: &Directory,
    change: &mut Change<'_>,
    request: &mut Request,
) -> Result<Sent, Error> {
    let now = change.now;
    let day_ago = now.plus_days(-1);
    let (count, first) = tokens_since(&mut change.tx, Purpose::ConfirmCertificate, &request.address, day_ago).await?;
    if count >= MOST_PER_DAY {
        return Ok(Sent::NotBefore(first.unwrap_or(now).plus_days(1)));
    }
    let purpose = Purpose::ConfirmCertificate;
    let token = add_token(&mut change.tx, purpose, request.id.0, &request.address, now, LINK_SECONDS).await?;
    let settings = directory.settings();
    let link = format!("{}/confirm/{}", settings.base_url, token.as_str());
    let mail = texts::confirmation(settings, request.language, request, &link);
    let entity = mime::MessageBuilder::new().text(mail.body).build();

    let id = OutboxId::random()?;
    let recipient = Recipient::new(&request.certificate).map_err(not_a_recipient)?;
    let mut writer =
        EncryptedDataWriter::new(&recipient, &[], settings.cipher, ID_DATA, Vec::new()).map_err(not_a_recipient)?;
    writer.write_all(&entity)?;
    let der = writer.finish().map_err(not_a_recipient)?;

    let envelope = Envelope { to: &request.address, id, at: now, language: request.language };
    let mut content = texts::header(settings, &envelope, &mail.subject);
    // RFC 8551 §3.2.2, RFC 5083 for the authenticated form.
    let kind = if settings.cipher.is_authenticated() { "authEnveloped-data" } else { "enveloped-data" };
    let fields = [
        ("MIME-Version", "1.0".to_owned()),
        ("Content-Type", format!("application/pkcs7-mime; smime-type={kind}; name=\"smime.p7m\"")),
        ("Content-Disposition", "attachment; filename=\"smime.p7m\"".to_owned()),
        ("Content-Transfer-Encoding", "base64".to_owned()),
    ];
    for (name, value) in fields {
        content.extend_from_slice(mime::Field::new(name, &value).raw());
    }
    content.extend_from_slice(b"\r\n");
    let mut base64 = mime::Base64Writer::new(content);
    base64.write_all(&der)?;
    let content = base64.finish()?;

    let outgoing = Outgoing {
        sender: Some(settings.notify_from.clone()),
        recipient: request.address.clone(),
        content,
        kind: OutgoingKind::Confirmation,
        not_before: None,
        key: None,
    };
    outbox::add(&mut change.tx, &settings.store_key, id, &outgoing, now).await?;
    request.confirmation_sent = Some(now);
    Ok(Sent::Yes)
}

fn not_a_recipient(error: cms::Error) -> Error {
    Error::Malformed { what: "a certificate to encrypt to", because: error.to_string() }
}

/// id-data (RFC 8551 §3.3: the content is a MIME entity)
const ID_DATA: asn1::Oid = asn1::Oid::new("1.2.840.113549.1.7.1");
/// CASES T-110
const MOST_PER_DAY: i64 = 3;
/// CASES T-63: a link is good for a day.
const LINK_SECONDS: u32 = 86_400;
