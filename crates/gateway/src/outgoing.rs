//! Outgoing mail: signed and encrypted as planned. With `incoming` the only place that calls `smime`.

use asn1::Time;
use mime::{Field, Header};
use pki::Credential;
use smime::{Capabilities, Encryptor, Signer};

use crate::banner;
use crate::confusable::find;
use crate::decide::Treatment;
use crate::policy::HeaderProtection;
use crate::smtp::Reply;

/// Protects a message. Whatever cannot be done holds the mail; nothing leaves with less than was planned (CASES T-88).
pub(crate) fn protect(
    mail: &[u8],
    treatment: &Treatment,
    credential: Option<&Credential>,
    now: Time,
) -> Result<Vec<u8>, Reply> {
    let (mut header, body) = Header::parse(mail, &mime::Limits::default())
        .map_err(|error| Reply::new(550, "5.6.0", format!("the message's header cannot be read: {error}")))?;
    // CASES T-36: who gets it unseen is on no copy.
    header.retain(|field| !field.is("Bcc") && !field.is("Resent-Bcc"));
    take_out_words(&mut header, &treatment.words);
    let mut message = header.to_bytes();
    message.extend_from_slice(b"\r\n");
    message.extend_from_slice(body);
    if let Some(text) = &treatment.banner {
        message = banner::add(&message, text)?;
    }
    if treatment.sign {
        let credential = credential.ok_or_else(|| held("the sender's key is not there now"))?;
        let signer = |signer: Signer| match treatment.headers {
            HeaderProtection::Off => signer,
            HeaderProtection::On(_) if treatment.encrypt.is_empty() => signer.protect_headers(),
            HeaderProtection::On(confidentiality) => signer.protect_headers_confidentially(confidentiality),
        };
        message = Signer::new(credential)
            .and_then(|new| signer(new).profile(treatment.profile).at(now).sign(&message))
            .map_err(|error| held(&format!("it cannot be signed: {error}")))?;
    }
    let mut certificates = treatment.encrypt.iter();
    let capable = |der: &Option<Vec<u8>>| der.as_deref().and_then(Capabilities::from_der);
    if let Some((first, capabilities)) = certificates.next() {
        let failed = |error: smime::Error| held(&format!("it cannot be encrypted: {error}"));
        let mut encryptor = Encryptor::to_capable(first, capable(capabilities)).map_err(failed)?;
        for (certificate, capabilities) in certificates {
            encryptor = encryptor.and_capable(certificate, capable(capabilities)).map_err(failed)?;
        }
        if let (HeaderProtection::On(confidentiality), false) = (treatment.headers, treatment.sign) {
            encryptor = encryptor.protect_headers(confidentiality);
        }
        message = encryptor.profile(treatment.profile).encrypt(&message).map_err(failed)?;
    }
    Ok(message)
}

/// A message as it is put into the webmailer, and its subject.
pub(crate) fn for_webmailer(mail: &[u8], words: &[String]) -> Result<(String, Vec<u8>), Reply> {
    let (mut header, body) = Header::parse(mail, &mime::Limits::default())
        .map_err(|error| Reply::new(550, "5.6.0", format!("the message's header cannot be read: {error}")))?;
    header.retain(|field| !field.is("Bcc") && !field.is("Resent-Bcc"));
    take_out_words(&mut header, words);
    let subject = header.get("Subject").map(Field::text).unwrap_or_default();
    let mut message = header.to_bytes();
    message.extend_from_slice(b"\r\n");
    message.extend_from_slice(body);
    Ok((subject, message))
}

/// Words that triggered a rule are for us, not for the recipient.
fn take_out_words(header: &mut Header, words: &[String]) {
    let Some(text) = header.get("Subject").map(Field::text) else { return };
    let mut clean = text.clone();
    for word in words {
        while let Some((start, end)) = find(&clean, word) {
            clean.replace_range(start..end, "");
        }
    }
    if clean != text {
        header.replace(Field::new("Subject", &mime::encode_words(clean.trim())));
    }
}

fn held(why: &str) -> Reply {
    Reply::new(451, "4.7.5", format!("{why}; the mail is kept and tried again"))
}
