//! Outgoing mail: signed and encrypted as planned. With `incoming` the only place that calls `smime`.

use std::io::{self, BufRead, Read as _, Write as _};

use asn1::Time;
use cms::{Spool, SpoolLimits};
use mime::{Field, Header};
use pki::Credential;
use smime::{Capabilities, Encryptor, Signer, Source};

use crate::banner;
use crate::confusable::without;
use crate::decide::Treatment;
use crate::mail::{Rewritten, read_header, unreadable_spool};
use crate::policy::HeaderProtection;
use crate::smtp::{Reply, reader_behind};

/// Protects a message. Whatever cannot be done holds the mail; nothing leaves with less than was planned (CASES T-88).
pub(crate) fn protect(
    mail: &mut Spool,
    treatment: &Treatment,
    credential: Option<&Credential>,
    now: Time,
    limits: &SpoolLimits,
) -> Result<Rewritten, Reply> {
    let (mut message, _) = for_others(mail, &treatment.words)?;
    if let Some(text) = &treatment.banner {
        // Where it goes is known only when all parts are: this one is in memory as a whole.
        let with_banner = banner::add(&whole(&message, mail)?, text)?;
        let mut spool = Spool::new(limits.clone());
        spool.write_all(&with_banner).map_err(|_| unstorable())?;
        message = Rewritten::from(spool);
    }
    if treatment.sign {
        let credential = credential.ok_or_else(|| held("the sender's key is not there now"))?;
        let signer = |signer: Signer| match treatment.headers {
            HeaderProtection::Off => signer,
            HeaderProtection::On(_) if treatment.encrypt.is_empty() => signer.protect_headers(),
            HeaderProtection::On(confidentiality) => signer.protect_headers_confidentially(confidentiality),
        };
        let mut signed = Spool::new(limits.clone());
        Signer::new(credential)
            .and_then(|new| {
                signer(new).profile(treatment.profile).at(now).sign_to(&mut source(&mut message, mail), &mut signed)
            })
            .map_err(|error| held(&format!("it cannot be signed: {error}")))?;
        message = Rewritten::from(signed);
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
        let mut encrypted = Spool::new(limits.clone());
        encryptor
            .profile(treatment.profile)
            .encrypt_to(&mut source(&mut message, mail), &mut encrypted)
            .map_err(failed)?;
        message = Rewritten::from(encrypted);
    }
    Ok(message)
}

/// A message as it is put into the webmailer, and its subject.
pub(crate) fn for_webmailer(mail: &mut Spool, words: &[String]) -> Result<(String, Vec<u8>), Reply> {
    let (message, subject) = for_others(mail, words)?;
    Ok((subject, whole(&message, mail)?))
}

/// A message without what is for us alone, and its subject.
fn for_others(mail: &mut Spool, words: &[String]) -> Result<(Rewritten, String), Reply> {
    let mut header = read_header(mail)?;
    let skip = header.octets_read();
    // CASES T-36: who gets it unseen is on no copy.
    // A line that is no field would be in the clear whatever is encrypted, and the body's beginning to some.
    header.retain(|field| !field.is("Bcc") && !field.is("Resent-Bcc") && !field.is_stray());
    take_out_words(&mut header, words);
    let subject = header.get("Subject").map(Field::text).unwrap_or_default();
    Ok((Rewritten::with_header(&header, skip, None), subject))
}

fn whole(message: &Rewritten, mail: &mut Spool) -> Result<Vec<u8>, Reply> {
    let mut octets = message.head.clone();
    reader_behind(mail, message.skip)
        .and_then(|mut reader| reader.read_to_end(&mut octets))
        .map_err(|_| unreadable_spool())?;
    Ok(octets)
}

/// A rewritten message as `smime` reads it.
struct Joined<'s> {
    head: &'s [u8],
    skip: usize,
    spool: &'s mut Spool,
}

fn source<'s>(message: &'s mut Rewritten, mail: &'s mut Spool) -> Joined<'s> {
    Joined { head: &message.head, skip: message.skip, spool: message.content.as_mut().unwrap_or(mail) }
}

impl Source for Joined<'_> {
    fn reread(&mut self) -> io::Result<Box<dyn BufRead + '_>> {
        Ok(Box::new(self.head.chain(reader_behind(self.spool, self.skip)?)))
    }
}

/// Words that triggered a rule are for us, not for the recipient.
fn take_out_words(header: &mut Header, words: &[String]) {
    let Some(text) = header.get("Subject").map(Field::text) else { return };
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let clean = without(&text, &words);
    if clean != text {
        header.replace(Field::new("Subject", &mime::encode_words(clean.trim())));
    }
}

fn held(why: &str) -> Reply {
    Reply::new(451, "4.7.5", format!("{why}; the mail is kept and tried again"))
}

fn unstorable() -> Reply {
    Reply::new(452, "4.3.1", "the message cannot be stored now")
}
