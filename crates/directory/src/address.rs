use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use pki::EmailAddress;

use crate::Error;

/// A mailbox as the directory knows it: one key per mailbox, and the address as it was written (CASES T-67).
///
/// The key has the domain in lower case and A-labels and the local part in lower case; a plus-tag belongs to it.
/// Letters that look alike stay different, and one that would turn into another alphabet's letter is refused.
#[derive(Debug, Clone)]
pub struct Address {
    email: EmailAddress,
    key: String,
}

impl Address {
    /// From text that is an address and nothing else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let email = EmailAddress::parse(text)
            .map_err(|error| Error::Malformed { what: "an address", because: error.to_string() })?;
        Self::from_email(email)
    }

    /// From an address out of a certificate.
    pub fn from_email(email: EmailAddress) -> Result<Self, Error> {
        let key = email.canonical();
        // KELVIN SIGN becomes k, ANGSTROM SIGN å: whoever writes those wants somebody else's mailbox.
        let folds = |c: char| matches!(c, '\u{212A}' | '\u{212B}' | '\u{2126}' | '\u{130}' | '\u{17F}');
        if email.local_part().chars().any(folds) {
            let because = "it has a letter that stands for another one".into();
            return Err(Error::Malformed { what: "an address", because });
        }
        Ok(Self { email, key })
    }

    /// One text per mailbox.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The address as certificates are compared with it.
    pub fn email(&self) -> &EmailAddress {
        &self.email
    }

    /// What stands before the `@`, as it was written.
    pub fn local_part(&self) -> &str {
        self.email.local_part()
    }

    /// The domain, lower case, in A-labels.
    pub fn domain(&self) -> &str {
        self.email.domain()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.email.fmt(f)
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> String {
        Address::parse(text).unwrap().key().to_owned()
    }

    #[test]
    fn t_67_one_key_per_mailbox() {
        assert_eq!(key("Partner@X.example"), key("partner@x.EXAMPLE"));
        assert_eq!(key("a@bücher.example"), key("a@xn--bcher-kva.example"));
        // NFC and NFD
        assert_eq!(key("m\u{fc}ller@x.example"), key("mu\u{308}ller@x.example"));
        assert_eq!(key("M\u{dc}ller@x.example"), key("m\u{fc}ller@x.example"));
        assert_eq!(Address::parse("Partner@X.example").unwrap().to_string(), "Partner@x.example");
    }

    #[test]
    fn t_67_look_alikes_never_share() {
        let pairs = [
            // Cyrillic letters in the local part and in the domain
            ("paypal@x.example", "p\u{430}ypal@x.example"),
            ("a@paypal.example", "a@p\u{430}ypal.example"),
            ("a@x.example", "a+tag@x.example"),
            ("a.b@x.example", "ab@x.example"),
            ("strasse@x.example", "stra\u{df}e@x.example"),
        ];
        for (one, other) in pairs {
            assert_ne!(key(one), key(other), "{one} and {other}");
        }
        for refused in
            ["mar\u{212A}@x.example", "\u{212B}sa@x.example", "a@x.example.", " a@x.example", "\u{17F}a@x.example"]
        {
            assert!(Address::parse(refused).is_err(), "{refused}");
        }
    }
}
