//! Writes header protection: which fields go under the cryptography, and what stays visible outside (RFC 9788 §3, §5).

use asn1::{Time, TimeParts};
use mime::{Field, Header, Mailbox, parse_mailbox_list};

/// What of the header fields of an encrypted mail stays readable outside: a Header Confidentiality Policy
/// (RFC 9788 §3.1, §3.2; the default is that of RFC 9788 §3.3). None changes the address in From (RFC 9788 §3.1.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeaderConfidentiality {
    /// Everything (RFC 9788 §3.2.3).
    NoConfidentiality,
    /// Not the subject, the keywords and the comments (RFC 9788 §3.2.1).
    #[default]
    Baseline,
    /// Nor people's names, nor the sender's time zone (RFC 9788 §3.2.2).
    Shy,
}

impl HeaderConfidentiality {
    /// The name in configuration and at the prompt.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoConfidentiality => "no-confidentiality",
            Self::Baseline => "baseline",
            Self::Shy => "shy",
        }
    }

    /// From its name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::NoConfidentiality, Self::Baseline, Self::Shy].into_iter().find(|policy| policy.name() == name)
    }

    /// What stands outside in place of a field; `None` when it does not appear there.
    fn outside(self, field: &Field) -> Option<Field> {
        if self == Self::NoConfidentiality {
            return Some(field.clone());
        }
        if field.is("Subject") {
            return Some(Field::new(field.name(), "[...]"));
        }
        if field.is("Keywords") || field.is("Comments") {
            return None;
        }
        if self == Self::Baseline {
            return Some(field.clone());
        }
        if ["From", "To", "Cc", "Sender", "Reply-To"].iter().any(|name| field.is(name)) {
            // A list that cannot be read stays as it is: without recipients the mail could not be answered.
            let mailboxes = parse_mailbox_list(&field.value()).ok().filter(|mailboxes| !mailboxes.is_empty());
            return Some(mailboxes.map_or_else(|| field.clone(), |list| Field::new(field.name(), &addresses(&list))));
        }
        if field.is("Date") {
            return Some(in_utc(&field.value()).map_or_else(|| field.clone(), |date| Field::new(field.name(), &date)));
        }
        Some(field.clone())
    }
}

/// A mail's header divided for protection.
pub(crate) struct Divided {
    /// What stands outside.
    pub(crate) outer: Header,
    /// The entity's header with the protected fields.
    pub(crate) inner: Header,
}

/// Copies the fields into the entity (RFC 9788 §2.1.1, §5.2.1). With a policy the entity will be encrypted:
/// `hp="cipher"`, and `HP-Outer` says what is seen outside (RFC 9788 §2.2.1); without, it says `hp="clear"`.
pub(crate) fn divide(outer: &Header, mut header: Header, policy: Option<HeaderConfidentiality>) -> Divided {
    let value = header.value("Content-Type").unwrap_or_else(|| "text/plain; charset=us-ascii".into());
    let mark = if policy.is_some() { "cipher" } else { "clear" };
    header.replace(Field::new("Content-Type", &format!("{value}; hp=\"{mark}\"")));
    let (mut inside, mut confirmed, mut outside) = (Vec::new(), Vec::new(), Vec::new());
    for field in outer.fields() {
        if !is_protected(field) {
            outside.push(field.clone());
            continue;
        }
        inside.push(field.clone());
        let seen = policy.map_or_else(|| Some(field.clone()), |policy| policy.outside(field));
        if let Some(seen) = seen {
            if policy.is_some() {
                confirmed.push(Field::new("HP-Outer", &format!("{}: {}", seen.name(), seen.value())));
            }
            outside.push(seen);
        }
    }
    let fields = inside.into_iter().chain(confirmed).chain(header.fields().iter().cloned());
    let inner = Header::from_fields(fields.collect());
    Divided { outer: Header::from_fields(outside), inner }
}

// Trace and transport fields describe the way, not the message; Bcc must not reach the other recipients.
fn is_protected(field: &Field) -> bool {
    const OF_THE_WAY: [&str; 9] = [
        "ARC-Seal",
        "Authentication-Results",
        "Bcc",
        "Delivered-To",
        "DKIM-Signature",
        "HP-Outer",
        "Received",
        "Return-Path",
        "X-Original-To",
    ];
    !field.name().is_empty() && !OF_THE_WAY.iter().any(|name| field.is(name))
}

fn addresses(list: &[Mailbox]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A date (RFC 5322 §3.3) in UTC.
fn in_utc(value: &str) -> Option<String> {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words = value.split_once(',').map_or(value, |(_, rest)| rest);
    let mut words = words.split_whitespace();
    let day = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = u8::try_from(MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))?).ok()? + 1;
    let year = words.next()?.parse().ok().filter(|year| (1900..=9999).contains(year))?;
    let mut clock = words.next()?.split(':').map(str::parse::<u8>);
    let (hour, minute) = (clock.next()?.ok()?, clock.next()?.ok()?);
    let second = clock.next().unwrap_or(Ok(0)).ok()?;
    let zone = words.next()?;
    let minutes = if matches!(zone, "GMT" | "UT" | "Z") {
        0
    } else {
        let (hours, minutes) = (zone.get(1..3)?.parse::<i64>().ok()?, zone.get(3..5)?.parse::<i64>().ok()?);
        let east = hours * 60 + minutes;
        match zone.get(..1)? {
            "+" => east,
            "-" => -east,
            _ => return None,
        }
    };
    let local = Time::from_parts(TimeParts { year, month, day, hour, minute, second })?;
    let utc = local.to_unix().checked_sub(minutes * 60)?;
    let weekday = DAYS.get(usize::try_from(utc.div_euclid(86_400).rem_euclid(7)).ok()?)?;
    let TimeParts { year, month, day, hour, minute, second } = Time::from_unix(utc).parts();
    let month = MONTHS.get(usize::from(month).checked_sub(1)?)?;
    Some(format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} +0000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_move_to_utc() {
        assert_eq!(in_utc("Sat, 20 Feb 2021 10:13:02 -0500").unwrap(), "Sat, 20 Feb 2021 15:13:02 +0000");
        assert_eq!(in_utc("31 Dec 2026 23:30 -0100").unwrap(), "Fri, 01 Jan 2027 00:30:00 +0000");
        assert_eq!(in_utc("yesterday"), None);
        assert_eq!(in_utc("1 Jan 2026 00:00 é123"), None);
    }

    #[test]
    fn shy_hides_names() {
        let hide = |name: &str, value: &str| HeaderConfidentiality::Shy.outside(&Field::new(name, value));
        assert_eq!(hide("From", "Alice <alice@smime.example>").unwrap().value(), "alice@smime.example");
        assert_eq!(hide("To", "\"B, C\" <b@x.org>, d@x.org").unwrap().value(), "b@x.org, d@x.org");
        assert_eq!(hide("Subject", "secret").unwrap().value(), "[...]");
        assert!(hide("Keywords", "secret").is_none());
    }
}
