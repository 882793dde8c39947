use std::borrow::Cow;
use std::io::BufRead;

use crate::content_type::BLANKS;
use crate::{ContentType, Disposition, Error, Limits, Mailbox, VisibleFromError, decode_words, parse_mailbox_list};

/// A header section: its fields in order, byte for byte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    fields: Vec<Field>,
    bare_line_feeds: bool,
    octets_read: usize,
    /// The line that ended it had more in it than its line end.
    odd_end: bool,
    stray_at: Option<usize>,
}

/// One field: `Name: value`, folded lines included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    raw: Vec<u8>,
    /// Octets of the name; the colon follows. 0 for a line that is no field.
    name_length: usize,
}

impl Field {
    /// From a name and an unfolded value. Line breaks in either are taken out (CASES T-82).
    pub fn new(name: &str, value: &str) -> Self {
        let name = without_line_ends(name);
        let raw = format!("{name}: {}\r\n", without_line_ends(value)).into_bytes();
        Self { raw, name_length: name.len() }
    }

    /// From a name and the pieces of a value, which is folded between them where a line would be long (RFC 5322 §2.1.1).
    pub(crate) fn in_lines(name: &str, pieces: &[String]) -> Self {
        const LONG: usize = 76;
        let name = without_line_ends(name);
        let mut raw = format!("{name}:");
        let mut line = raw.len();
        for (index, piece) in pieces.iter().enumerate() {
            let piece = without_line_ends(piece);
            if index > 0 && line + piece.len() > LONG {
                raw.push_str("\r\n");
                line = 0;
            }
            raw.push(' ');
            raw.push_str(&piece);
            line += piece.len() + 1;
        }
        raw.push_str("\r\n");
        Self { raw: raw.into_bytes(), name_length: name.len() }
    }

    /// The bytes, line ends included.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The name as written; empty for a line that is no field.
    pub fn name(&self) -> &str {
        self.raw.get(..self.name_length).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }

    /// Whether the name is this one, whatever its case.
    pub fn is(&self, name: &str) -> bool {
        self.name_length > 0 && self.name().eq_ignore_ascii_case(name)
    }

    /// Whether it is a line that is no field.
    pub fn is_stray(&self) -> bool {
        self.name_length == 0
    }

    /// The same field in the one way that everybody reads: its lines end with CRLF, none is of blanks alone, and no CR
    /// or NUL is inside one (CASES T-80, T-82).
    pub fn tidied(&self) -> Self {
        let mut raw = Vec::with_capacity(self.raw.len() + 2);
        let lines = self.raw.strip_suffix(b"\n").unwrap_or(&self.raw).split(|&b| b == b'\n');
        for (index, line) in lines.enumerate() {
            if index == 0 || !line.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r' | 0)) {
                raw.extend(line.iter().filter(|b| !matches!(b, b'\r' | 0)));
                raw.extend_from_slice(b"\r\n");
            }
        }
        Self { raw, name_length: self.name_length }
    }

    /// The same content under another name.
    pub(crate) fn named(&self, name: &str) -> Self {
        let start = if self.is_stray() { 0 } else { self.name_length + 1 };
        let mut raw = format!("{name}: ").into_bytes();
        raw.extend_from_slice(self.raw.get(start..).unwrap_or_default());
        Self { raw, name_length: name.len() }.tidied()
    }

    /// The value without folding (RFC 5322 §2.2.3) and outer white space; octets that are no UTF-8 are replaced.
    pub fn value(&self) -> String {
        self.folded().replace(['\r', '\n'], "").trim_matches(BLANKS).to_owned()
    }

    /// The value as it stands there; octets that are no UTF-8 are replaced.
    fn folded(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.content())
    }

    /// What stands behind the colon, line ends included.
    pub(crate) fn content(&self) -> &[u8] {
        let start = if self.name_length > 0 { self.name_length + 1 } else { 0 };
        self.raw.get(start..).unwrap_or_default()
    }

    /// The value with encoded words decoded, for people.
    pub fn text(&self) -> String {
        decode_words(&self.value())
    }

    fn from_raw(raw: Vec<u8>) -> Self {
        // RFC 5322 §2.2: the name and its colon stand on the field's first line.
        let line = raw.split(|&b| b == b'\n').next().unwrap_or_default();
        let colon = line.iter().position(|&b| b == b':').unwrap_or(0);
        let name = line.get(..colon).unwrap_or_default();
        // RFC 5322 §3.6.8: printable US-ASCII without the colon. Seen in the wild: blanks before the colon.
        let blanks = name.iter().rev().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let name = name.get(..colon - blanks).unwrap_or_default();
        let valid = !name.is_empty() && name.iter().all(|b| (33..=126).contains(b));
        let name_length = if valid { name.len() } else { 0 };
        let raw = if valid && name.len() < colon {
            let mut tidy = name.to_vec();
            tidy.extend_from_slice(raw.get(colon..).unwrap_or_default());
            tidy
        } else {
            raw
        };
        Self { raw, name_length }
    }
}

impl Header {
    /// Reads a header section and the empty line behind it.
    pub fn read(source: &mut impl BufRead, limits: &Limits) -> Result<Self, Error> {
        let mut header = Self::default();
        let (mut bytes, mut line) = (0, Vec::new());
        let mut raw: Vec<u8> = Vec::new();
        loop {
            line.clear();
            read_line(source, limits.header_bytes - bytes, &mut line)?;
            bytes += line.len();
            if bytes >= limits.header_bytes {
                return Err(Error::TooMuch { what: "bytes in its header", limit: limits.header_bytes });
            }
            header.bare_line_feeds |= line.ends_with(b"\n") && !line.ends_with(b"\r\n");
            // RFC 5322 §4.2: a line that begins with a blank continues the field before it, also one of blanks alone.
            let continues = matches!(line.first(), Some(b' ' | b'\t')) && !raw.is_empty();
            if !continues && !raw.is_empty() {
                if header.fields.len() >= limits.header_fields {
                    return Err(Error::TooMuch { what: "header fields", limit: limits.header_fields });
                }
                let field = Field::from_raw(std::mem::take(&mut raw));
                if field.is_stray() {
                    header.stray_at.get_or_insert(bytes - line.len() - field.raw.len());
                }
                header.fields.push(field);
            }
            if line.is_empty() || line.iter().all(|b| matches!(b, b'\r' | b'\n')) {
                header.octets_read = bytes;
                header.odd_end = !matches!(line.as_slice(), b"" | b"\n" | b"\r\n");
                return Ok(header);
            }
            raw.extend_from_slice(&line);
        }
    }

    /// Reads a header section from the beginning of `bytes`; gives what comes behind the empty line, too.
    pub fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<(Self, &'a [u8]), Error> {
        let mut rest = bytes;
        let header = Self::read(&mut rest, limits)?;
        Ok((header, rest))
    }

    /// From fields.
    pub fn from_fields(fields: Vec<Field>) -> Self {
        Self { fields, ..Self::default() }
    }

    /// All fields, in order.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The fields of this name, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |field| field.is(name))
    }

    /// The first field of this name.
    pub fn get(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.is(name))
    }

    /// The value of the first field of this name.
    pub fn value(&self, name: &str) -> Option<String> {
        self.get(name).map(Field::value)
    }

    /// Whether lines end with a bare LF somewhere.
    pub fn has_bare_line_feeds(&self) -> bool {
        self.bare_line_feeds
    }

    /// Octets that [`Self::read`] took, the empty line included.
    pub fn octets_read(&self) -> usize {
        self.octets_read
    }

    /// Octets before the first line that [`Self::read`] met and that is no field: for many the body begins there.
    pub fn first_stray_line(&self) -> Option<usize> {
        self.stray_at
    }

    pub(crate) fn has_odd_end(&self) -> bool {
        self.odd_end
    }

    pub(crate) fn fields_mut(&mut self) -> &mut [Field] {
        &mut self.fields
    }

    /// Puts a field at the top, where trace fields go.
    pub fn prepend(&mut self, field: Field) {
        self.fields.insert(0, field);
    }

    /// Puts a field at the end.
    pub fn push(&mut self, field: Field) {
        self.fields.push(field);
    }

    /// Puts `field` where the first of its name stands and takes out the others; at the end if there was none.
    pub fn replace(&mut self, field: Field) {
        let name = field.name().to_owned();
        let position = self.fields.iter().position(|other| other.is(&name));
        self.fields.retain(|other| !other.is(&name));
        match position {
            Some(position) => self.fields.insert(position.min(self.fields.len()), field),
            None => self.fields.push(field),
        }
    }

    /// Keeps the fields for which `keep` says so.
    pub fn retain(&mut self, keep: impl FnMut(&Field) -> bool) {
        self.fields.retain(keep);
    }

    /// The bytes of all fields, without the empty line.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.fields.iter().map(|field| field.raw.len()).sum::<usize>() + 2);
        self.fields.iter().for_each(|field| bytes.extend_from_slice(&field.raw));
        bytes
    }

    /// The content type; `text/plain` when there is none, and `None` when there are two (CASES T-54).
    pub fn content_type(&self) -> Option<ContentType> {
        let mut fields = self.all("Content-Type");
        match (fields.next(), fields.next()) {
            (None, _) => Some(ContentType::text_plain()),
            (Some(field), None) => Some(ContentType::parse_folded(&field.folded(), &field.value())),
            _ => None,
        }
    }

    /// The content disposition.
    pub fn disposition(&self) -> Option<Disposition> {
        self.value("Content-Disposition").map(|value| Disposition::parse(&value))
    }

    /// The content transfer encoding, in lower case; `7bit` when there is none.
    pub fn transfer_encoding(&self) -> String {
        let value = self.value("Content-Transfer-Encoding").unwrap_or_default();
        let token: String = value.chars().take_while(|c| !BLANKS.contains(c) && *c != ';').collect();
        if token.is_empty() { "7bit".into() } else { token.to_ascii_lowercase() }
    }

    /// The one mailbox that people see as the sender.
    ///
    /// # Errors
    /// When there is not exactly one From field with exactly one strictly formed address (CASES T-08, T-10).
    pub fn visible_from(&self) -> Result<Mailbox, VisibleFromError> {
        let mut fields = self.all("From");
        let field = fields.next().ok_or(VisibleFromError::Missing)?;
        if fields.next().is_some() {
            return Err(VisibleFromError::SeveralFields);
        }
        let mut mailboxes = parse_mailbox_list(&field.value()).map_err(VisibleFromError::Malformed)?;
        match (mailboxes.pop(), mailboxes.is_empty()) {
            (Some(mailbox), true) => Ok(mailbox),
            (None, _) => Err(VisibleFromError::Missing),
            _ => Err(VisibleFromError::SeveralAddresses),
        }
    }
}

fn without_line_ends(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')).collect()
}

/// Reads through the next LF, at most `limit` octets.
fn read_line(source: &mut impl BufRead, limit: usize, line: &mut Vec<u8>) -> Result<(), Error> {
    while line.len() < limit {
        let available = source.fill_buf()?;
        if available.is_empty() {
            return Ok(());
        }
        let end =
            memchr::memchr(b'\n', available).map_or(available.len(), |position| position + 1).min(limit - line.len());
        let done = available.get(end - 1) == Some(&b'\n');
        line.extend_from_slice(available.get(..end).unwrap_or_default());
        source.consume(end);
        if done {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Header {
        Header::parse(text.as_bytes(), &Limits::default()).unwrap().0
    }

    #[test]
    fn fields_keep_their_bytes() {
        let text = "Subject: a\r\n b\r\nX-Odd :  c \r\nno field at all\r\n\r\nbody";
        let (header, rest) = Header::parse(text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(rest, b"body");
        assert_eq!(header.value("subject").unwrap(), "a b");
        assert_eq!(header.value("x-odd").unwrap(), "c");
        assert_eq!(header.fields()[0].raw(), b"Subject: a\r\n b\r\n");
        assert_eq!(header.fields()[2].name(), "");
        assert!(header.fields()[2].is_stray());
        assert_eq!(header.first_stray_line(), Some(text.find("no field").unwrap()));
    }

    #[test]
    fn t_08_a_line_of_blanks_ends_no_field() {
        let text = "From: eve@evil.example\r\n \r\n <ceo@partner.example>\r\nSubject:\r\n\t\r\n [signed] pay\r\n\r\n";
        let (header, rest) = Header::parse(text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!((header.fields().len(), rest), (2, &b""[..]));
        assert_eq!(header.value("From").unwrap(), "eve@evil.example  <ceo@partner.example>");
        assert!(matches!(header.visible_from(), Err(VisibleFromError::Malformed(_))));
        assert!(header.value("Subject").unwrap().contains("[signed]"));
        assert_eq!([&header.to_bytes()[..], b"\r\n"].concat(), text.as_bytes());
    }

    #[test]
    fn t_80_a_tidied_field_has_one_reading() {
        let (header, _) = Header::parse(
            &b"Content-Type: text/plain\rSubject: [signed] x\n \r\n \0 \r\n a\0b\n\n"[..],
            &Limits::default(),
        )
        .unwrap();
        let tidied = header.fields()[0].tidied();
        assert_eq!(tidied.raw(), b"Content-Type: text/plainSubject: [signed] x\r\n ab\r\n");
        assert!(tidied.is("Content-Type"));
        assert_eq!(Field::new("A", "b").tidied(), Field::new("A", "b"));
    }

    #[test]
    fn t_08_the_sender_is_one_address_or_nobody() {
        let from = |text: &str| header(text).visible_from();
        assert_eq!(
            from("From: \"victim@x.org\" <alice@example.org>\r\n\r\n").unwrap().to_string(),
            "alice@example.org"
        );
        assert_eq!(from("From: a@x.org\r\nFrom: b@x.org\r\n\r\n"), Err(VisibleFromError::SeveralFields));
        assert_eq!(from("From: a@x.org, b@x.org\r\n\r\n"), Err(VisibleFromError::SeveralAddresses));
        assert_eq!(from("Sender: a@x.org\r\n\r\n"), Err(VisibleFromError::Missing));
        assert_eq!(from("From: \r\n\r\n"), Err(VisibleFromError::Missing));
    }

    #[test]
    fn t_54_headers_without_end_are_refused() {
        let long = vec![b'a'; 2 << 20];
        assert!(Header::parse(&long, &Limits::default()).is_err());
        assert!(Header::parse(&b"A: b\r\n".repeat(20_000), &Limits::default()).is_err());
    }

    #[test]
    fn t_82_no_field_makes_another() {
        assert_eq!(Field::new("Subject", "x\r\nBcc: y@z").raw(), b"Subject: xBcc: y@z\r\n");
    }
}
