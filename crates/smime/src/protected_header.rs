//! Reads header protection: what the sender wrote, and where the outside differs (RFC 9788 §4).

use std::io::BufRead;

use mime::{ContentType, Entity, Field, Header};

use crate::Error;

/// How a mail protects its header fields (RFC 9788 §4.10, §4.11 for the older ways).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeaderScheme {
    /// `hp=` in the payload's content type (RFC 9788 §2.1.1).
    Rfc9788,
    /// A `message/rfc822` around the payload (RFC 8551 §3.1).
    Rfc8551,
    /// `protected-headers="v1"`, of a draft before RFC 9788.
    Draft,
}

/// How one field was protected (RFC 9788 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldProtection {
    /// Not at all.
    Unprotected,
    /// Signed; it was readable on the way.
    SignedOnly,
    /// Encrypted, by nobody knows whom.
    EncryptedOnly,
    /// Signed, and not readable on the way.
    SignedAndEncrypted,
}

/// A field that stands outside in another way than the sender put it there. Somebody may have changed it on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderDifference {
    /// The field.
    pub name: String,
    /// What the sender put outside.
    pub sent: Option<String>,
    /// What arrived.
    pub received: Option<String>,
}

/// The header fields under the signature or the encryption.
///
/// What they are worth is what the layers are worth: behind [`crate::VerifiedContent`] the signer wrote them.
#[derive(Debug, Clone)]
pub struct ProtectedHeader {
    scheme: HeaderScheme,
    confidential: bool,
    fields: Header,
    /// What the sender says to have put outside.
    sent: Header,
    received: Header,
}

impl ProtectedHeader {
    /// Reads it from the beginning of the innermost payload (RFC 9788 §4.1, §4.2.1); `None` when the payload protects no
    /// header fields.
    /// `outer` is the header of the mail as it came, `encrypted` whether a layer was.
    ///
    /// # Errors
    /// When the payload's header exceeds `limits`.
    pub fn read(
        payload: &mut impl BufRead,
        outer: &Header,
        encrypted: bool,
        limits: &mime::Limits,
    ) -> Result<Option<Self>, Error> {
        let header = Header::read(payload, limits)?;
        let Some(content_type) = header.content_type() else { return Ok(None) };
        let scheme = match (content_type.parameter("hp"), content_type.parameter("protected-headers")) {
            (Some("clear" | "cipher"), _) => HeaderScheme::Rfc9788,
            (_, Some("v1")) => HeaderScheme::Draft,
            _ if wraps(&header, &content_type) => HeaderScheme::Rfc8551,
            _ => return Ok(None),
        };
        let inner = if scheme == HeaderScheme::Rfc8551 { Header::read(payload, limits)? } else { header };
        // RFC 9788 §2.2.1: what the sender put outside.
        let confirmed = inner.all("HP-Outer").filter_map(|field| {
            let value = field.value();
            let (name, value) = value.split_once(':')?;
            Some(Field::new(name.trim(), value.trim()))
        });
        let sent = Header::from_fields(confirmed.collect());
        let own = inner.fields().iter().filter(|field| !is_structural(field)).cloned();
        let fields = Header::from_fields(own.collect());
        // RFC 9788 §4.3: what was sent outside is known from HP-Outer where the payload was encrypted, and otherwise
        // is the same as inside.
        let confidential = encrypted && content_type.parameter("hp") == Some("cipher");
        let sent = if confidential { sent } else { fields.clone() };
        Ok(Some(Self { scheme, confidential, fields, sent, received: outer.clone() }))
    }

    /// The way it is done.
    pub fn scheme(&self) -> HeaderScheme {
        self.scheme
    }

    /// The fields that the sender wrote, for people to see in place of those outside.
    pub fn header(&self) -> &Header {
        &self.fields
    }

    /// The subject, decoded.
    pub fn subject(&self) -> Option<String> {
        self.fields.get("Subject").map(Field::text)
    }

    /// How a field was protected (RFC 9788 §4.3.1), in a payload that was `signed` and `encrypted`.
    pub fn protection(&self, name: &str, signed: bool, encrypted: bool) -> FieldProtection {
        let Some(inside) = self.fields.get(name) else { return FieldProtection::Unprotected };
        let outside = match self.scheme {
            HeaderScheme::Rfc9788 => &self.sent,
            // The older ways do not say what was sent; what arrived is the best that there is.
            HeaderScheme::Rfc8551 | HeaderScheme::Draft => &self.received,
        };
        let hidden =
            encrypted && !outside.all(name).any(|field| normalised(&field.value()) == normalised(&inside.value()));
        match (signed, hidden) {
            (true, true) => FieldProtection::SignedAndEncrypted,
            (true, false) => FieldProtection::SignedOnly,
            (false, true) => FieldProtection::EncryptedOnly,
            (false, false) => FieldProtection::Unprotected,
        }
    }

    /// Where the outside is not what the sender put there, for the fields that people see. The outer From is never
    /// replaced in silence (CASES S-56): that it names another than the inner one is a difference, too.
    pub fn differences(&self) -> Vec<HeaderDifference> {
        const SEEN: [&str; 9] =
            ["From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "In-Reply-To", "References"];
        // The older ways hide fields without saying which: there a placeholder is no difference.
        let may_hide = self.scheme != HeaderScheme::Rfc9788;
        SEEN.iter()
            .filter_map(|name| {
                let (sent, received) = (values(&self.sent, name), values(&self.received, name));
                let hidden = may_hide && (received.is_empty() || received == ["..."] || received == ["[...]"]);
                (sent != received && !hidden).then(|| HeaderDifference {
                    name: (*name).to_owned(),
                    sent: (!sent.is_empty()).then(|| sent.join(", ")),
                    received: (!received.is_empty()).then(|| received.join(", ")),
                })
            })
            .chain(self.other_sender())
            .collect()
    }

    fn other_sender(&self) -> Option<HeaderDifference> {
        let address = |header: &Header| header.visible_from().ok().map(|mailbox| mailbox.to_string());
        // RFC 9788 §4.4.5: domains in whatever case are the same.
        let canonical = |header: &Header| {
            let mailbox = header.visible_from().ok()?.to_string();
            let (local, domain) = mailbox.rsplit_once('@')?;
            Some(format!("{local}@{}", domain.to_ascii_lowercase()))
        };
        let (inside, outside) = (address(&self.fields), address(&self.received));
        // RFC 9788 §4.4.2. Where the sender says to have put another address outside, the comparison above does not
        // find it.
        let already = values(&self.sent, "From") != values(&self.received, "From");
        (!already && canonical(&self.fields) != canonical(&self.received)).then(|| HeaderDifference {
            name: "From".into(),
            sent: inside,
            received: outside,
        })
    }

    /// Whether fields were hidden from the outside.
    pub fn is_confidential(&self) -> bool {
        self.confidential
    }
}

// RFC 8551 §3.1, RFC 9788 §4.10.1: a message/rfc822 as the root of what is protected is meant as header protection.
fn wraps(header: &Header, content_type: &ContentType) -> bool {
    content_type.essence == "message/rfc822"
        && content_type.parameter("forwarded") != Some("yes")
        && header.fields().iter().all(is_structural)
}

// RFC 9787 §1.1.1: structural fields describe the entity, not the message.
fn is_structural(field: &Field) -> bool {
    let name = field.name().to_ascii_lowercase();
    name.is_empty() || name.starts_with("content-") || name == "mime-version" || name == "hp-outer"
}

fn values(header: &Header, name: &str) -> Vec<String> {
    header.all(name).map(|field| normalised(&field.value())).collect()
}

fn normalised(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text of a part without the copy of the header fields that some programs put there for others that cannot read
/// protected ones (RFC 9788 §2.1.2, §4.5.3, §4.8.2); `None` when the part has none.
pub fn without_legacy_display(part: &Entity) -> Option<String> {
    let content_type = part.header().content_type()?;
    if content_type.parameter("hp-legacy-display") != Some("1") {
        return None;
    }
    let text = part.text();
    match content_type.essence.as_str() {
        "text/plain" => {
            // The element ends with the first line that is empty.
            let mut rest = text.as_str();
            loop {
                let (line, behind) = rest.split_once('\n')?;
                rest = behind;
                if line.trim().is_empty() {
                    return Some(rest.to_owned());
                }
            }
        }
        "text/html" => {
            // The first <div class="header-protection-legacy-display">, up to its end.
            let start = text.find("<div class=\"header-protection-legacy-display\"")?;
            let end = start + text.get(start..)?.find("</div>")? + "</div>".len();
            Some(format!("{}{}", text.get(..start)?, text.get(end..)?))
        }
        _ => None,
    }
}
