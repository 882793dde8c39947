//! Takes a mail apart into the fields that stay outside and the entity that is protected.

use std::io::{BufRead, Read as _, Write};

use mime::{CrlfWriter, Field, Header, SevenBit, SevenBitScan};

use crate::header_confidentiality::{Divided, divide};
use crate::source::{pass, skip};
use crate::{Error, Form, HeaderConfidentiality, Source, recognise};

/// Where the header fields go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Headers {
    /// They stay outside, unprotected.
    Outside,
    /// Outside and into the entity.
    Signed,
    /// Into the entity, and outside what the policy leaves there.
    Confidential(HeaderConfidentiality),
}

/// A mail with the entity to protect separated from it. The body is where it was, to be read once more.
#[derive(Debug)]
pub(crate) struct Split {
    /// The fields that stay outside: all but `Content-*` and `MIME-Version`.
    pub(crate) outer: Header,
    /// The entity's header, its empty line included.
    inner: Vec<u8>,
    /// Octets before the body.
    before_body: usize,
    plan: SevenBit,
    limits: mime::Limits,
}

impl Split {
    /// Reads a mail to its end. RFC 8551 §3.1, RFC 9788 §5.1: the content type and what belongs to it go
    /// inside, everything else stays.
    pub(crate) fn read(mail: &mut dyn Source, headers: Headers, limits: &mime::Limits) -> Result<Self, Error> {
        let mut reader = mail.reread()?;
        let mut scan = SevenBitScan::default();
        let (outer, inner, before_body) = if recognise(reader.fill_buf()?) == Form::Mail {
            let header = Header::read(&mut reader, limits)?;
            let before_body = header.octets_read();
            let (outer, inner) = divide_fields(header);
            (outer, inner, before_body)
        } else {
            // A file that is no mail becomes the body of an entity of its own.
            let mut text = TextScan::default();
            pass(&mut reader, &mut text)?;
            drop(reader);
            reader = mail.reread()?;
            (Header::default(), Header::from_fields(text.fields()), 0)
        };
        let (outer, inner) = match headers {
            Headers::Outside => (outer, inner),
            Headers::Signed => into_parts(divide(&outer, inner, None)),
            Headers::Confidential(policy) => into_parts(divide(&outer, inner, Some(policy))),
        };
        let mut inner = inner.to_bytes();
        inner.extend_from_slice(b"\r\n");
        scan.update(&inner);
        pass(&mut reader, &mut Scanning(&mut scan))?;
        drop(reader);
        let mut this = Self { outer, inner, before_body, plan: SevenBit::AsItIs, limits: *limits };
        if !scan.is_seven_bit() {
            let plan = SevenBit::examine(&mut this.entity(mail)?, limits);
            this.plan = plan?;
        }
        Ok(this)
    }

    fn entity<'s>(&'s self, mail: &'s mut dyn Source) -> Result<impl BufRead + 's, Error> {
        let mut reader = mail.reread()?;
        skip(&mut reader, self.before_body)?;
        Ok(self.inner.as_slice().chain(reader))
    }

    /// Writes the entity in the form that is protected: 7-bit, with CRLF line ends (RFC 8551 §3.1.1–§3.1.3).
    pub(crate) fn write_entity(&self, mail: &mut dyn Source, out: &mut dyn Write) -> Result<(), Error> {
        let mut entity = self.entity(mail)?;
        match self.plan {
            SevenBit::AsItIs => pass(&mut entity, &mut CrlfWriter::new(out))?,
            _ => self.plan.write(&mut entity, out, &self.limits)?,
        }
        Ok(())
    }

    /// Writes the fields that stay outside, then those of the protected entity, whose first is `Content-Type`.
    pub(crate) fn write_outer(&self, content_fields: &str, out: &mut dyn Write) -> Result<(), Error> {
        let mut fields = self.outer.to_bytes();
        // Seen in the wild: fields with bare LF; a mail has one kind of line end.
        if self.outer.has_bare_line_feeds() {
            fields = String::from_utf8_lossy(&fields).replace("\r\n", "\n").replace('\n', "\r\n").into_bytes();
        }
        fields.extend_from_slice(b"MIME-Version: 1.0\r\n");
        fields.extend_from_slice(content_fields.as_bytes());
        fields.extend_from_slice(b"\r\n");
        Ok(out.write_all(&fields)?)
    }
}

fn into_parts(divided: Divided) -> (Header, Header) {
    (divided.outer, divided.inner)
}

fn divide_fields(header: Header) -> (Header, Header) {
    let is_inner = |field: &Field| field.name().get(..8).is_some_and(|name| name.eq_ignore_ascii_case("content-"));
    let mut outer = header;
    let mut inner = Header::from_fields(outer.fields().iter().filter(|field| is_inner(field)).cloned().collect());
    outer.retain(|field| !is_inner(field) && !field.is("MIME-Version") && !field.name().is_empty());
    if inner.get("Content-Type").is_none() {
        inner.prepend(Field::new("Content-Type", "text/plain; charset=us-ascii"));
    }
    (outer, inner)
}

struct Scanning<'s>(&'s mut SevenBitScan);

impl Write for Scanning<'_> {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.update(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Looks whether a file that goes by is text: UTF-8 without NUL.
#[derive(Debug, Default)]
struct TextScan {
    binary: bool,
    /// The beginning of a character whose rest is still to come.
    begun: Vec<u8>,
}

impl TextScan {
    fn fields(&self) -> Vec<Field> {
        let text = !self.binary && self.begun.is_empty();
        let (content_type, encoding) =
            if text { ("text/plain; charset=utf-8", "8bit") } else { ("application/octet-stream", "binary") };
        vec![Field::new("Content-Type", content_type), Field::new("Content-Transfer-Encoding", encoding)]
    }
}

impl Write for TextScan {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        if self.binary {
            return Ok(octets.len());
        }
        let joined;
        let mut text = octets;
        if !self.begun.is_empty() {
            joined = [&self.begun[..], octets].concat();
            text = &joined;
        }
        let mut begun = Vec::new();
        if let Err(error) = std::str::from_utf8(text) {
            match error.error_len() {
                None => begun = text.get(error.valid_up_to()..).unwrap_or_default().to_vec(),
                Some(_) => self.binary = true,
            }
        }
        self.binary |= text.contains(&0);
        self.begun = begun;
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_binary_in_any_pieces() {
        let cases: [(&[u8], bool); 5] =
            [("größe €".as_bytes(), true), (b"a\0b", false), (b"\xFF\xFE", false), (b"cut \xC3", false), (b"", true)];
        for (octets, text) in cases {
            for piece in [1, 2, 3, 100] {
                let mut scan = TextScan::default();
                octets.chunks(piece).for_each(|piece| scan.write_all(piece).unwrap());
                assert_eq!(scan.fields()[0].value().starts_with("text/"), text, "{octets:?} {piece}");
            }
        }
    }
}
