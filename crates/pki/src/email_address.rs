use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;

use crate::Error;
use crate::error::BadAddress;

/// A mailbox as certificates and From fields name it: `local-part@domain`, nothing around it.
///
/// Strict on purpose (CASES T-09): no quoted local parts, comments, source routes, address literals or
/// white space, nothing is trimmed or unescaped. The domain is held in lower case and in A-labels
/// (RFC 9598 §3), the local part as it was written.
///
/// Two addresses are equal when they mean the same mailbox in a certificate: domains without regard
/// to case, ASCII letters of the local part without regard to case (RFC 8550 §3), everything else octet by
/// octet (RFC 9598 §5).
#[derive(Debug, Clone)]
pub struct EmailAddress {
    local_part: String,
    domain: String,
}

impl EmailAddress {
    /// From text that is an address and nothing else. Domains may come in U-labels.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Self::parse_inner(text).map_err(|because| Error::BadAddress { because })
    }

    fn parse_inner(text: &str) -> Result<Self, BadAddress> {
        if text.len() > 1_000 {
            return Err(BadAddress::TooLong);
        }
        let (local_part, domain) = text.split_once('@').ok_or(BadAddress::At)?;
        if domain.contains('@') {
            return Err(BadAddress::At);
        }
        check_local_part(local_part)?;
        let domain = parse_domain(domain)?;
        // RFC 5321 §4.5.3.1: 64 octets, 255 octets, and 254 for the two together in a path.
        if local_part.len() > 64 || local_part.len() + 1 + domain.len() > 254 {
            return Err(BadAddress::TooLong);
        }
        Ok(Self { local_part: local_part.to_owned(), domain })
    }

    /// From the content of an rfc822Name or a DN emailAddress: ASCII only.
    ///
    /// RFC 5280 §4.2.1.6: an rfc822Name is an IA5String, so its domain is in A-labels already.
    pub(crate) fn from_ascii(text: &str) -> Result<Self, Error> {
        match text.chars().find(|c| !c.is_ascii()) {
            Some(c) => Err(Error::BadAddress { because: BadAddress::Character(c) }),
            None => Self::parse(text),
        }
    }

    /// From the content of a SmtpUTF8Mailbox.
    // RFC 9598 §3: only with a non-ASCII local part, without a BOM, the domain in A-labels or plain LDH.
    // Deviation (RFC 9598 §3): an ASCII local part is read all the same, as certificates have it.
    pub(crate) fn from_smtp_utf8(text: &str) -> Result<Self, Error> {
        let domain = text.split_once('@').map_or("", |(_, domain)| domain);
        match domain.chars().find(|c| !c.is_ascii()) {
            Some(c) => Err(Error::BadAddress { because: BadAddress::Character(c) }),
            None => Self::parse(text),
        }
    }

    /// What stands before the `@`, as it was written.
    pub fn local_part(&self) -> &str {
        &self.local_part
    }

    /// The domain, lower case, in A-labels.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// One text per mailbox, for keys in a database (CASES T-67): lower case, NFC, domain in A-labels.
    pub fn canonical(&self) -> String {
        let local: String = self.local_part.nfc().collect::<String>().to_lowercase().nfc().collect();
        format!("{local}@{}", self.domain)
    }

    /// Whether the local part needs SMTPUTF8 (RFC 6531).
    pub fn needs_smtp_utf8(&self) -> bool {
        !self.local_part.is_ascii()
    }
}

impl PartialEq for EmailAddress {
    // RFC 8550 §3: the local part SHOULD be compared without regard to case, the domain MUST be.
    fn eq(&self, other: &Self) -> bool {
        self.domain == other.domain && self.local_part.eq_ignore_ascii_case(&other.local_part)
    }
}

impl Eq for EmailAddress {}

impl Hash for EmailAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.domain.hash(state);
        self.local_part.to_ascii_lowercase().hash(state);
    }
}

impl PartialOrd for EmailAddress {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EmailAddress {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |address: &Self| (address.domain.clone(), address.local_part.to_ascii_lowercase());
        key(self).cmp(&key(other))
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local_part, self.domain)
    }
}

impl FromStr for EmailAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

// RFC 5321 §4.1.2: Dot-string; RFC 6531 §3.3 adds non-ASCII. Quoted strings are refused: no two programs
// read them alike (CASES T-10).
fn check_local_part(local_part: &str) -> Result<(), BadAddress> {
    if let Some(c) = local_part.chars().find(|&c| !(is_atext(c) || c == '.')) {
        return Err(BadAddress::Character(c));
    }
    if local_part.split('.').any(str::is_empty) {
        return Err(BadAddress::LocalPart);
    }
    Ok(())
}

fn is_atext(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    }
    !(c.is_whitespace() || c.is_control() || is_invisible(c))
}

/// Characters that show nothing, or change how their neighbours show.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
        | 0x2028..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0
        | 0xFFF0..=0xFFFF | 0xE000..=0xF8FF | 0xE0000..=0xE0FFF | 0xF0000..=0x10_FFFF)
}

pub(crate) fn parse_domain(domain: &str) -> Result<String, BadAddress> {
    if let Some(c) =
        domain.chars().find(|&c| !(c.is_ascii_alphanumeric() || c == '-' || c == '.' || (!c.is_ascii() && is_atext(c))))
    {
        return Err(BadAddress::Character(c));
    }
    let ascii = if domain.is_ascii() {
        domain.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii_strict(domain).map_err(|_| BadAddress::Domain)?
    };
    if !is_host_name(&ascii) {
        return Err(BadAddress::Domain);
    }
    // RFC 5890 §2.3.2.1: an A-label is the Punycode of something.
    if ascii.split('.').any(|label| label.starts_with("xn--")) && idna::domain_to_unicode(&ascii).1.is_err() {
        return Err(BadAddress::Domain);
    }
    Ok(ascii)
}

// RFC 5321 §2.3.5 with RFC 1123 §2.1: letters, digits, hyphens inside, no trailing dot.
pub(crate) fn is_host_name(domain: &str) -> bool {
    domain.len() <= 253
        && domain.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        })
        && !domain.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_09_odd_addresses_are_refused() {
        for odd in [
            "",
            "a",
            "@",
            "a@",
            "@b.example",
            " a@b.example",
            "a@b.example ",
            "a @b.example",
            "a@b .example",
            "a\0@b.example",
            "a@b.example\0",
            "a\t@b.example",
            "\"a\"@b.example",
            "\"a b\"@b.example",
            "a(c)@b.example",
            "a@b.example(c)",
            "a@b@c.example",
            "<a@b.example>",
            "a@b.example>",
            "A <a@b.example>",
            "a\u{a0}@b.example",
            "a\u{3000}@b.example",
            "a\u{200b}@b.example",
            "a\u{202e}@b.example",
            "\u{feff}a@b.example",
            "a@b..example",
            "a@.b.example",
            "a@b.example.",
            ".a@b.example",
            "a.@b.example",
            "a..b@c.example",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a@-b.example",
            "a@b-.example",
            "a@b_c.example",
            "a,b@c.example",
            "a;b@c.example",
            "a:b@c.example",
            "@r.example:a@b.example",
            "a\\@b.example",
            "a\r\n@b.example",
            "a@b.example\n",
            "a@xn--\u{e4}.example",
            "a@xn--a.example",
        ] {
            assert!(EmailAddress::parse(odd).is_err(), "{odd:?}");
        }
        assert!(EmailAddress::parse(&format!("{}@b.example", "a".repeat(65))).is_err());
        assert!(EmailAddress::parse(&format!("a@{}example", "b.".repeat(130))).is_err());
    }

    #[test]
    fn t_67_one_key_per_mailbox() {
        let parse = |text: &str| EmailAddress::parse(text).unwrap();
        assert_eq!(parse("Partner@X.Example"), parse("partner@x.example"));
        assert_eq!(parse("Partner@X.Example").canonical(), "partner@x.example");
        assert_eq!(parse("a@m\u{fc}ller.example").domain(), "xn--mller-kva.example");
        assert_eq!(parse("a@M\u{dc}LLER.example"), parse("A@xn--mller-kva.EXAMPLE"));
        // NFC and NFD are one key, but not equal to what a certificate says octet by octet.
        let (composed, decomposed) = (parse("j\u{f6}rg@x.example"), parse("jo\u{308}rg@x.example"));
        assert_eq!(composed.canonical(), decomposed.canonical());
        assert_ne!(composed, decomposed);
        // Look-alikes and tags stay apart.
        assert_ne!(parse("p\u{430}rtner@x.example").canonical(), "partner@x.example");
        assert_ne!(parse("partner@ex\u{430}mple.com").canonical(), "partner@example.com");
        assert_ne!(parse("partner+tag@x.example").canonical(), "partner@x.example");
    }

    #[test]
    fn rfc822_names_are_ascii() {
        assert!(EmailAddress::from_ascii("a@m\u{fc}ller.example").is_err());
        assert!(EmailAddress::from_smtp_utf8("j\u{f6}rg@m\u{fc}ller.example").is_err());
        assert!(EmailAddress::from_smtp_utf8("j\u{f6}rg@xn--mller-kva.example").unwrap().needs_smtp_utf8());
    }
}
