use std::fmt;

use pki::EmailAddress;

use super::Reply;

/// Who a message is to: a mailbox in its one strict form.
///
/// Quoted local parts, source routes, address literals and the rest of what no two programs read alike are refused
/// (CASES T-10, T-83).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForwardPath(EmailAddress);

impl ForwardPath {
    /// From what stands between `<` and `>`. `postmaster` alone is the one of `domain` (RFC 5321 §4.5.1).
    pub fn parse(text: &str, domain: &str) -> Result<Self, Reply> {
        if text.eq_ignore_ascii_case("postmaster") {
            let address = format!("postmaster@{domain}");
            return EmailAddress::parse(&address).map(Self).map_err(|error| bad(&error));
        }
        EmailAddress::parse(text).map(Self).map_err(|error| bad(&error))
    }

    /// The mailbox.
    pub fn mailbox(&self) -> &EmailAddress {
        &self.0
    }

    /// Whether the local part hides another address: `user%other@here`, `other!user@here`, which old mail
    /// servers route on (CASES T-83).
    pub fn routes(&self) -> bool {
        self.0.local_part().contains(['%', '!', '/', '|'])
    }
}

impl From<EmailAddress> for ForwardPath {
    fn from(address: EmailAddress) -> Self {
        Self(address)
    }
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn bad(error: &pki::Error) -> Reply {
    Reply::new(553, "5.1.3", format!("this address is not taken here: {error}"))
}

/// Who a message is from: nobody (`<>`), or an address, kept as it was written so that reports find their way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReversePath {
    text: String,
    mailbox: Option<EmailAddress>,
}

impl ReversePath {
    /// From what stands between `<` and `>`.
    pub fn parse(text: &str) -> Result<Self, Reply> {
        let odd = |c: char| c.is_control() || matches!(c, '<' | '>' | ' ');
        if text.len() > 256 || text.chars().any(odd) || (!text.is_empty() && !text.contains('@')) {
            return Err(Reply::new(553, "5.1.7", "this sender address is not taken here"));
        }
        Ok(Self { text: text.to_owned(), mailbox: EmailAddress::parse(text).ok() })
    }

    /// The null reverse-path of reports.
    pub fn null() -> Self {
        Self::default()
    }

    /// Whether it is `<>`.
    pub fn is_null(&self) -> bool {
        self.text.is_empty()
    }

    /// The mailbox, when it is in the one strict form.
    pub fn mailbox(&self) -> Option<&EmailAddress> {
        self.mailbox.as_ref()
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl From<EmailAddress> for ReversePath {
    fn from(address: EmailAddress) -> Self {
        Self { text: address.to_string(), mailbox: Some(address) }
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_83_odd_recipients_are_refused_or_seen() {
        for odd in [
            "@a.example,@b.example:user@c.example",
            "@a.example:user@c.example",
            "\"user@c.example\"@a.example",
            "\"user\"@a.example",
            "user@c.example@a.example",
            "user@[127.0.0.1]",
            "user@[IPv6:::1]",
            "user@127.0.0.1",
            "user",
            "",
            "@a.example",
            "user@",
            "user@a.example.",
            "user @a.example",
            "user(c)@a.example",
            "user\\@c.example@a.example",
            "user@a..example",
            "user:x@a.example",
            "user,x@a.example",
            "user;x@a.example",
            "<user@a.example>",
            "user\u{200b}@a.example",
            "user\0@a.example",
        ] {
            assert!(ForwardPath::parse(odd, "a.example").is_err(), "{odd}");
        }
        for routing in ["user%c.example@a.example", "c.example!user@a.example", "|cmd@a.example", "/etc/x@a.example"] {
            assert!(ForwardPath::parse(routing, "a.example").unwrap().routes(), "{routing}");
        }
        assert_eq!(ForwardPath::parse("Postmaster", "a.example").unwrap().to_string(), "postmaster@a.example");
        assert!(!ForwardPath::parse("j\u{f6}rg+tag@a.example", "a.example").unwrap().routes());
    }

    #[test]
    fn senders_keep_their_form() {
        let odd = ReversePath::parse("\"a.b\"@x.example").unwrap();
        assert!(odd.mailbox().is_none() && odd.as_str() == "\"a.b\"@x.example");
        assert!(ReversePath::parse("").unwrap().is_null());
        assert!(ReversePath::parse("a@b.example> SIZE=1").is_err());
    }
}
