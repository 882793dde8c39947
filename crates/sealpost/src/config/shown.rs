//! The settings as people may see them: what opens something is left out, where it is kept stays.

use super::Config;
use crate::serve::SecretPlace;

/// One setting to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// `part.name`; in a list of tables with its number, `part.1.name`.
    pub(crate) name: String,
    pub(crate) value: String,
    /// Whether it stands in the file.
    pub(crate) written: bool,
}

impl Config {
    /// Every setting, with nothing secret in it.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        let table = toml::Table::try_from(self).unwrap_or_default();
        let shown = leaves(&table).into_iter().map(|(name, value)| {
            let value = match value {
                toml::Value::Array(values) => {
                    values.iter().map(|value| harmless(&name, value)).collect::<Vec<_>>().join(", ")
                }
                value => harmless(&name, value),
            };
            Shown { written: self.written.contains(&name), name, value }
        });
        shown.collect()
    }
}

/// The leaves of a table by their whole name.
pub(super) fn leaves(table: &toml::Table) -> Vec<(String, &toml::Value)> {
    fn walk<'t>(name: &str, value: &'t toml::Value, leaves: &mut Vec<(String, &'t toml::Value)>) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                    walk(&name, value, leaves);
                }
            }
            toml::Value::Array(values) if values.iter().any(toml::Value::is_table) => {
                for (index, value) in values.iter().enumerate() {
                    walk(&format!("{name}.{}", index + 1), value, leaves);
                }
            }
            value => leaves.push((name.to_owned(), value)),
        }
    }
    let mut found = Vec::new();
    for (key, value) in table {
        walk(key, value, &mut found);
    }
    found
}

fn harmless(name: &str, value: &toml::Value) -> String {
    let toml::Value::String(text) = value else { return value.to_string() };
    let key = name.rsplit('.').find(|part| part.parse::<usize>().is_err()).unwrap_or_default();
    // A place is no secret, and it is what an operator looks for here.
    let place = SecretPlace::parse(text).is_some() || text.starts_with('/');
    if key.split('_').any(|word| SECRET.contains(&word)) && !place && !OPEN.contains(&key) {
        return HIDDEN.to_owned();
    }
    text.split(' ').map(without_secrets).collect::<Vec<_>>().join(" ")
}

/// A URL as it may be shown: without who logs in, and without the values of its query, which may be keys as well.
pub(crate) fn without_secrets(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://").or_else(|| url.split_once(':').filter(|_| url.contains('@')))
    else {
        return url.to_owned();
    };
    // The last @: a password may have one, too.
    let rest = rest.rsplit_once('@').map_or_else(|| rest.to_owned(), |(_, place)| format!("{HIDDEN}@{place}"));
    let Some((place, query)) = rest.split_once('?') else { return format!("{scheme}://{rest}") };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((_, value)) if value.starts_with('{') && value.ends_with('}') => pair.to_owned(),
        Some((name, _)) => format!("{name}={HIDDEN}"),
        None => HIDDEN.to_owned(),
    });
    format!("{scheme}://{place}?{}", pairs.collect::<Vec<_>>().join("&"))
}

/// Words in the names of keys whose values open something.
const SECRET: [&str; 8] = ["credential", "hmac", "key", "passphrase", "password", "pin", "secret", "token"];
/// Keys that have such a word in their name, and say what is done.
const OPEN: [&str; 1] = ["forgotten_password"];
const HIDDEN: &str = "…";

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::REFERENCE;

    #[test]
    fn what_opens_nothing_is_shown_whatever_its_name_has_in_it() {
        let shown = |name, value: &str| harmless(name, &toml::Value::String(value.into()));
        assert_eq!(shown("portal.forgotten_password", "mailed-link"), "mailed-link");
        assert_eq!(shown("portal.password", "mailed-link"), HIDDEN);
    }

    #[test]
    fn urls_are_shown_without_what_logs_in() {
        for (url, shown) in [
            ("postgres://sealpost:secret@db/x", "postgres://…@db/x"),
            ("postgres://sealpost:se@cret@db/x?password=secret", "postgres://…@db/x?password=…"),
            ("postgres:sealpost:secret@db/x", "postgres://…@db/x"),
            ("sqlite:/var/lib/x.db", "sqlite:/var/lib/x.db"),
            ("https://keys.example/?secret&q={address}&key=secret", "https://keys.example/?…&q={address}&key=…"),
            ("smtp://127.0.0.1:10026", "smtp://127.0.0.1:10026"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        const MARKER: &str = "hidden-marker";
        let mut config = Config::parse(REFERENCE).unwrap();
        let url = |scheme: &str| format!("{scheme}://user:{MARKER}@host.example:25/x?password={MARKER}&{MARKER}");
        config.database.url = url("postgres");
        config.keys.master_key = Some(MARKER.into());
        config.keys.next_master_key = Some(MARKER.into());
        config.keys.master_key_file = Some(PathBuf::from(MARKER));
        config.gateway.next_hop.inside = url("smtp");
        config.gateway.next_hop.outside = url("lmtp");
        config.organisation.certificate_sources = vec![format!("Muster CA {}", url("https")), url("https")];
        config.portal.base_url = url("https");
        for token in &mut config.keys.token {
            token.pin = MARKER.into();
        }
        for source in &mut config.look_up.source {
            source.url = Some(url("ldaps"));
        }
        config.look_up.publish.as_mut().unwrap().url = url("ldaps");
        for listener in &mut config.gateway.listener {
            listener.tls_key = Some(PathBuf::from(format!("-----BEGIN PRIVATE KEY-----{MARKER}")));
        }
        let shown = config.shown();
        for one in &shown {
            assert!(!one.value.contains(MARKER), "{one:?}");
        }
        let value = |name: &str| shown.iter().find(|one| one.name == name).unwrap().value.as_str();
        assert_eq!(value("database.url"), "postgres://…@host.example:25/x?password=…&…");
        assert_eq!(value("keys.token.1.pin"), "…");
    }

    #[test]
    fn every_setting_is_shown_with_its_source() {
        let text = REFERENCE.replace("deadline_days = 7\n", "");
        let shown = Config::parse(&text).unwrap().shown();
        let one = |name: &str| shown.iter().find(|one| one.name == name).unwrap_or_else(|| panic!("{name}"));
        assert!(!one("organisation.deadline_days").written && one("organisation.deadline_days").value == "7");
        assert!(one("organisation.domains").written);
        assert_eq!(one("gateway.listener.1.networks").value, "127.0.0.0/8, ::1/128");
        assert_eq!(one("gateway.listener.1.tls_key").value, "/etc/sealpost/tls.key", "a place is shown");
        assert_eq!(one("keys.token.1.pin").value, "file:/etc/sealpost/token.pin");
        assert_eq!(one("look_up.source.1.password_file").value, "/etc/sealpost/ldap.password");
    }
}
