use std::fmt;

use asn1::{Because, Element, Error, Oid, Reader, Tag};

use crate::{Name, oids};

/// A `GeneralName` (RFC 5280 §4.2.1.6).
///
/// ```text
/// GeneralName ::= CHOICE {
///   otherName [0], rfc822Name [1] IA5String, dNSName [2] IA5String, x400Address [3],
///   directoryName [4] Name, ediPartyName [5], uniformResourceIdentifier [6] IA5String,
///   iPAddress [7] OCTET STRING, registeredID [8] OBJECT IDENTIFIER }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GeneralName {
    /// A distinguished name.
    DirectoryName(Name),
    /// A host name, unchecked.
    DnsName(String),
    /// Four or sixteen octets, or twice as many in a constraint.
    IpAddress(Vec<u8>),
    /// A name whose content is not what its type allows; it matches nothing.
    Malformed {
        /// The choice's number.
        kind: u32,
        /// The content octets.
        content: Vec<u8>,
    },
    /// `OtherName` of a type not read here, or x400Address, ediPartyName.
    Other {
        /// The choice's number: 0, 3 or 5.
        kind: u32,
        /// The type-id of an otherName.
        type_id: Option<Oid>,
        /// The content octets.
        content: Vec<u8>,
    },
    /// An object identifier.
    RegisteredId(Oid),
    /// A mailbox in ASCII, unchecked: see [`EmailAddress`](crate::EmailAddress).
    Rfc822Name(String),
    /// RFC 9598: a mailbox in UTF-8, unchecked.
    SmtpUtf8Mailbox(String),
    /// A URI, unchecked.
    Uri(String),
}

impl GeneralName {
    /// Names that one list may have (CASES T-48).
    pub const MOST: usize = 10_000;

    pub(crate) fn from_element(element: &Element<'_>) -> Result<Self, Error> {
        let tag = element.tag();
        let what = "GeneralName";
        let here = |because| Error::Malformed { what, offset: element.offset(), because };
        if tag.class != asn1::Class::Context {
            return Err(here(Because::Unexpected { found: Some(tag), expected: None }));
        }
        let malformed = || Self::Malformed { kind: tag.number, content: element.content().to_vec() };
        let text = |make: fn(String) -> Self| -> Self {
            match std::str::from_utf8(element.content()) {
                Ok(text) if text.is_ascii() && !tag.constructed => make(text.to_owned()),
                _ => malformed(),
            }
        };
        Ok(match tag.number {
            0 => {
                let mut reader = element.reader("OtherName")?;
                let type_id = reader.oid()?;
                let mut value = reader
                    .context(0, "OtherName")?
                    .ok_or_else(|| here(Because::Unexpected { found: None, expected: None }))?;
                reader.finish()?;
                let content = value.rest().to_vec();
                if type_id == oids::SMTP_UTF8_MAILBOX {
                    let inner = value.element()?;
                    match inner.to_text() {
                        Ok(text) if inner.tag() == Tag::UTF8_STRING && value.is_empty() => {
                            Self::SmtpUtf8Mailbox(text.into_owned())
                        }
                        _ => malformed(),
                    }
                } else {
                    Self::Other { kind: 0, type_id: Some(type_id), content }
                }
            }
            1 => text(Self::Rfc822Name),
            2 => text(Self::DnsName),
            3 | 5 => Self::Other { kind: tag.number, type_id: None, content: element.content().to_vec() },
            4 => {
                let mut reader = element.reader("directoryName")?;
                let name = Name::from_element(&reader.expect(Tag::SEQUENCE)?)?;
                reader.finish()?;
                Self::DirectoryName(name)
            }
            6 => text(Self::Uri),
            7 if !tag.constructed => Self::IpAddress(element.content().to_vec()),
            8 => Self::RegisteredId(element.to_oid()?),
            _ => return Err(here(Because::BadValue)),
        })
    }

    /// `GeneralNames ::= SEQUENCE SIZE (1..MAX) OF GeneralName`, its inside.
    pub(crate) fn parse_all(mut reader: Reader<'_>) -> Result<Vec<Self>, Error> {
        let mut names = Vec::new();
        if reader.is_empty() {
            return Err(reader.malformed(Because::BadValue));
        }
        while !reader.is_empty() {
            if names.len() == Self::MOST {
                let (offset, limit) = (reader.offset(), Self::MOST as u64);
                return Err(Error::TooMuch { what: "GeneralNames", offset, limit, of: "names" });
            }
            names.push(Self::from_element(&reader.element()?)?);
        }
        Ok(names)
    }
}

impl fmt::Display for GeneralName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DirectoryName(name) => write!(f, "dirName:{name}"),
            Self::DnsName(name) => write!(f, "dns:{}", name.escape_debug()),
            Self::IpAddress(octets) => match octets.as_slice() {
                [a, b, c, d] => write!(f, "ip:{a}.{b}.{c}.{d}"),
                _ => {
                    f.write_str("ip:")?;
                    write_hex(f, octets)
                }
            },
            Self::Malformed { kind, content } => {
                write!(f, "malformed[{kind}]:")?;
                write_hex(f, content)
            }
            Self::Other { kind, type_id: Some(oid), .. } => write!(f, "other[{kind}]:{oid}"),
            Self::Other { kind, .. } => write!(f, "other[{kind}]"),
            Self::RegisteredId(oid) => write!(f, "rid:{oid}"),
            Self::Rfc822Name(name) | Self::SmtpUtf8Mailbox(name) => write!(f, "email:{}", name.escape_debug()),
            Self::Uri(uri) => write!(f, "uri:{}", uri.escape_debug()),
        }
    }
}

pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, octets: &[u8]) -> fmt::Result {
    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}
