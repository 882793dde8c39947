use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};

use asn1::{Because, Element, Encoding, Error, Oid, Reader, Tag};
use unicode_normalization::UnicodeNormalization;

use crate::oids;

/// A distinguished name (RFC 5280 §4.1.2.4): the bytes as they came, and what they mean.
///
/// ```text
/// Name ::= CHOICE { rdnSequence SEQUENCE OF SET SIZE (1..MAX) OF AttributeTypeAndValue }
/// ```
///
/// Equal by the rules of RFC 5280 §7.1, not by bytes: letter case, runs of white space and the string type
/// make no difference. Shown as RFC 4514 has it, last part first.
#[derive(Clone)]
pub struct Name {
    raw: Vec<u8>,
    rdns: Vec<Rdn>,
    // What comparison sees; `rdns` in the same order, each ending where the next begins.
    canonical: Vec<u8>,
    rdn_ends: Vec<usize>,
}

/// One relative distinguished name.
#[derive(Debug, Clone)]
struct Rdn(Vec<Attribute>);

/// One attribute of a [`Name`].
#[derive(Debug, Clone)]
pub struct Attribute {
    oid: Oid,
    tag: Tag,
    raw: Vec<u8>,
    text: Option<String>,
}

impl Attribute {
    /// The attribute type.
    pub fn oid(&self) -> Oid {
        self.oid
    }

    /// The value as text, if it is a string that can be read.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The value with tag and length.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The string type, or whatever else the value is.
    pub fn tag(&self) -> Tag {
        self.tag
    }
}

impl Name {
    /// Attributes that one name may have.
    pub const MOST_ATTRIBUTES: usize = 128;

    /// From the DER of a `Name`.
    pub fn from_der(der: &[u8]) -> Result<Self, crate::Error> {
        let mut reader = Reader::new(der, Encoding::Der).named("Name");
        let element = reader.expect(Tag::SEQUENCE)?;
        reader.finish()?;
        Ok(Self::from_element(&element)?)
    }

    pub(crate) fn from_element(element: &Element<'_>) -> Result<Self, Error> {
        let mut rdns = Vec::new();
        let mut reader = element.reader("Name")?;
        let mut attributes = 0;
        while !reader.is_empty() {
            let rdn = Self::parse_rdn(reader.set("RelativeDistinguishedName")?)?;
            attributes += rdn.0.len();
            if attributes > Self::MOST_ATTRIBUTES {
                let limit = Self::MOST_ATTRIBUTES as u64;
                return Err(Error::TooMuch { what: "Name", offset: element.offset(), limit, of: "attributes" });
            }
            rdns.push(rdn);
        }
        Ok(Self::from_parts(element.raw().to_vec(), rdns))
    }

    /// A `RelativeDistinguishedName` without its SET header, appended to `base`.
    // RFC 5280 §4.2.1.13: nameRelativeToCRLIssuer.
    pub(crate) fn with_relative(base: &Self, rdn: Reader<'_>) -> Result<Self, Error> {
        let content = rdn.rest().to_vec();
        let mut rdns = base.rdns.clone();
        rdns.push(Self::parse_rdn(rdn)?);
        let mut writer = asn1::Writer::new();
        let base_content = Reader::new(&base.raw, Encoding::Ber).element()?.content();
        writer.sequence(|w| {
            w.raw(base_content);
            w.constructed(Tag::SET, |w| w.raw(&content));
        });
        Ok(Self::from_parts(writer.into_vec(), rdns))
    }

    fn parse_rdn(mut set: Reader<'_>) -> Result<Rdn, Error> {
        // Hardly ever more than one.
        let mut attributes = Vec::with_capacity(1);
        if set.is_empty() {
            return Err(set.malformed(Because::BadValue));
        }
        while !set.is_empty() {
            let mut attribute = set.sequence("AttributeTypeAndValue")?;
            let oid = attribute.oid()?;
            let value = attribute.element()?;
            attribute.finish()?;
            attributes.push(Attribute {
                oid,
                tag: value.tag(),
                raw: value.raw().to_vec(),
                text: value.to_text().ok().map(Cow::into_owned),
            });
        }
        Ok(Rdn(attributes))
    }

    fn from_parts(raw: Vec<u8>, rdns: Vec<Rdn>) -> Self {
        let mut canonical = Vec::with_capacity(raw.len());
        let mut rdn_ends = Vec::with_capacity(rdns.len());
        for rdn in &rdns {
            canonical.extend_from_slice(&length_octets(rdn.0.len()));
            match rdn.0.as_slice() {
                [only] => append_canonical(only, &mut canonical),
                several => {
                    // X.501 §9.4: an RDN is a set, so order inside it means nothing.
                    let mut parts = vec![Vec::new(); several.len()];
                    several.iter().zip(&mut parts).for_each(|(attribute, part)| append_canonical(attribute, part));
                    parts.sort();
                    parts.iter().for_each(|part| canonical.extend_from_slice(part));
                }
            }
            rdn_ends.push(canonical.len());
        }
        Self { raw, rdns, canonical, rdn_ends }
    }

    /// The DER as it came.
    pub fn as_der(&self) -> &[u8] {
        &self.raw
    }

    /// Whether it has no parts.
    pub fn is_empty(&self) -> bool {
        self.rdns.is_empty()
    }

    /// All attributes, in the order of the encoding.
    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.rdns.iter().flat_map(|rdn| &rdn.0)
    }

    /// The last attribute of this type as text: the most specific one.
    pub fn text_of(&self, oid: Oid) -> Option<&str> {
        self.attributes().filter(|attribute| attribute.oid == oid).last()?.text()
    }

    /// The commonName.
    pub fn common_name(&self) -> Option<&str> {
        self.text_of(oids::COMMON_NAME)
    }

    /// The organizationName.
    pub fn organization(&self) -> Option<&str> {
        self.text_of(oids::ORGANIZATION)
    }

    /// The legacy emailAddress attributes (RFC 2985 §5.2.1), unchecked.
    pub fn email_attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.attributes().filter(|attribute| attribute.oid == oids::EMAIL_ADDRESS)
    }

    /// Whether `self` lies within the subtree that `base` names.
    // RFC 5280 §7.1: an initial sequence of RDNs that matches.
    pub fn is_within(&self, base: &Self) -> bool {
        match base.rdn_ends.len() {
            0 => true,
            count => {
                self.rdn_ends.get(count - 1).and_then(|&end| self.canonical.get(..end)) == Some(&base.canonical[..])
            }
        }
    }

    /// What comparison sees: equal names have equal octets here.
    pub(crate) fn canonical(&self) -> &[u8] {
        &self.canonical
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical.hash(state);
    }
}

fn length_octets(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

fn append_canonical(attribute: &Attribute, out: &mut Vec<u8>) {
    out.extend_from_slice(&length_octets(attribute.oid.content().len()));
    out.extend_from_slice(attribute.oid.content());
    let Some(text) = &attribute.text else {
        out.push(0);
        out.extend_from_slice(&length_octets(attribute.raw.len()));
        out.extend_from_slice(&attribute.raw);
        return;
    };
    out.push(1);
    let place = out.len();
    out.extend_from_slice(&length_octets(0));
    if text.is_ascii() {
        append_prepared_ascii(text, out);
    } else {
        out.extend_from_slice(prepare(text).as_bytes());
    }
    let length = length_octets(out.len() - place - 4);
    if let Some(room) = out.get_mut(place..place + 4) {
        room.copy_from_slice(&length);
    }
}

// What [`prepare`] makes of ASCII, which nearly all names are.
fn append_prepared_ascii(text: &str, out: &mut Vec<u8>) {
    let (start, mut space) = (out.len(), false);
    for octet in text.bytes() {
        if matches!(octet, b'\t'..=b'\r' | b' ') {
            space = out.len() > start;
            continue;
        }
        if space {
            out.push(b' ');
            space = false;
        }
        out.push(octet.to_ascii_lowercase());
    }
}

// RFC 5280 §7.1, RFC 4518 §2: map, normalise (NFKC), fold case, and treat white space as insignificant.
fn prepare(text: &str) -> String {
    let fold = |text: &str| -> String {
        if text.is_ascii() {
            return text.to_ascii_lowercase();
        }
        let mapped: String = text
            .chars()
            // RFC 4518 §2.2: mapped to nothing.
            .filter(|&c| !matches!(u32::from(c),
                0..=0x08 | 0x0E..=0x1F | 0x7F..=0x84 | 0x86..=0x9F | 0xAD | 0x34F | 0x6DD | 0x70F | 0x1806 | 0x180B..=0x180E
                | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x2063 | 0x206A..=0x206F | 0xFE00..=0xFE0F | 0xFEFF
                | 0xFFF9..=0xFFFC | 0xE0001 | 0xE0020..=0xE007F))
            .collect();
        mapped.nfkc().collect::<String>().to_lowercase().nfkc().collect()
    };
    let folded = fold(text);
    let mut out = String::with_capacity(folded.len());
    for word in folded.split(char::is_whitespace).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

impl fmt::Display for Name {
    /// RFC 4514; controls and invisible characters are escaped, so that a name stays on its line and
    /// shows what it is (CASES T-82).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rdn) in self.rdns.iter().rev().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            for (index, attribute) in rdn.0.iter().enumerate() {
                if index > 0 {
                    f.write_str("+")?;
                }
                match short_name(attribute.oid) {
                    Some(name) => write!(f, "{name}=")?,
                    None => write!(f, "{}=", attribute.oid)?,
                }
                match attribute.text() {
                    Some(text) => write_escaped(f, text)?,
                    None => {
                        f.write_str("#")?;
                        attribute.raw.iter().try_for_each(|octet| write!(f, "{octet:02x}"))?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

// RFC 4514 §2.4.
fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let last = text.chars().count().saturating_sub(1);
    for (index, c) in text.chars().enumerate() {
        if c.is_control() || crate::email_address::is_invisible(c) {
            let mut buffer = [0; 4];
            c.encode_utf8(&mut buffer).bytes().try_for_each(|octet| write!(f, "\\{octet:02X}"))?;
            continue;
        }
        let at_edge = (c == ' ' && (index == 0 || index == last)) || (c == '#' && index == 0);
        if at_edge || matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\') {
            f.write_str("\\")?;
        }
        write!(f, "{c}")?;
    }
    Ok(())
}

/// The short name of an attribute type, as RFC 4514 §3 and common practice have it.
fn short_name(oid: Oid) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == oid).map(|(_, name)| *name)
}

const NAMES: &[(Oid, &str)] = &[
    (oids::COMMON_NAME, "CN"),
    (oids::SURNAME, "SN"),
    (oids::SERIAL_NUMBER, "serialNumber"),
    (oids::COUNTRY, "C"),
    (oids::LOCALITY, "L"),
    (oids::STATE, "ST"),
    (oids::STREET, "STREET"),
    (oids::ORGANIZATION, "O"),
    (oids::ORGANIZATIONAL_UNIT, "OU"),
    (oids::TITLE, "title"),
    (oids::POSTAL_CODE, "postalCode"),
    (oids::GIVEN_NAME, "givenName"),
    (oids::PSEUDONYM, "pseudonym"),
    (oids::ORGANIZATION_IDENTIFIER, "organizationIdentifier"),
    (oids::EMAIL_ADDRESS, "emailAddress"),
    (oids::DOMAIN_COMPONENT, "DC"),
    (oids::USER_ID, "UID"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use asn1::Writer;

    fn name(parts: &[(Oid, Tag, &[u8])]) -> Name {
        let mut writer = Writer::new();
        writer.sequence(|w| {
            for (oid, tag, value) in parts {
                w.constructed(Tag::SET, |w| {
                    w.sequence(|w| {
                        w.oid(oid);
                        w.primitive(*tag, value);
                    });
                });
            }
        });
        Name::from_der(&writer.into_vec()).unwrap()
    }

    #[test]
    fn comparison_ignores_case_space_and_string_type() {
        let one = name(&[(oids::ORGANIZATION, Tag::PRINTABLE_STRING, b"  Muster   GmbH ")]);
        let other = name(&[(oids::ORGANIZATION, Tag::UTF8_STRING, b"muster gmbh")]);
        assert_eq!(one, other);
        assert_ne!(one, name(&[(oids::ORGANIZATION, Tag::UTF8_STRING, b"mustergmbh")]));
        assert_ne!(one, name(&[(oids::COMMON_NAME, Tag::UTF8_STRING, b"muster gmbh")]));
        let umlaut = name(&[(oids::ORGANIZATION, Tag::UTF8_STRING, "M\u{dc}LLER".as_bytes())]);
        assert_eq!(umlaut, name(&[(oids::ORGANIZATION, Tag::TELETEX_STRING, b"m\xfcller")]));
        assert_eq!(umlaut, name(&[(oids::ORGANIZATION, Tag::UTF8_STRING, "mu\u{308}ller".as_bytes())]));
    }

    #[test]
    fn ascii_is_prepared_as_all_text_is() {
        let all: String = (0..128u8).map(char::from).collect();
        for text in ["", " ", "a", " A  b\t\u{b}\r\nC ", "x\u{1f}y", all.as_str()] {
            let mut prepared = b"before".to_vec();
            append_prepared_ascii(text, &mut prepared);
            assert_eq!(prepared.strip_prefix(b"before"), Some(prepare(text).as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn subtrees_end_at_whole_parts() {
        let base = name(&[(oids::COUNTRY, Tag::PRINTABLE_STRING, b"DE"), (oids::ORGANIZATION, Tag::UTF8_STRING, b"A")]);
        let inside = name(&[
            (oids::COUNTRY, Tag::PRINTABLE_STRING, b"de"),
            (oids::ORGANIZATION, Tag::UTF8_STRING, b"a"),
            (oids::COMMON_NAME, Tag::UTF8_STRING, b"x"),
        ]);
        assert!(inside.is_within(&base) && base.is_within(&base) && !base.is_within(&inside));
        let beside =
            name(&[(oids::COUNTRY, Tag::PRINTABLE_STRING, b"DE"), (oids::ORGANIZATION, Tag::UTF8_STRING, b"Ab")]);
        assert!(!beside.is_within(&base));
    }

    #[test]
    fn t_82_display_stays_on_its_line() {
        let odd = name(&[
            (oids::COUNTRY, Tag::PRINTABLE_STRING, b"DE"),
            (oids::COMMON_NAME, Tag::UTF8_STRING, "#A, \"B\"\r\nX: y\u{202e}".as_bytes()),
        ]);
        assert_eq!(odd.to_string(), "CN=\\#A\\, \\\"B\\\"\\0D\\0AX: y\\E2\\80\\AE,C=DE");
    }
}
