use std::collections::HashSet;

use crate::email_address::is_host_name;
use crate::extensions::{GeneralName, NameConstraints};
use crate::oids::SMTP_UTF8_MAILBOX;
use crate::{Certificate, EmailAddress, Reason};

use super::Budget;

/// The name constraints that hold below the CAs of a path so far (RFC 5280 §6.1.2 (b), (c)).
#[derive(Debug, Default)]
pub(super) struct Constraints<'a> {
    // A name must be in one of each CA's permitted subtrees of its type: an intersection of unions.
    all: Vec<&'a NameConstraints>,
}

/// Whether a name lies in a subtree, as far as that can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Yes,
    No,
    /// Of another type: the constraint says nothing about it.
    OtherType,
    /// One of the two cannot be read, so nobody can say: refused either way (CASES T-49).
    Unreadable,
}

impl<'a> Constraints<'a> {
    pub(super) fn add(&mut self, constraints: &'a NameConstraints) {
        self.all.push(constraints);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    // RFC 5280 §6.1.3 (b), (c): every name of the certificate, in the subject and in subjectAltName.
    pub(super) fn check(&self, certificate: &Certificate, budget: &Budget) -> Result<(), Reason> {
        if self.all.is_empty() {
            return Ok(());
        }
        let names = names_of(certificate);
        for constraints in &self.all {
            let subtrees = constraints.permitted.len() + constraints.excluded.len();
            // CASES T-48: 10⁴ names times 10⁴ constraints are not compared.
            budget.comparisons(names.len().saturating_mul(subtrees)).map_err(|_| Reason::ChainTooComplex)?;
            for name in &names {
                if !is_allowed(name, constraints) {
                    return Err(Reason::NameConstraint { name: name.to_string() });
                }
            }
        }
        Ok(())
    }
}

fn is_allowed(name: &GeneralName, constraints: &NameConstraints) -> bool {
    let excluded = constraints.excluded.iter().any(|base| match within(name, base, Side::Excluded) {
        Within::Yes | Within::Unreadable => true,
        Within::No | Within::OtherType => false,
    });
    if excluded {
        return false;
    }
    // RFC 5280 §4.2.1.10: only names of a type that is constrained are restricted.
    let mut constrained = false;
    for base in &constraints.permitted {
        match within(name, base, Side::Permitted) {
            Within::Yes => return true,
            Within::No | Within::Unreadable => constrained = true,
            Within::OtherType => {}
        }
    }
    !constrained
}

fn names_of(certificate: &Certificate) -> HashSet<GeneralNameKey> {
    let mut names: HashSet<GeneralNameKey> = HashSet::new();
    if !certificate.subject().is_empty() {
        names.insert(GeneralNameKey(GeneralName::DirectoryName(certificate.subject().clone())));
    }
    // RFC 5280 §4.2.1.10: emailAddress in the subject counts as rfc822Name. Always, not only without a
    // subjectAltName: it is matched always as well (CASES S-25).
    for attribute in certificate.subject().email_attributes() {
        names.insert(GeneralNameKey(match attribute.text() {
            Some(text) => GeneralName::Rfc822Name(text.to_owned()),
            None => GeneralName::Malformed { kind: 1, content: attribute.raw().to_vec() },
        }));
    }
    names.extend(certificate.subject_alternative_names().iter().cloned().map(GeneralNameKey));
    names
}

/// So that a name that is repeated counts once.
#[derive(Debug, Clone, PartialEq, Eq)]
struct GeneralNameKey(GeneralName);

impl std::ops::Deref for GeneralNameKey {
    type Target = GeneralName;

    fn deref(&self) -> &GeneralName {
        &self.0
    }
}

impl std::hash::Hash for GeneralNameKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        match &self.0 {
            GeneralName::DirectoryName(name) => name.hash(state),
            other => other.to_string().hash(state),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Permitted,
    Excluded,
}

fn within(name: &GeneralName, base: &GeneralName, side: Side) -> Within {
    use GeneralName as G;
    match (name, base) {
        (G::DirectoryName(name), G::DirectoryName(base)) => yes_if(name.is_within(base)),
        (G::Rfc822Name(text), G::Rfc822Name(base)) => mailbox_within(EmailAddress::from_ascii(text).ok(), base),
        // RFC 9598 §6: rfc822Name constraints bind SmtpUTF8Mailbox names too.
        (G::SmtpUtf8Mailbox(text), G::Rfc822Name(base)) => {
            mailbox_within(EmailAddress::from_smtp_utf8(text).ok(), base)
        }
        (G::SmtpUtf8Mailbox(text) | G::Rfc822Name(text), G::SmtpUtf8Mailbox(base)) => {
            match (EmailAddress::parse(text), EmailAddress::parse(base)) {
                (Ok(name), Ok(base)) => yes_if(name == base),
                _ => Within::Unreadable,
            }
        }
        (G::DnsName(name), G::DnsName(base)) => host_within(name, base, side),
        (G::Uri(uri), G::Uri(base)) => uri_within(uri, base),
        (G::IpAddress(name), G::IpAddress(base)) => ip_within(name, base),
        // RFC 5280 §4.2.1.10: what cannot be compared is refused: registeredID, x400Address, ediPartyName, and
        // otherName of a type not known here.
        (G::RegisteredId(_), G::RegisteredId(_)) => Within::Unreadable,
        (G::Other { kind: 0, type_id: one, .. }, G::Other { kind: 0, type_id: other, .. }) => {
            if one == other {
                Within::Unreadable
            } else {
                Within::OtherType
            }
        }
        (G::SmtpUtf8Mailbox(_), G::Other { type_id, .. }) if *type_id != Some(SMTP_UTF8_MAILBOX) => Within::OtherType,
        (G::Other { kind: one, .. }, G::Other { kind: other, .. }) => {
            if one == other {
                Within::Unreadable
            } else {
                Within::OtherType
            }
        }
        (G::Malformed { kind, .. }, base) if *kind == kind_of(base) => Within::Unreadable,
        // A mailbox in an otherName that cannot be read may still be one.
        (G::Malformed { kind: 0, .. }, G::Rfc822Name(_)) => Within::Unreadable,
        (name, G::Malformed { kind, .. }) if *kind == kind_of(name) => Within::Unreadable,
        _ => Within::OtherType,
    }
}

fn kind_of(name: &GeneralName) -> u32 {
    match name {
        GeneralName::SmtpUtf8Mailbox(_) => 0,
        GeneralName::Rfc822Name(_) => 1,
        GeneralName::DnsName(_) => 2,
        GeneralName::DirectoryName(_) => 4,
        GeneralName::Uri(_) => 6,
        GeneralName::IpAddress(_) => 7,
        GeneralName::RegisteredId(_) => 8,
        GeneralName::Malformed { kind, .. } | GeneralName::Other { kind, .. } => *kind,
    }
}

fn yes_if(condition: bool) -> Within {
    if condition { Within::Yes } else { Within::No }
}

// RFC 5280 §4.2.1.10: `user@host` is that mailbox, `host` every mailbox at the host, `.domain` every mailbox at
// hosts below the domain.
fn mailbox_within(name: Option<EmailAddress>, base: &str) -> Within {
    let Some(name) = name else { return Within::Unreadable };
    if base.contains('@') {
        return EmailAddress::from_ascii(base).map_or(Within::Unreadable, |base| yes_if(name == base));
    }
    let (host, below_only) = match base.strip_prefix('.') {
        Some(host) => (host, true),
        None => (base, false),
    };
    // Seen in the wild: an empty base, which excludes every mailbox.
    if base.is_empty() {
        return Within::Yes;
    }
    if !is_host_name(host) {
        return Within::Unreadable;
    }
    let host = host.to_ascii_lowercase();
    yes_if(if below_only { is_below(name.domain(), &host) } else { name.domain() == host })
}

/// Whether `host` has labels in front of `domain`. Both in lower case.
fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
}

// RFC 5280 §4.2.1.10: any name made by adding labels to the left satisfies the constraint.
fn host_within(name: &str, base: &str, side: Side) -> Within {
    // Seen in the wild: a leading dot, read like none at all; an empty base is everything.
    let base = base.strip_prefix('.').unwrap_or(base).to_ascii_lowercase();
    let name = name.to_ascii_lowercase();
    let (name, wildcard) = match name.strip_prefix("*.") {
        Some(rest) => (rest, true),
        None => (name.as_str(), false),
    };
    if !is_host_name(name) || !(base.is_empty() || is_host_name(&base)) {
        return Within::Unreadable;
    }
    let inside = base.is_empty() || name == base || is_below(name, &base);
    // CASES T-49: a wildcard also stands for a host in an excluded subtree one label below it.
    let reaches_into = wildcard && side == Side::Excluded && base.split_once('.').is_some_and(|(_, rest)| rest == name);
    yes_if(inside || reaches_into)
}

// RFC 5280 §4.2.1.10: the host part, as for mailboxes; a URI without a host name is refused.
fn uri_within(uri: &str, base: &str) -> Within {
    let Some(host) = host_of_uri(uri) else { return Within::Unreadable };
    let (base, below_only) = match base.strip_prefix('.') {
        Some(base) => (base.to_ascii_lowercase(), true),
        None => (base.to_ascii_lowercase(), false),
    };
    if !is_host_name(&base) {
        return Within::Unreadable;
    }
    yes_if(if below_only { is_below(&host, &base) } else { host == base })
}

// RFC 3986 §3.2: what stands between `//` and the next `/`, `?` or `#`, without user and port.
fn host_of_uri(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once(':')?;
    if scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.')) {
        return None;
    }
    let authority = rest.strip_prefix("//")?.split(['/', '?', '#']).next()?;
    // A backslash or a second `@` is read differently by different programs.
    if authority.contains('\\') || authority.matches('@').count() > 1 {
        return None;
    }
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.split_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        Some(_) => return None,
        None => host,
    };
    is_host_name(host).then(|| host.to_ascii_lowercase())
}

// RFC 5280 §4.2.1.10: address and mask, eight octets for IPv4 and thirty-two for IPv6.
fn ip_within(name: &[u8], base: &[u8]) -> Within {
    if !matches!(name.len(), 4 | 16) || !matches!(base.len(), 8 | 32) {
        return Within::Unreadable;
    }
    if base.len() != 2 * name.len() {
        return Within::No;
    }
    let (network, mask) = base.split_at(name.len());
    // RFC 4632 §3.1: ones, then zeros.
    let mut zeros = false;
    for bit in mask.iter().flat_map(|octet| (0..8).map(move |shift| octet & (0x80 >> shift) != 0)) {
        if bit && zeros {
            return Within::Unreadable;
        }
        zeros |= !bit;
    }
    yes_if(name.iter().zip(network).zip(mask).all(|((name, network), mask)| name & mask == network & mask))
}
