//! Prepares an entity for signing: CRLF line ends, and nothing that a relay might change (RFC 8551 §3.1.2, §3.1.3).
//!
//! It goes in two readings, so that content of any size passes in flat memory: the first finds out what has to be
//! transfer-encoded, the second writes.

use std::io::{self, BufRead, Read, Write};

use crate::ascii_fields::ascii_fields;
use crate::content_type::LONGEST_BOUNDARY;
use crate::quoted_printable::{QuotedPrintableReader, QuotedPrintableWriter};
use crate::{Base64Reader, Base64Writer, CrlfWriter, Error, Field, Header, Limits, PartEnd, PartReader};

/// What has to be done to an entity. [`Self::examine`] reads it, [`Self::write`] reads it once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SevenBit {
    /// Nothing but the line ends.
    AsItIs,
    /// Its body is transfer-encoded.
    Encode,
    /// This to the message in it, which may not be transfer-encoded itself (RFC 2046 §5.2.1).
    Message(Box<SevenBit>),
    /// This to each of its parts.
    Parts(Vec<SevenBit>),
}

/// Looks whether text that goes by survives every relay: 7-bit, in lines of at most 998 octets.
#[derive(Debug, Clone, Default)]
pub struct SevenBitScan {
    /// Octets of the line that is open, its CR not counted.
    line: usize,
    after_cr: bool,
    bad: bool,
}

/// RFC 5322 §2.1.1.
const LONGEST_LINE: usize = 998;

impl SevenBitScan {
    /// More of it.
    pub fn update(&mut self, text: &[u8]) {
        if self.bad {
            return;
        }
        let bad = !text.is_ascii() || memchr::memchr(0, text).is_some() || !self.lines_fit(text);
        self.bad |= bad;
    }

    /// Whether all that went by survives.
    pub fn is_seven_bit(&self) -> bool {
        !self.bad && self.line <= LONGEST_LINE
    }

    fn lines_fit(&mut self, text: &[u8]) -> bool {
        // From one line's end to the last that is in reach: a text of short lines is looked at here and there only.
        let mut start = 0;
        loop {
            let rest = text.get(start..).unwrap_or_default();
            let reach = (LONGEST_LINE + 2).saturating_sub(self.line + usize::from(self.after_cr));
            let within = rest.get(..rest.len().min(reach)).unwrap_or_default();
            match memchr::memrchr(b'\n', within) {
                Some(end) => {
                    // The first of the lines within goes on from before; its CR does not count.
                    if self.line + usize::from(self.after_cr) + within.len() > LONGEST_LINE {
                        let first = memchr::memchr(b'\n', within).unwrap_or(end);
                        let has_cr = if first == 0 { self.after_cr } else { within.get(first - 1) == Some(&b'\r') };
                        let before = self.line + usize::from(self.after_cr) + first - usize::from(has_cr);
                        if before > LONGEST_LINE {
                            return false;
                        }
                    }
                    (self.line, self.after_cr) = (0, false);
                    start += end + 1;
                }
                None if within.len() < rest.len() => return false,
                None => {
                    if let Some(last) = within.last() {
                        self.line += within.len() + usize::from(self.after_cr);
                        self.after_cr = *last == b'\r';
                        self.line -= usize::from(self.after_cr);
                    }
                    return true;
                }
            }
        }
    }
}

impl SevenBit {
    /// Reads an entity to its end.
    ///
    /// # Errors
    /// When the source fails or the structure exceeds the limits.
    pub fn examine(source: &mut dyn BufRead, limits: &Limits) -> Result<Self, Error> {
        let mut parts_left = limits.parts;
        examine(&mut Scanned { source, scan: SevenBitScan::default() }, limits, limits.depth, &mut parts_left, false)
    }

    /// Reads the same entity again and writes it with CRLF line ends, 7-bit throughout.
    ///
    /// What somebody else signed or encrypted is never touched (CASES S-08).
    ///
    /// # Errors
    /// When reading or writing fails, or the entity is no longer the one that was examined.
    pub fn write(&self, source: &mut dyn BufRead, out: &mut dyn Write, limits: &Limits) -> Result<(), Error> {
        write(self, source, &mut CrlfWriter::new(out), limits)
    }
}

/// Prepares an entity that is in memory.
///
/// # Errors
/// When the structure exceeds the limits.
pub fn seven_bit(entity: &[u8], limits: &Limits) -> Result<Vec<u8>, Error> {
    let mut scan = SevenBitScan::default();
    scan.update(entity);
    let plan = if scan.is_seven_bit() { SevenBit::AsItIs } else { SevenBit::examine(&mut &*entity, limits)? };
    let mut out = Vec::with_capacity(entity.len() + entity.len() / 8);
    plan.write(&mut &*entity, &mut out, limits)?;
    Ok(out)
}

struct Scanned<'r> {
    source: &'r mut dyn BufRead,
    scan: SevenBitScan,
}

impl BufRead for Scanned<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.source.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if let Ok(available) = self.source.fill_buf() {
            self.scan.update(available.get(..count).unwrap_or_default());
        }
        self.source.consume(count);
    }
}

impl Read for Scanned<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let now = self.fill_buf()?.read(buffer)?;
        self.consume(now);
        Ok(now)
    }
}

fn examine(
    source: &mut Scanned<'_>,
    limits: &Limits,
    depth: usize,
    parts_left: &mut usize,
    in_digest: bool,
) -> Result<SevenBit, Error> {
    let header = Header::read(source, limits)?;
    let deeper = || depth.checked_sub(1).ok_or(Error::TooMuch { what: "nested parts", limit: limits.depth });
    let mut inside = SevenBit::Encode;
    if let Some(boundary) = divided_at(&header) {
        let (depth, in_digest) = (deeper()?, is_of_type(&header, "multipart/digest"));
        let mut reader = PartReader::new(&mut *source, &boundary).next_part()?;
        let mut found = Vec::new();
        while reader.end().is_none() {
            *parts_left = parts_left.checked_sub(1).ok_or(Error::TooMuch { what: "parts", limit: limits.parts })?;
            let mut part = Scanned { source: &mut reader, scan: SevenBitScan::default() };
            found.push(examine(&mut part, limits, depth, parts_left, in_digest)?);
            if reader.end() != Some(PartEnd::Delimiter) {
                break;
            }
            reader = reader.next_part()?;
        }
        if !found.is_empty() {
            inside = SevenBit::Parts(found);
        }
    } else if is_message(&header, in_digest) {
        let mut message = Scanned { source: &mut *source, scan: SevenBitScan::default() };
        inside = SevenBit::Message(Box::new(examine(&mut message, limits, deeper()?, parts_left, false)?));
    }
    pass(source, &mut io::sink())?;
    Ok(if source.scan.is_seven_bit() || is_untouchable(&header) { SevenBit::AsItIs } else { inside })
}

fn is_of_type(header: &Header, essence: &str) -> bool {
    header.content_type().is_some_and(|content_type| content_type.essence == essence)
}

/// A message that stands there as it is. In a digest that is what a part is that says nothing (RFC 2046 §5.1.5).
fn is_message(header: &Header, in_digest: bool) -> bool {
    let is_one = match header.get("Content-Type") {
        None => in_digest,
        Some(_) => is_of_type(header, "message/rfc822"),
    };
    // Seen in the wild: encoded nevertheless. What it is then is not looked for.
    is_one && !matches!(header.transfer_encoding().as_str(), "base64" | "quoted-printable")
}

// What others signed or encrypted, and what is read in two ways.
fn is_untouchable(header: &Header) -> bool {
    header
        .content_type()
        .is_none_or(|content_type| matches!(content_type.essence.as_str(), "multipart/signed" | "multipart/encrypted"))
}

fn divided_at(header: &Header) -> Option<String> {
    let content_type = header.content_type().filter(|_| !is_untouchable(header))?;
    let boundary = content_type.is_multipart().then(|| content_type.parameter("boundary").map(str::to_owned))??;
    (!boundary.is_empty() && boundary.len() <= LONGEST_BOUNDARY).then_some(boundary)
}

fn changed() -> Error {
    io::Error::new(io::ErrorKind::InvalidData, "the message changed while it was read").into()
}

fn write(
    plan: &SevenBit,
    source: &mut dyn BufRead,
    out: &mut CrlfWriter<&mut dyn Write>,
    limits: &Limits,
) -> Result<(), Error> {
    if *plan == SevenBit::AsItIs {
        return Ok(pass(source, out)?);
    }
    let mut source = source;
    let mut header = Header::read(&mut source, limits)?;
    match plan {
        SevenBit::AsItIs => {}
        SevenBit::Parts(parts) => {
            let boundary = divided_at(&header).ok_or_else(changed)?;
            header.retain(|field| !field.is("Content-Transfer-Encoding"));
            out.write_all(&ascii_fields(&header))?;
            let mut reader = PartReader::new(source, &boundary).next_part()?;
            for part in parts {
                if reader.end().is_some() {
                    return Err(changed());
                }
                out.write_all(format!("--{boundary}\r\n").as_bytes())?;
                write(part, &mut reader, out, limits)?;
                pass(&mut reader, &mut io::sink())?;
                out.write_all(b"\r\n")?;
                reader = reader.next_part()?;
            }
            out.write_all(format!("--{boundary}--\r\n").as_bytes())?;
        }
        SevenBit::Message(message) => {
            header.retain(|field| !field.is("Content-Transfer-Encoding"));
            out.write_all(&ascii_fields(&header))?;
            write(message, source, out, limits)?;
        }
        SevenBit::Encode => {
            let text = header.content_type().is_some_and(|content_type| content_type.essence.starts_with("text/"));
            let coded = header.transfer_encoding();
            header.replace(Field::new("Content-Transfer-Encoding", if text { "quoted-printable" } else { "base64" }));
            out.write_all(&ascii_fields(&header))?;
            match coded.as_str() {
                "base64" => encode(&mut Base64Reader::new(source), text, out)?,
                "quoted-printable" => encode(&mut QuotedPrintableReader::new(source), text, out)?,
                _ => encode(source, text, out)?,
            }
        }
    }
    Ok(())
}

fn encode(body: &mut dyn BufRead, text: bool, out: &mut dyn Write) -> io::Result<()> {
    if text {
        let mut writer = QuotedPrintableWriter::new(out);
        pass(body, &mut writer)?;
        writer.finish().map(drop)
    } else {
        let mut writer = Base64Writer::new(out);
        pass(body, &mut writer)?;
        writer.finish().map(drop)
    }
}

/// Hands over what is buffered, a cache-sized step at a time.
pub(crate) fn pass(source: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<()> {
    const STEP: usize = 64 * 1024;
    loop {
        let available = match source.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            available => available?,
        };
        let step = available.len().min(STEP);
        if step == 0 {
            return Ok(());
        }
        out.write_all(available.get(..step).unwrap_or_default())?;
        source.consume(step);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entity, is_seven_bit};

    fn examined(entity: &[u8]) -> SevenBit {
        SevenBit::examine(&mut &*entity, &Limits::default()).unwrap()
    }

    #[test]
    fn the_scan_says_what_the_whole_says() {
        let cases: [(Vec<u8>, bool); 9] = [
            (b"short\r\n".repeat(1000), true),
            ([b"a".repeat(998), b"\r\n".to_vec()].concat().repeat(3), true),
            ([b"a".repeat(998), b"\n".to_vec()].concat().repeat(3), true),
            ([b"a\r\n".to_vec(), b"a".repeat(998), b"\r\n".to_vec()].concat(), true),
            ([b"a\r\n".to_vec(), b"a".repeat(999), b"\r\n".to_vec()].concat(), false),
            ([b"a\n".to_vec(), b"a".repeat(999), b"\n".to_vec()].concat(), false),
            (b"a".repeat(999), false),
            (b"a\0b".to_vec(), false),
            ("ä".as_bytes().to_vec(), false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_seven_bit(&text), expected);
            for piece in [1, 2, 3, 7, 997, 998, 999, 1000, 1001, 100_000] {
                let mut scan = SevenBitScan::default();
                text.chunks(piece).for_each(|piece| scan.update(piece));
                assert_eq!(scan.is_seven_bit(), expected, "{} {piece}", text.len());
            }
        }
    }

    #[test]
    fn s_08_only_unsigned_parts_are_encoded() {
        let signed = "Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\nä\r\n--s\r\n\r\nsig\r\n--s--\r\n";
        assert_eq!(seven_bit(signed.as_bytes(), &Limits::default()).unwrap(), signed.as_bytes());
        let mixed = "Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: text/plain; charset=utf-8\n\nä\n--m\n\nplain\n--m--\n";
        let encoded = seven_bit(mixed.as_bytes(), &Limits::default()).unwrap();
        assert!(is_seven_bit(&encoded));
        let entity = Entity::parse(&encoded, &Limits::default()).unwrap();
        assert_eq!(entity.parts()[0].text(), "ä");
        assert_eq!(entity.parts()[1].body(), b"plain");
        assert_eq!(examined(mixed.as_bytes()), SevenBit::Parts(vec![SevenBit::Encode, SevenBit::AsItIs]));
    }

    #[test]
    fn a_message_inside_is_encoded_in_its_own_parts() {
        let inner =
            "From: a@x.org\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nä";
        let forwarded = format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{inner}");
        let digest = format!(
            "Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\n{inner}\r\n--d\r\n\r\n{inner}\r\n--d--\r\n"
        );
        let message = SevenBit::Message(Box::new(SevenBit::Encode));
        assert_eq!(examined(forwarded.as_bytes()), message);
        assert_eq!(examined(digest.as_bytes()), SevenBit::Parts(vec![message.clone(), message]));
        let expected = inner.replace("8bit", "quoted-printable").replace('ä', "=C3=A4");
        let encoded = String::from_utf8(seven_bit(forwarded.as_bytes(), &Limits::default()).unwrap()).unwrap();
        assert_eq!(encoded.trim_end(), format!("Content-Type: message/rfc822\r\n\r\n{expected}"));
        let encoded = seven_bit(digest.as_bytes(), &Limits::default()).unwrap();
        let entity = Entity::parse(&encoded, &Limits::default()).unwrap();
        assert_eq!(entity.parts().len(), 2);
        assert!(is_seven_bit(&encoded) && entity.parts().iter().all(|part| part.body() == expected.as_bytes()));
        // What is signed inside stays.
        let signed = "Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n\r\nä\r\n--s\r\n\r\nsig\r\n--s--\r\n";
        let forwarded = format!("Content-Type: message/rfc822\r\n\r\n{signed}");
        assert_eq!(seven_bit(forwarded.as_bytes(), &Limits::default()).unwrap(), forwarded.as_bytes());
    }

    #[test]
    fn binary_octets_stay_what_they_are() {
        let octets: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let mut entity =
            b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n".to_vec();
        entity.extend_from_slice(&octets);
        let encoded = seven_bit(&entity, &Limits::default()).unwrap();
        assert!(is_seven_bit(&encoded));
        assert!(Entity::parse(&encoded, &Limits::default()).unwrap().decoded_body() == octets);
    }

    #[test]
    fn an_entity_that_changes_between_the_readings_is_refused() {
        let mixed = "Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n\r\nä\r\n--m--\r\n";
        let plan = examined(mixed.as_bytes());
        let other = "Content-Type: text/plain\r\n\r\n";
        assert!(plan.write(&mut other.as_bytes(), &mut Vec::new(), &Limits::default()).is_err());
    }

    #[test]
    fn t_54_depth_and_count_are_bounded() {
        let deep: String =
            (0..100).map(|i| format!("Content-Type: multipart/mixed; boundary=b{i}\r\n\r\n--b{i}\r\n")).collect();
        assert!(SevenBit::examine(&mut deep.as_bytes(), &Limits::default()).is_err());
        let wide = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{}", "--b\r\n\r\nä\r\n".repeat(2_000));
        assert!(SevenBit::examine(&mut wide.as_bytes(), &Limits::default()).is_err());
    }
}
