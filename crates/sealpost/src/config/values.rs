//! What the values of a configuration have to be, beyond their types: those with which nothing would work, or something
//! else than its writer believes, are named before anything runs.

use std::net::{IpAddr, Ipv6Addr};

use super::{Config, LookUpKind, OpenId, Rule};

/// Who is inside. `*.example.org` would be nobody's domain, and whoever wrote it believes that all below it are inside.
pub(super) fn domains(domains: &[String]) -> Result<(), String> {
    match domains.iter().find(|domain| !is_domain(domain)) {
        Some(odd) => Err(format!(
            "organisation.domains: {odd:?} is not a domain: name each by itself, such as example.org and sub.example.org"
        )),
        None => Ok(()),
    }
}

/// How partners reach the pages: first passwords, links and cookies go this way, so it is TLS, or this machine.
pub(super) fn base_url(url: &str) -> Result<(), String> {
    match Place::of(url) {
        Some(place) if !place.is_private() => Err(format!(
            "portal.base_url {url} must begin with https://: passwords and links would go in the clear (http:// is for \
             this machine alone)"
        )),
        Some(place) if !matches!(place.behind, "" | "/") => {
            Err(format!("portal.base_url {url} has something behind the host: links are made of https://HOST alone"))
        }
        Some(_) => Ok(()),
        None => Err(format!("portal.base_url {url} is not https://HOST (or http://localhost)")),
    }
}

/// A URL of the web, taken apart.
struct Place<'u> {
    scheme: &'u str,
    host: &'u str,
    /// What stands behind host and port.
    behind: &'u str,
}

impl<'u> Place<'u> {
    fn of(url: &'u str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at_checked(end)?;
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']')?;
                host.parse::<Ipv6Addr>().ok()?;
                (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        // Names within a network of containers may have an underscore.
        let is_host = host.parse::<IpAddr>().is_ok() || is_domain(&host.replace('_', "-"));
        let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
        (matches!(scheme, "https" | "http") && is_host && is_port).then_some(Self { scheme, host, behind })
    }

    /// Whether nobody on the way reads it: by TLS, or because it does not leave this machine.
    fn is_private(&self) -> bool {
        let is_here = match self.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host.eq_ignore_ascii_case("localhost"),
        };
        self.scheme == "https" || is_here
    }
}

/// A host's name or a mail domain: no blanks, no wildcard, no address.
fn is_domain(text: &str) -> bool {
    pki::EmailAddress::parse(&format!("x@{text}")).is_ok()
}

/// What a rule asks for. An empty word is in every subject, and one that no address can match is a rule that never holds.
pub(super) fn rule(rule: &Rule) -> Result<(), String> {
    let Rule { name, from, to, subject_words, header, labels, users, groups, .. } = rule;
    if name.trim().is_empty() {
        return Err("a policy rule has an empty name".into());
    }
    for (key, words) in [("subject_words", subject_words), ("labels", labels), ("users", users), ("groups", groups)] {
        if words.iter().any(|word| is_nothing(word)) {
            return Err(format!("policy rule {name}: {key} has an empty entry"));
        }
    }
    for (key, patterns) in [("from", from), ("to", to)] {
        if let Some(odd) = patterns.iter().find(|pattern| !is_pattern(pattern)) {
            return Err(format!(
                "policy rule {name}: {key} has {odd:?}, which is not \"user@domain\", \"domain\" or \"*.domain\""
            ));
        }
    }
    if header.as_ref().and_then(|header| header.split_once(':')).is_some_and(|(field, _)| is_nothing(field)) {
        return Err(format!("policy rule {name}: header names no field"));
    }
    Ok(())
}

/// Whether nobody sees anything of a word: subjects are compared without what is invisible.
fn is_nothing(word: &str) -> bool {
    let is_unseen = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{ad}' | '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    word.chars().all(is_unseen)
}

/// `user@domain`, `@domain`, `*@domain`, `domain`, `*.domain` or `*`.
fn is_pattern(pattern: &str) -> bool {
    let domain = match pattern.split_once('@') {
        Some(("" | "*", domain)) => domain,
        Some(_) => return pki::EmailAddress::parse(pattern).is_ok(),
        None => pattern.strip_prefix("*.").unwrap_or(pattern),
    };
    pattern == "*" || is_domain(domain)
}

/// Values with which nothing would come in, nobody could stay logged in, or everything would be renewed for ever.
pub(super) fn senses(config: &Config) -> Result<(), String> {
    let Config { gateway, portal, renewal, .. } = config;
    for (key, is_zero) in [
        ("gateway.message_bytes", gateway.message_bytes == 0),
        ("gateway.connections", gateway.connections == 0),
        ("gateway.connections_per_address", gateway.connections_per_address == 0),
        ("portal.upload_bytes", portal.upload_bytes == 0),
        ("portal.idle_minutes", portal.idle_minutes == 0),
    ] {
        if is_zero {
            return Err(format!("{key} must be at least 1"));
        }
    }
    if let Some(odd) = gateway.hostname.as_deref().filter(|name| !is_domain(name)) {
        return Err(format!("gateway.hostname {odd:?} is not a host's name"));
    }
    if renewal.house_days >= renewal.validity_days {
        return Err(
            "renewal.house_days must be less than renewal.validity_days: each certificate would be renewed at once"
                .into(),
        );
    }
    for source in &config.look_up.source {
        let url = source.url.as_deref();
        match source.kind {
            LookUpKind::Ldap if source.base.is_none() => return Err("look_up.source: ldap needs base".into()),
            LookUpKind::Ldap => ldap("look_up.source", url.unwrap_or_default())?,
            LookUpKind::Http if !url.is_some_and(|url| url.starts_with("https://") || url.starts_with("http://")) => {
                return Err(format!("look_up.source: {:?} is not https://… or http://…", url.unwrap_or_default()));
            }
            LookUpKind::Http | LookUpKind::Smimea => {}
        }
    }
    config.look_up.publish.as_ref().map_or(Ok(()), |server| ldap("look_up.publish", &server.url))
}

fn ldap(key: &str, url: &str) -> Result<(), String> {
    let host = url.strip_prefix("ldaps://").or_else(|| url.strip_prefix("ldap://"));
    match host.is_some_and(|host| !host.is_empty() && !host.contains(char::is_whitespace)) {
        true => Ok(()),
        false => Err(format!("{key}: {url:?} is not ldaps://HOST or ldap://HOST")),
    }
}

/// Who somebody is comes from there, with a secret that goes there.
pub(super) fn issuer(openid: &OpenId) -> Result<(), String> {
    match Place::of(&openid.issuer) {
        Some(place) if place.is_private() => Ok(()),
        _ => Err(format!(
            "portal.openid.issuer {:?} is not https://… (http:// is for this machine alone)",
            openid.issuer
        )),
    }
}
