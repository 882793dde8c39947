use asn1::{Class, Tag, Writer};

use crate::Error;

/// Writes a value so that it stands for itself in a search filter (RFC 4515 §3). Everything but letters, digits and a
/// few signs is written as `\\XX`, whatever a server's parser thinks of it (CASES T-123).
pub fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for octet in value.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'@' | b'-' | b'_' | b'+' => escaped.push(octet.into()),
            _ => escaped.push_str(&format!("\\{octet:02x}")),
        }
    }
    escaped
}

/// A filter as it goes over the wire: `and`, `or`, `not`, equality and presence (RFC 4511 §4.5.1.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Equal { attribute: String, value: Vec<u8> },
    Present { attribute: String },
}

impl Filter {
    /// From its string form. Substring and ordering matches have no use here, and are refused: a star that is not
    /// escaped never becomes one.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let refused =
            |because: &str| Error::Malformed { what: "the LDAP filter", because: format!("{because}: {text}") };
        let (filter, rest) = parse(text, 0).ok_or_else(|| refused("it is not one of and, or, not, =, =*"))?;
        if rest.is_empty() { Ok(filter) } else { Err(refused("something follows")) }
    }

    pub(super) fn encode(&self, w: &mut Writer) {
        match self {
            Self::And(all) => w.constructed(context(0), |w| all.iter().for_each(|filter| filter.encode(w))),
            Self::Or(all) => w.constructed(context(1), |w| all.iter().for_each(|filter| filter.encode(w))),
            Self::Not(one) => w.constructed(context(2), |w| one.encode(w)),
            Self::Equal { attribute, value } => w.constructed(context(3), |w| {
                w.octet_string(attribute.as_bytes());
                w.octet_string(value);
            }),
            Self::Present { attribute } => {
                w.primitive(Tag { class: Class::Context, constructed: false, number: 7 }, attribute.as_bytes());
            }
        }
    }
}

fn context(number: u32) -> Tag {
    Tag::context_constructed(number)
}

fn parse(text: &str, depth: u32) -> Option<(Filter, &str)> {
    const MOST_DEPTH: u32 = 10;
    let inside = text.strip_prefix('(')?;
    if depth > MOST_DEPTH {
        return None;
    }
    let list = |mut rest| {
        let mut all = Vec::new();
        while let Some((filter, after)) = parse(rest, depth + 1) {
            all.push(filter);
            rest = after;
        }
        Some((all, rest.strip_prefix(')')?)).filter(|(all, _)| !all.is_empty())
    };
    match inside.as_bytes().first()? {
        b'&' => list(inside.get(1..)?).map(|(all, rest)| (Filter::And(all), rest)),
        b'|' => list(inside.get(1..)?).map(|(all, rest)| (Filter::Or(all), rest)),
        b'!' => {
            let (one, rest) = parse(inside.get(1..)?, depth + 1)?;
            Some((Filter::Not(Box::new(one)), rest.strip_prefix(')')?))
        }
        _ => {
            let (item, rest) = inside.split_once(')')?;
            let (attribute, value) = item.split_once('=')?;
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ';' | '.');
            if attribute.is_empty() || !attribute.chars().all(plain) {
                return None;
            }
            let attribute = attribute.to_owned();
            let filter = match value {
                "*" => Filter::Present { attribute },
                _ => Filter::Equal { attribute, value: unescape(value)? },
            };
            Some((filter, rest))
        }
    }
}

fn unescape(value: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(octet) = bytes.next() {
        match octet {
            b'\\' => {
                let digits = [bytes.next()?, bytes.next()?];
                octets.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
            }
            b'*' | b'(' | 0 => return None,
            octet => octets.push(octet),
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_123_an_address_is_only_ever_a_value() {
        for address in
            ["*", "*)(uid=*", "a@b)(|(mail=*", "\\2a", "a\0b", "a@b.example", "\u{fc}@b", "&|!", ")", "(", "\\"]
        {
            let template = "(&(objectClass=person)(|(mail={address})(uid=*)))";
            let filter = Filter::parse(&template.replace("{address}", &escape(address))).unwrap();
            let expected = Filter::And(vec![
                Filter::Equal { attribute: "objectClass".into(), value: b"person".to_vec() },
                Filter::Or(vec![
                    Filter::Equal { attribute: "mail".into(), value: address.as_bytes().to_vec() },
                    Filter::Present { attribute: "uid".into() },
                ]),
            ]);
            assert_eq!(filter, expected, "{address:?}");
        }
    }

    #[test]
    fn odd_filters_are_refused() {
        for text in [
            "",
            "mail=x",
            "(mail=x",
            "(mail=x))",
            "(mail=a*b)",
            "(=x)",
            "(mail)",
            "(&)",
            "(!)",
            "(mail=\\2)",
            "(mail=\\zz)",
            "(ma il=x)",
            "(mail>=x)",
            "(mail:dn:=x)",
            &format!("{}(a=b){}", "(!".repeat(50), ")".repeat(50)),
        ] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
    }
}
