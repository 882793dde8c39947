use crate::{Field, encode_quoted_printable, encode_words, is_seven_bit};

/// Builds a message: plain text, with attachments if any. What is put in cannot break out of its place (CASES T-82).
#[derive(Debug, Clone, Default)]
pub struct MessageBuilder {
    fields: Vec<Field>,
    text: String,
    attachments: Vec<Attachment>,
}

/// A file that goes with a message.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// `type/subtype`
    pub content_type: String,
    /// The name that the recipient sees.
    pub file_name: String,
    /// The octets.
    pub content: Vec<u8>,
}

impl MessageBuilder {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// A field whose value is plain or structured, as given.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push(Field::new(name, value));
        self
    }

    /// A field with text for people, encoded where it has to be.
    #[must_use]
    pub fn text_field(self, name: &str, text: &str) -> Self {
        let folded = encode_words(text);
        self.field(name, &folded)
    }

    /// An address field: `"Name" <address>`.
    #[must_use]
    pub fn mailbox(self, name: &str, display_name: Option<&str>, address: &str) -> Self {
        let value = match display_name {
            Some(display) if display.is_ascii() => format!("\"{}\" <{address}>", display.replace(['"', '\\'], "")),
            Some(display) => format!("{} <{address}>", encode_words(display)),
            None => address.to_owned(),
        };
        self.field(name, &value)
    }

    /// The text.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        Self { text: text.into(), ..self }
    }

    /// A file.
    #[must_use]
    pub fn attach(mut self, attachment: Attachment) -> Self {
        self.attachments.push(attachment);
        self
    }

    /// The message, with CRLF, 7-bit throughout.
    pub fn build(self) -> Vec<u8> {
        let mut out: Vec<u8> = self.fields.iter().flat_map(|field| field.raw().iter().copied()).collect();
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
        let text = text_part(&self.text);
        if self.attachments.is_empty() {
            out.extend_from_slice(&text);
            return out;
        }
        let files: Vec<Vec<u8>> = self.attachments.iter().map(file_part).collect();
        let parts: Vec<&[u8]> = std::iter::once(&text[..]).chain(files.iter().map(Vec::as_slice)).collect();
        let boundary = boundary_for(&parts);
        out.extend_from_slice(format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n").as_bytes());
        for part in parts {
            out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            out.extend_from_slice(part);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        out
    }
}

fn text_part(text: &str) -> Vec<u8> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    let mut part = b"Content-Type: text/plain; charset=utf-8\r\n".to_vec();
    if is_seven_bit(text.as_bytes()) {
        part.extend_from_slice(b"Content-Transfer-Encoding: 7bit\r\n\r\n");
        part.extend_from_slice(text.as_bytes());
    } else {
        part.extend_from_slice(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n");
        part.extend_from_slice(&encode_quoted_printable(text.as_bytes()));
    }
    part
}

fn file_part(attachment: &Attachment) -> Vec<u8> {
    let Attachment { content_type, file_name, content } = attachment;
    let clean =
        |text: &str| text.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\' | '/')).collect::<String>();
    let name = clean(file_name);
    // RFC 2231 §4 where the name is not ASCII.
    let parameter = if name.is_ascii() {
        format!("filename=\"{name}\"")
    } else {
        let encoded: String = name
            .bytes()
            .map(|b| {
                if b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_') {
                    char::from(b).to_string()
                } else {
                    format!("%{b:02X}")
                }
            })
            .collect();
        format!("filename*=utf-8''{encoded}")
    };
    let content_type: String = content_type.chars().filter(|c| c.is_ascii_graphic()).collect();
    let part = format!(
        "Content-Type: {content_type}\r\nContent-Disposition: attachment; {parameter}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    .into_bytes();
    let mut writer = crate::Base64Writer::new(part);
    // Writing to memory does not fail.
    let _ = std::io::Write::write_all(&mut writer, content);
    writer.finish().unwrap_or_default()
}

/// A boundary that stands in none of `parts`.
pub(crate) fn boundary_for(parts: &[&[u8]]) -> String {
    let mut number = 0u64;
    // Deterministic: the same parts make the same message.
    let seed = parts
        .iter()
        .flat_map(|part| part.iter())
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    loop {
        let boundary = format!("=_{:016x}{number:x}", seed.wrapping_add(number));
        if !parts.iter().any(|part| memchr::memmem::find(part, boundary.as_bytes()).is_some()) {
            return boundary;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entity, Limits};

    #[test]
    fn what_is_built_reads_back() {
        let mail = MessageBuilder::new()
            .mailbox("From", Some("Jürgen \"x\""), "j@example.org")
            .text_field("Subject", "Ihre Schlüssel")
            .text("Grüße\nEnde")
            .attach(Attachment {
                content_type: "application/pkix-cert".into(),
                file_name: "Zertifikat ä.cer".into(),
                content: vec![0, 255, 10],
            })
            .build();
        let entity = Entity::parse(&mail, &Limits::default()).unwrap();
        assert!(is_seven_bit(&mail));
        assert_eq!(entity.header().get("Subject").unwrap().text(), "Ihre Schlüssel");
        assert_eq!(entity.header().visible_from().unwrap().to_string(), "j@example.org");
        assert_eq!(entity.first_text().unwrap(), "Grüße\r\nEnde");
        assert_eq!(entity.parts()[1].decoded_body(), [0, 255, 10]);
        assert_eq!(entity.parts()[1].file_name().unwrap(), "Zertifikat ä.cer");
    }
}
