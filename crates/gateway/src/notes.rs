//! What a signature that holds does not say by itself: when it was made, and for whom.

use asn1::Time;
use mime::Header;
use pki::{EmailAddress, RevocationSource, RevocationStatus};
use smime::{Check, ProtectedHeader, SignerVerdict};

/// Something that the recipient should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    said: String,
    kept: String,
}

impl Note {
    /// One that says nothing of the content.
    pub(crate) fn new(said: impl Into<String>) -> Self {
        let said = said.into();
        Self { kept: said.clone(), said }
    }

    /// One that quotes what stands in the message, and what may be kept of it.
    fn quoting(said: String, kept: String) -> Self {
        Self { said, kept }
    }

    /// As the recipient reads it, in the message itself.
    pub fn said(&self) -> &str {
        &self.said
    }

    /// As it may stand where nothing of a message may: in the trace and in logs (CASES S-73).
    pub fn kept(&self) -> &str {
        &self.kept
    }
}

/// Notes about an accepted message.
pub(crate) fn of<'a>(
    outer: &Header,
    signers: impl Iterator<Item = &'a SignerVerdict>,
    protected: Option<&ProtectedHeader>,
    received: Time,
) -> Vec<Note> {
    let mut notes = Vec::new();
    for signer in signers {
        // CASES T-14: unknown is not good, and it is said.
        let names_a_source = |certificate| !RevocationSource::of(certificate).is_empty();
        if signer.revocation == RevocationStatus::Unknown && signer.certificate.as_ref().is_some_and(names_a_source) {
            notes.push(Note::new("whether the signer's certificate was revoked is not known yet"));
        }
        if signer.address == Check::Fail {
            notes.push(Note::new(format!("it is also signed by {}", signer.addresses.join(", "))));
        }
        let Some(signed) = signer.signing_time else { continue };
        // CASES T-13, T-16: a time inside a message is a claim, and an old or future one is worth a word.
        let age = received.to_unix().saturating_sub(signed.to_unix());
        if age > OLD_SECONDS {
            let text = format!("it was signed on {signed}, long before it arrived: it may have been sent before");
            notes.push(Note::new(text));
        } else if age < -DAY_SECONDS {
            notes.push(Note::new(format!("it claims to be signed on {signed}, which is in the future")));
        }
        let date = outer.value("Date").and_then(|date| parse_date(&date));
        if date.is_some_and(|date| date.saturating_sub(signed.to_unix()).abs() > DAY_SECONDS) {
            notes.push(Note::new(format!("it was signed on {signed}, and its Date says otherwise")));
        }
    }
    let Some(protected) = protected else { return notes };
    // CASES T-16: a genuine message that somebody passed on to others.
    let signed_to = addresses(protected.header());
    let shown: Vec<EmailAddress> = addresses(outer);
    if !signed_to.is_empty() && shown.iter().any(|shown| !signed_to.contains(shown)) {
        let list: Vec<String> = signed_to.iter().map(ToString::to_string).collect();
        let said = format!("what was signed is addressed to {}", list.join(", "));
        notes.push(Note::quoting(said, "what was signed is addressed to others".into()));
    }
    for difference in protected.differences() {
        let value = |value: Option<String>| value.unwrap_or_else(|| "nothing".into());
        let (name, sent, received) = (difference.name, value(difference.sent), value(difference.received));
        let said = format!("{name} was changed on its way: signed as {sent}, arrived as {received}");
        notes.push(Note::quoting(said, format!("{name} was changed on its way")));
    }
    notes
}

fn addresses(header: &Header) -> Vec<EmailAddress> {
    ["To", "Cc"]
        .iter()
        .flat_map(|name| header.all(name))
        .flat_map(|field| mime::parse_mailbox_list(&field.value()).unwrap_or_default())
        .filter_map(|mailbox| EmailAddress::parse(&mailbox.to_string()).ok())
        .collect()
}

/// RFC 5322 §3.3, in seconds since 1970; `None` when it is no date.
fn parse_date(text: &str) -> Option<i64> {
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = text.split_ascii_whitespace();
    let day: u8 = words.next()?.parse().ok()?;
    let month = words.next()?.to_ascii_lowercase();
    let month = MONTHS.iter().position(|name| month.starts_with(name))?;
    let year: i32 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(str::parse::<u8>);
    let (hour, minute) = (clock.next()?.ok()?, clock.next()?.ok()?);
    let second = clock.next().and_then(Result::ok).unwrap_or(0);
    let zone = words.next().unwrap_or("+0000");
    let digits = |range: std::ops::Range<usize>| zone.get(range).and_then(|digits| digits.parse::<i64>().ok());
    let offset = match (zone.get(..1), digits(1..3), digits(3..5)) {
        (Some("+"), Some(hours), Some(minutes)) => hours * 3_600 + minutes * 60,
        (Some("-"), Some(hours), Some(minutes)) => -(hours * 3_600 + minutes * 60),
        _ => 0,
    };
    let month = u8::try_from(month + 1).ok()?;
    let time = Time::from_parts(asn1::TimeParts { year, month, day, hour, minute, second: second.min(59) })?;
    Some(time.to_unix() - offset)
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAY_SECONDS: i64 = 86_400;
/// A message that was signed longer ago was hardly on its way all the time: mail servers try for five days.
const OLD_SECONDS: i64 = 7 * DAY_SECONDS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_mail_are_read() {
        let at = |text: &str| Time::parse_rfc3339(text).unwrap().to_unix();
        assert_eq!(parse_date("Sun, 1 Mar 2026 08:05:09 +0000"), Some(at("2026-03-01T08:05:09Z")));
        assert_eq!(parse_date("1 Mar 2026 10:05 +0200"), Some(at("2026-03-01T08:05:00Z")));
        assert_eq!(parse_date("Sun, 01 March 2026 03:05:09 -0500 (EST)"), Some(at("2026-03-01T08:05:09Z")));
        for odd in ["", "yesterday", "1 Xyz 2026 10:05", "99 Mar 2026 10:05"] {
            assert_eq!(parse_date(odd), None, "{odd}");
        }
    }
}
