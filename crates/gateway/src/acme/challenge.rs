//! The mail with the challenge (RFC 8823 §3.1), and the one that answers it (§3.2).

use asn1::Time;
use directory::Address;
use mime::{Header, MessageBuilder, parse_mailbox_list};
use pki::EmailAddress;

/// What counts in a mail with a challenge. That it is true is for its DKIM signature to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChallengeMail {
    /// Who sent it.
    pub(super) from: EmailAddress,
    /// Where its answer goes.
    pub(super) answer_to: EmailAddress,
    /// The first part of the token.
    pub(super) token_part1: String,
    message_id: String,
}

/// Whether a subject begins like that of a challenge.
pub(super) fn has_prefix(subject: &str) -> bool {
    subject.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

impl ChallengeMail {
    /// Reads the header of a mail to `to`.
    ///
    /// # Errors
    /// What it lacks to be one.
    pub(super) fn read(header: &Header, to: &EmailAddress) -> Result<Self, &'static str> {
        // A second field of a name is one that the signature may not be about (RFC 6376 §8.15).
        for name in ["From", "To", "Subject", "Message-ID", "Auto-Submitted"] {
            if header.all(name).count() != 1 {
                return Err("a field that it must have once is missing or there twice");
            }
        }
        if header.all("Reply-To").count() > 1 || header.all("Sender").count() > 1 {
            return Err("a field that it may have once is there twice");
        }
        // RFC 8823 §3.1: `auto-generated`, perhaps with `type=acme`.
        let automatic = header.value("Auto-Submitted").unwrap_or_default().to_ascii_lowercase();
        if automatic.split(';').next().is_none_or(|word| word.trim() != "auto-generated") {
            return Err("it does not say that it was made by a program");
        }
        let one = |name: &str| {
            let mut list = parse_mailbox_list(&header.value(name)?).ok()?;
            let mailbox = list.pop().filter(|_| list.is_empty())?;
            EmailAddress::parse(&mailbox.to_string()).ok()
        };
        let from = one("From").ok_or("it has not one sender")?;
        if one("To").as_ref() != Some(to) {
            return Err("it is not to the mailbox alone that it came to");
        }
        let answer_to = match header.get("Reply-To") {
            Some(_) => one("Reply-To").ok_or("it wants to be answered at more than one address")?,
            None => from.clone(),
        };
        let message_id = header.value("Message-ID").unwrap_or_default();
        if !is_message_id(&message_id) {
            return Err("it has an odd Message-ID");
        }
        let token_part1 = token(&header.get("Subject").map(mime::Field::text).unwrap_or_default())
            .ok_or("its subject has no token")?;
        Ok(Self { from, answer_to, token_part1, message_id })
    }

    /// The mail that answers it.
    pub(super) fn response(&self, from: &Address, digest: &str, now: Time) -> Vec<u8> {
        // RFC 8823 §3.2: no List- field, and the subject is that of the challenge behind "Re:".
        MessageBuilder::new()
            .field("Date", &mime::date(now.to_unix()))
            .field("From", &from.to_string())
            .field("To", &self.answer_to.to_string())
            .field("Subject", &format!("Re: {PREFIX} {}", self.token_part1))
            .field("Message-ID", &format!("<{digest}@{}>", from.domain()))
            .field("In-Reply-To", &self.message_id)
            .field("References", &self.message_id)
            .text(format!("-----BEGIN ACME RESPONSE-----\n{digest}\n-----END ACME RESPONSE-----\n"))
            .build()
    }
}

/// What answers a mail to `to` with a challenge, by its header alone: for whoever looks at what strangers send. Whether it
/// is true, and was asked for, is not looked at here.
///
/// # Errors
/// What the mail lacks to be one.
pub fn answer_to_challenge(
    header: &Header,
    to: &EmailAddress,
    digest: &str,
    now: Time,
) -> Result<Vec<u8>, &'static str> {
    let from = Address::parse(&to.to_string()).map_err(|_| "its mailbox cannot answer")?;
    Ok(ChallengeMail::read(header, to)?.response(&from, digest, now))
}

/// RFC 8823 §3.1: what stands behind the prefix, without the white space that folding leaves.
fn token(subject: &str) -> Option<String> {
    if !has_prefix(subject) {
        return None;
    }
    let token: String = subject.get(PREFIX.len()..)?.chars().filter(|c| !c.is_whitespace()).collect();
    // 128 bits are 22 characters of base64url.
    let fits = (22..=256).contains(&token.len())
        && token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    fits.then_some(token)
}

fn is_message_id(text: &str) -> bool {
    let inside = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    inside.is_some_and(|id| {
        (3..=250).contains(&id.len())
            && id.contains('@')
            && id.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>'))
    })
}

const PREFIX: &str = "ACME:";

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "From: \"CA\" <acme@ca.example>\r\nTo: alice@inside.example\r\nSubject: ACME: \
        LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME\r\nMessage-ID: <1@ca.example>\r\nAuto-Submitted: auto-generated; \
        type=acme\r\nReply-To: reply@ca.example\r\n\r\n";

    fn read(mail: &str) -> Result<ChallengeMail, &'static str> {
        let (header, _) = Header::parse(mail.as_bytes(), &mime::Limits::default()).unwrap();
        ChallengeMail::read(&header, &EmailAddress::parse("alice@inside.example").unwrap())
    }

    #[test]
    fn a_challenge_is_read_and_answered() {
        let mail = read(MAIL).unwrap();
        assert_eq!(mail.token_part1, "LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME");
        assert_eq!((mail.from.to_string(), mail.answer_to.to_string()).0, "acme@ca.example");
        let answer = mail.response(&Address::parse("alice@inside.example").unwrap(), "DIGEST", testkit::now());
        let text = String::from_utf8(answer).unwrap();
        for line in [
            "From: alice@inside.example",
            "To: reply@ca.example",
            "Subject: Re: ACME: LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME",
            "In-Reply-To: <1@ca.example>",
            "Content-Type: text/plain; charset=utf-8",
            "-----BEGIN ACME RESPONSE-----\r\nDIGEST\r\n-----END ACME RESPONSE-----\r\n",
        ] {
            assert!(text.contains(&format!("{line}\r\n")) || text.contains(line), "{line}: {text}");
        }
        assert!(!text.contains("List-"));
    }

    #[test]
    fn a_folded_subject_and_encoded_words_have_the_same_token() {
        let plain = read(MAIL).unwrap();
        let folded = MAIL.replace("LgYemJLy3F1LDkiJ", "LgYemJLy3F1L\r\n DkiJ");
        assert_eq!(read(&folded).unwrap(), plain);
        let encoded = MAIL.replace("ACME: LgYemJLy", "=?utf-8?Q?ACME:_LgYem?=\r\n =?utf-8?Q?JLy?=");
        let encoded = encoded.replace(
            "=?utf-8?Q?JLy?=3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME",
            "=?utf-8?Q?JLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME?=",
        );
        assert_eq!(read(&encoded).unwrap(), plain);
    }

    #[test]
    fn what_is_not_quite_one_is_none() {
        for (from, to) in [
            ("From: \"CA\" <acme@ca.example>", "From: acme@ca.example, x@evil.example"),
            ("From: ", "X-From: "),
            ("From: ", "From: x@evil.example\r\nFrom: "),
            ("Subject: ", "Subject: ACME: AAAAAAAAAAAAAAAAAAAAAAAAAAA\r\nSubject: "),
            ("To: alice@inside.example", "To: bob@inside.example"),
            ("To: alice@inside.example", "To: alice@inside.example, bob@inside.example"),
            ("ACME: ", "Re: ACME: "),
            ("LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME", "short"),
            ("LgYemJLy3F1L", "LgYem.Ly3F1L"),
            ("auto-generated; type=acme", "no"),
            ("auto-generated; type=acme", "auto-replied"),
            ("Auto-Submitted: ", "X-Auto: "),
            ("<1@ca.example>", "<1@ca.example> <2@ca.example>"),
            ("<1@ca.example>", "1"),
            ("reply@ca.example", "reply@ca.example, x@evil.example"),
            ("Reply-To: ", "Reply-To: x@evil.example\r\nReply-To: "),
        ] {
            let changed = MAIL.replace(from, to);
            assert_ne!(changed, MAIL);
            assert!(read(&changed).is_err(), "{changed}");
        }
    }
}
