use std::io::Read as _;

use crate::content_type::LONGEST_BOUNDARY;
use crate::{ContentType, Error, Header, Limits, PartEnd, PartReader, decode_quoted_printable};

/// A message or a part of one, in memory: header, body as it came, and the parts of a multipart body.
#[derive(Debug, Clone, Default)]
pub struct Entity {
    header: Header,
    header_bytes: Vec<u8>,
    body: Vec<u8>,
    parts: Vec<Entity>,
    closed: bool,
    ambiguous: bool,
}

impl Entity {
    /// Reads a message and its parts, within `limits`.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        let octets = (bytes.len() as u64).saturating_mul(MOST_COPIES as u64).max(1 << 20);
        Self::parse_at(bytes, limits, &mut Left { parts: limits.parts, octets }, limits.depth)
    }

    fn parse_at(bytes: &[u8], limits: &Limits, left: &mut Left, depth: usize) -> Result<Self, Error> {
        // CASES N-24: each level holds its part anew, so that deep nesting would multiply a large message.
        left.octets = left
            .octets
            .checked_sub(bytes.len() as u64)
            .ok_or(Error::TooMuch { what: "times its own size in nested parts", limit: MOST_COPIES })?;
        let (header, body) = Header::parse(bytes, limits)?;
        let header_bytes = bytes.get(..bytes.len() - body.len()).unwrap_or_default().to_vec();
        let mut entity = Self { header, header_bytes, body: body.to_vec(), closed: true, ..Self::default() };
        let content_type = entity.header.content_type();
        // CASES T-54: with two Content-Type fields, or two boundaries, nobody knows what it is.
        entity.ambiguous = content_type.as_ref().is_none_or(ContentType::is_ambiguous);
        let boundary = content_type
            .as_ref()
            .filter(|content_type| content_type.is_multipart())
            .and_then(|ct| ct.parameter("boundary"));
        let Some(boundary) = boundary.filter(|boundary| !boundary.is_empty() && boundary.len() <= LONGEST_BOUNDARY)
        else {
            return Ok(entity);
        };
        let depth = depth.checked_sub(1).ok_or(Error::TooMuch { what: "nested parts", limit: limits.depth })?;
        let mut reader = PartReader::new(body, boundary).next_part()?;
        if reader.end().is_some() {
            entity.closed = false;
            return Ok(entity);
        }
        loop {
            left.parts = left.parts.checked_sub(1).ok_or(Error::TooMuch { what: "parts", limit: limits.parts })?;
            let mut part = Vec::new();
            reader.read_to_end(&mut part)?;
            entity.parts.push(Self::parse_at(&part, limits, left, depth)?);
            match reader.end() {
                Some(PartEnd::Delimiter) => reader = reader.next_part()?,
                end => {
                    entity.closed = end == Some(PartEnd::Close);
                    return Ok(entity);
                }
            }
        }
    }

    /// The header section.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The header section byte for byte, with the empty line.
    pub fn header_bytes(&self) -> &[u8] {
        &self.header_bytes
    }

    /// The body as it came, transfer encoding included.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The parts of a multipart body.
    pub fn parts(&self) -> &[Entity] {
        &self.parts
    }

    /// Whether a multipart body ends with its closing delimiter.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether what it is depends on who reads it: two Content-Type fields, or one that others may read in another way.
    pub fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// `type/subtype` in lower case; empty when ambiguous.
    pub fn essence(&self) -> String {
        self.header.content_type().map(|content_type| content_type.essence).unwrap_or_default()
    }

    /// The file name, from the disposition or the type.
    pub fn file_name(&self) -> Option<String> {
        let disposition = self.header.disposition();
        let content_type = self.header.content_type();
        disposition
            .as_ref()
            .and_then(|disposition| disposition.file_name())
            .or_else(|| content_type.as_ref().and_then(|content_type| content_type.parameter("name")))
            .map(str::to_owned)
    }

    /// The body without its transfer encoding.
    pub fn decoded_body(&self) -> Vec<u8> {
        decode_body(&self.header, &self.body)
    }

    /// The text for people, in its character set.
    pub fn text(&self) -> String {
        let content_type = self.header.content_type();
        let label = content_type.as_ref().and_then(|content_type| content_type.parameter("charset")).unwrap_or("utf-8");
        let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap_or(encoding_rs::UTF_8);
        encoding.decode(&self.decoded_body()).0.into_owned()
    }

    /// The first part that is plain text, or this when it is; what a person reads first.
    pub fn first_text(&self) -> Option<String> {
        if self.parts.is_empty() {
            return (self.essence() == "text/plain").then(|| self.text());
        }
        self.parts.iter().find_map(Self::first_text)
    }

    /// This entity and all below it, outermost first.
    pub fn walk(&self) -> Vec<&Self> {
        std::iter::once(self).chain(self.parts.iter().flat_map(Self::walk)).collect()
    }
}

/// What may still be read of one message.
struct Left {
    parts: usize,
    octets: u64,
}

/// How often a message may be held, all levels of its parts together. Mails that people write are four or five deep.
const MOST_COPIES: usize = 8;

/// A body without its transfer encoding. What is left of malformed base64 is what could be read.
pub fn decode_body(header: &Header, body: &[u8]) -> Vec<u8> {
    match header.transfer_encoding().as_str() {
        "base64" => {
            let mut decoded = Vec::new();
            let _ = crate::Base64Reader::new(body).read_to_end(&mut decoded);
            decoded
        }
        "quoted-printable" => decode_quoted_printable(body),
        _ => body.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_54_depth_and_count_are_bounded() {
        let deep: String =
            (0..100).map(|i| format!("Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n")).collect();
        assert!(Entity::parse(deep.as_bytes(), &Limits::default()).is_err());
        // Deep and large: no level may hold the whole again and again.
        let mut large = format!("\r\n{}", "x\r\n".repeat(1 << 19));
        for level in 0..20 {
            large = format!(
                "Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n{large}\r\n--b{level}--\r\n"
            );
            let parsed = Entity::parse(large.as_bytes(), &Limits::default());
            assert_eq!(parsed.is_ok(), level < MOST_COPIES - 1, "{level}");
        }
        let wide = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", "--b\r\n\r\nx\r\n".repeat(2_000));
        assert!(Entity::parse(wide.as_bytes(), &Limits::default()).is_err());
    }

    #[test]
    fn t_54_two_content_types_are_ambiguous() {
        let mail = "Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--";
        let entity = Entity::parse(mail.as_bytes(), &Limits::default()).unwrap();
        assert!(entity.is_ambiguous() && entity.parts().is_empty());
    }

    #[test]
    fn bodies_are_decoded_for_people() {
        let mail = "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nSchl=FCssel";
        assert_eq!(Entity::parse(mail.as_bytes(), &Limits::default()).unwrap().first_text().unwrap(), "Schlüssel");
    }
}
