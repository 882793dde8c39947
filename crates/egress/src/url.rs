use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Error;

/// An http or https URL of the plainest form. What different programs read differently is refused (CASES T-120).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) tls: bool,
    pub(crate) host: Host,
    pub(crate) port: u16,
    /// Path and query, beginning with a slash.
    pub(crate) target: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    Name(String),
    Address(IpAddr),
}

impl Url {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let refused = |because| Error::Forbidden { host: text.chars().take(200).collect(), because, address: None };
        if text.len() > MOST_OCTETS || !text.bytes().all(|b| (0x21..0x7f).contains(&b) && b != b'\\') {
            return Err(refused("is no plain URL"));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| refused("is no http URL"))?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(refused("is no http URL")),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let target = target.split('#').next().unwrap_or_default();
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        if authority.contains('@') {
            return Err(refused("names a user"));
        }
        let (host, port) = split_port(authority).ok_or_else(|| refused("has an odd host or port"))?;
        let port = match port {
            None => {
                if tls {
                    443
                } else {
                    80
                }
            }
            Some(port) => port.parse().ok().filter(|&port| port != 0).ok_or_else(|| refused("has an odd port"))?,
        };
        let host = Host::parse(host).ok_or_else(|| refused("has an odd host"))?;
        Ok(Self { tls, host, port, target })
    }

    /// What a `Location` field points to.
    pub(crate) fn join(&self, location: &str) -> Result<Self, Error> {
        if location.starts_with('/') && !location.starts_with("//") {
            let scheme = if self.tls { "https" } else { "http" };
            return Self::parse(&format!("{scheme}://{}{location}", self.authority()));
        }
        Self::parse(location)
    }

    /// Host and port, as the `Host` field has them.
    pub(crate) fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

const MOST_OCTETS: usize = 2048;

fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if authority.starts_with('[') {
        let (host, rest) = authority.split_at_checked(authority.find(']')? + 1)?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((authority, None)),
    }
}

impl Host {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return inside.parse::<Ipv6Addr>().ok().map(|address| Self::Address(address.into()));
        }
        // `2130706433`, `0177.0.0.1`, `0x7f.1`: numbers that some programs take for addresses. What ends in a number is
        // an address in its one plain form, or nothing.
        let last = text.rsplit('.').next()?;
        if last.starts_with(|c: char| c.is_ascii_digit())
            && last.bytes().all(|b| b.is_ascii_hexdigit() || b == b'x' || b == b'X')
        {
            return text.parse::<Ipv4Addr>().ok().map(|address| Self::Address(address.into()));
        }
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let fits = text.len() <= 253 && text.split('.').all(is_label);
        fits.then(|| Self::Name(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => address.fmt(f),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_120_what_is_read_differently_is_refused() {
        for text in [
            "",
            "x",
            "file:///etc/passwd",
            "ldap://a/",
            "gopher://a/",
            "ftp://a/",
            "http:/a/",
            "http://",
            "http:///x",
            "http://user@a/",
            "http://a@b/",
            "http://a:b@c/",
            "http://a\\@b/",
            "http://a b/",
            "http://a/ b",
            "http://a/\r\nX: y",
            "http://0177.0.0.1/",
            "http://0x7f.0.0.1/",
            "http://2130706433/",
            "http://127.1/",
            "http://0x7f000001/",
            "http://127.0.0.1./",
            "http://[::1/",
            "http://[::1]x/",
            "http://[fe80::1%25eth0]/",
            "http://a:0/",
            "http://a:70000/",
            "http://a:80:80/",
            "http://a:/",
            "http://-a/",
            "http://a..b/",
            "http://m\u{fc}ller.example/",
            "http://%61.example/",
            "http://a.example%00.b/",
            "http://1.2.3.4.5/",
            "http://*.example/",
            "http://a_b.example/",
        ] {
            assert!(Url::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn plain_urls_are_read() {
        for (text, authority, target) in [
            ("http://ca.example/a.crl", "ca.example", "/a.crl"),
            ("HTTP://CA.Example:80", "ca.example", "/"),
            ("http://ca.example:8080?x=1#y", "ca.example:8080", "/?x=1"),
            ("https://192.0.2.1/x", "192.0.2.1", "/x"),
            ("http://[2001:db8::1]:81/", "[2001:db8::1]:81", "/"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.authority().as_str(), url.target.as_str()), (authority, target), "{text}");
        }
        let url = Url::parse("http://ca.example/a/b").unwrap();
        assert_eq!(url.join("/c").unwrap().target, "/c");
        assert_eq!(url.join("http://other.example/c").unwrap().authority(), "other.example");
        assert!(url.join("//other.example/c").is_err());
        assert!(url.join("c").is_err());
    }
}
