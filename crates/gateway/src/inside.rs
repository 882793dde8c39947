//! What was inside a layer, as it goes on: under the outer header, in lines that every mail server takes.
//!
//! Nobody has looked at it before: it came past the listener under its cipher or in base64. Next hops refuse a bare CR
//! or LF, or take it for the end of a line (CASES T-80), and a text without a header of its own is a text all the same.

use std::io::{self, BufRead, Read as _, Write};

use cms::{Spool, SpoolLimits, SpoolReader};
use mime::{Field, Header, SevenBit, SevenBitScan};

use crate::mail::unreadable_spool;
use crate::smtp::{Reply, reader_behind};

/// The outer header with the content fields of what was inside, and its body: in `content` behind so many octets.
/// Nothing else of the inner header counts (CASES T-12).
pub(crate) fn put_under(
    mut header: Header,
    mut content: Spool,
    limits: &SpoolLimits,
) -> Result<(Header, usize, Spool), Reply> {
    header.retain(|field| !is_content(field));
    header.push(Field::new("MIME-Version", "1.0"));
    let mut inner = Inner::read(&mut content)?;
    let found = Found::in_body(&mut behind(&mut content, inner.skip)?, inner.is_entity);
    let found = found.map_err(|_| unreadable_spool())?;
    if !inner.is_entity {
        inner.fields = found.fields();
    }
    let fields = Header::from_fields(inner.fields);
    let must_encode = found.nul || fields.transfer_encoding() == "binary" || (!inner.is_entity && !found.seven_bit);
    let (fields, content, skip) = if must_encode {
        encoded(&fields, &mut content, inner.skip, limits)?
    } else if found.odd_lines {
        let mut lines = Lines::new(Spool::new(limits.clone()));
        let mut body = behind(&mut content, inner.skip)?;
        io::copy(&mut body, &mut lines).and_then(|_| lines.flush()).map_err(unstorable)?;
        (fields, lines.out, 0)
    } else {
        (fields, content, inner.skip)
    };
    fields.fields().iter().filter(|field| is_content(field)).for_each(|field| header.push(field.clone()));
    Ok((header, skip, content))
}

/// What was put under a header, as an entity of its own.
pub(crate) fn entity_of(header: &Header, content: &mut Spool, skip: usize) -> Result<Vec<u8>, Reply> {
    let fields = header.fields().iter().filter(|field| is_content(field) && !field.is("MIME-Version"));
    let mut entity = Header::from_fields(fields.cloned().collect()).to_bytes();
    entity.extend_from_slice(b"\r\n");
    behind(content, skip)?.read_to_end(&mut entity).map_err(|_| unreadable_spool())?;
    Ok(entity)
}

/// The header of what was inside.
struct Inner {
    /// Its content fields.
    fields: Vec<Field>,
    /// Octets before its body.
    skip: usize,
    /// Whether it has a header, be it an empty one.
    is_entity: bool,
}

impl Inner {
    fn read(content: &mut Spool) -> Result<Self, Reply> {
        let mut reader = content.reader().map_err(|_| unreadable_spool())?;
        let beginning = reader.fill_buf().map_err(|_| unreadable_spool())?;
        let is_empty = beginning.starts_with(b"\r\n") || beginning.starts_with(b"\n");
        let text = Self { fields: Vec::new(), skip: 0, is_entity: false };
        // What begins like this has a header, and be it one of its own making; everything else is all text.
        if !is_empty && smime::recognise(beginning) != smime::Form::Mail {
            return Ok(text);
        }
        let header = Header::read(&mut reader, &mime::Limits::default()).map_err(|error| match error {
            mime::Error::Io(_) => unreadable_spool(),
            error => Reply::new(550, "5.6.0", format!("what is inside cannot be read: {error}")),
        })?;
        // A line that is no field begins the body, so that nothing of it is lost.
        let stray = header.fields().iter().position(Field::is_stray);
        let fields: Vec<Field> = header.fields().iter().take(stray.unwrap_or(usize::MAX)).map(Field::tidied).collect();
        let skip = header.first_stray_line().unwrap_or(header.octets_read());
        let fields: Vec<Field> = fields.into_iter().filter(is_content).collect();
        if fields.is_empty() && !is_empty {
            return Ok(text);
        }
        let fields = fields.into_iter().filter(|field| !field.is("MIME-Version")).collect();
        Ok(Self { fields, skip, is_entity: true })
    }
}

fn is_content(field: &Field) -> bool {
    field.is("MIME-Version") || field.name().get(..8).is_some_and(|name| name.eq_ignore_ascii_case("Content-"))
}

/// What a body is made of.
struct Found {
    nul: bool,
    /// A CR or LF that is no CRLF.
    odd_lines: bool,
    seven_bit: bool,
    text: bool,
}

impl Found {
    /// Whether it is text is found out only where nothing says so.
    fn in_body(body: &mut dyn BufRead, is_labelled: bool) -> io::Result<Self> {
        let mut found = Self { nul: false, odd_lines: false, seven_bit: true, text: true };
        let (mut scan, mut after_cr, mut begun) = (SevenBitScan::default(), false, Vec::new());
        loop {
            let piece = body.fill_buf()?;
            if piece.is_empty() {
                break;
            }
            if !is_labelled {
                scan.update(piece);
                found.look_for_text(piece, &mut begun);
            }
            found.nul = found.nul || memchr::memchr(0, piece).is_some();
            if !found.odd_lines {
                // Each LF stands right behind a CR, and behind a CR stands nothing else.
                let end = memchr::memchr2_iter(b'\r', b'\n', piece).try_fold((after_cr, 0), |(after_cr, at), next| {
                    let is_line_feed = piece.get(next) == Some(&b'\n');
                    let good = is_line_feed == after_cr && (!after_cr || next == at);
                    good.then_some((!is_line_feed, next + 1))
                });
                match end {
                    Some((cr, at)) if !cr || at == piece.len() => after_cr = cr,
                    _ => found.odd_lines = true,
                }
            }
            let length = piece.len();
            body.consume(length);
        }
        found.odd_lines |= after_cr;
        found.text &= begun.is_empty() && !found.nul;
        found.seven_bit = scan.is_seven_bit();
        Ok(found)
    }

    fn look_for_text(&mut self, piece: &[u8], begun: &mut Vec<u8>) {
        if !self.text || (piece.is_ascii() && begun.is_empty()) {
            return;
        }
        begun.extend_from_slice(piece);
        match std::str::from_utf8(begun).map_err(|error| (error.valid_up_to(), error.error_len())) {
            Ok(_) => begun.clear(),
            // The beginning of a character whose rest is still to come.
            Err((valid, None)) => drop(begun.drain(..valid)),
            Err(_) => self.text = false,
        }
    }

    /// The fields of what has none.
    fn fields(&self) -> Vec<Field> {
        let field = |value: &str| Field::new("Content-Type", value);
        if !self.text {
            let attached = Field::new("Content-Disposition", "attachment; filename=\"content.bin\"");
            return vec![
                field("application/octet-stream"),
                attached,
                Field::new("Content-Transfer-Encoding", "binary"),
            ];
        }
        if self.seven_bit {
            return vec![field("text/plain; charset=us-ascii")];
        }
        vec![field("text/plain; charset=utf-8"), Field::new("Content-Transfer-Encoding", "8bit")]
    }
}

/// The entity with what is binary transfer-encoded, in a spool of its own.
fn encoded(
    fields: &Header,
    content: &mut Spool,
    skip: usize,
    limits: &SpoolLimits,
) -> Result<(Header, Spool, usize), Reply> {
    let mime_limits = mime::Limits::default();
    let unreadable = |error| match error {
        mime::Error::Io(error) => unstorable(error),
        error => Reply::new(550, "5.6.0", format!("what is inside cannot be read: {error}")),
    };
    let mut head = fields.to_bytes();
    head.extend_from_slice(b"\r\n");
    let plan = SevenBit::examine(&mut head.chain(behind(content, skip)?), &mime_limits).map_err(unreadable)?;
    // Base64 is larger than what it stands for.
    let limits = SpoolLimits { total: limits.total.saturating_mul(2), ..limits.clone() };
    let mut lines = Lines::new(Spool::new(limits));
    plan.write(&mut head.chain(behind(content, skip)?), &mut lines, &mime_limits).map_err(unreadable)?;
    lines.flush().map_err(unstorable)?;
    let mut content = lines.out;
    let mut header =
        Header::read(&mut content.reader().map_err(|_| unreadable_spool())?, &mime_limits).map_err(unreadable)?;
    let skip = header.octets_read();
    // It says so no longer of what is in lines now.
    if header.transfer_encoding() == "binary" {
        header.replace(Field::new("Content-Transfer-Encoding", "8bit"));
    }
    Ok((header, content, skip))
}

/// Makes every CR, LF and CRLF the end of a line. A NUL that is left, in what others signed, becomes a question mark.
struct Lines {
    out: Spool,
    after_cr: bool,
}

impl Lines {
    fn new(out: Spool) -> Self {
        Self { out, after_cr: false }
    }
}

impl Write for Lines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let mut rest = text;
        while let Some(&first) = rest.first() {
            let after_cr = std::mem::take(&mut self.after_cr);
            match first {
                b'\r' => {
                    self.out.write_all(b"\r\n")?;
                    self.after_cr = true;
                }
                b'\n' if after_cr => {}
                b'\n' => self.out.write_all(b"\r\n")?,
                0 => self.out.write_all(b"?")?,
                _ => {
                    let end = memchr::memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
                    let (run, behind) = rest.split_at(end);
                    self.out.write_all(run)?;
                    rest = behind;
                    continue;
                }
            }
            rest = rest.get(1..).unwrap_or_default();
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn behind(content: &mut Spool, skip: usize) -> Result<SpoolReader<'_>, Reply> {
    reader_behind(content, skip).map_err(|_| unreadable_spool())
}

fn unstorable(error: io::Error) -> Reply {
    match error.kind() {
        // It will not be smaller later.
        io::ErrorKind::FileTooLarge => Reply::new(552, "5.3.4", "what is inside is too large"),
        _ => Reply::new(452, "4.3.1", "the message cannot be stored now"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What goes on: the header and the body.
    fn put(content: &[u8]) -> (String, Vec<u8>) {
        let limits = SpoolLimits::in_folder(std::env::temp_dir());
        let mut spool = Spool::new(limits.clone());
        spool.write_all(content).unwrap();
        let outer = Header::from_fields(vec![Field::new("Subject", "x"), Field::new("Content-Type", "outer/type")]);
        let (header, skip, mut spool) = put_under(outer, spool, &limits).unwrap();
        let mut body = Vec::new();
        reader_behind(&mut spool, skip).unwrap().read_to_end(&mut body).unwrap();
        let header = String::from_utf8(header.to_bytes()).unwrap();
        let header = header.strip_prefix("Subject: x\r\nMIME-Version: 1.0\r\n").unwrap().to_owned();
        (header, body)
    }

    #[test]
    fn what_is_in_order_stays_octet_for_octet() {
        for body in ["", "text\r\n", "größe\r\n", "no end", "\r\n\r\n"] {
            let entity =
                format!("MIME-Version: 1.0\r\nContent-Type: text/html;\r\n charset=utf-8\r\nX-Own: 1\r\n\r\n{body}");
            let expected = "Content-Type: text/html;\r\n charset=utf-8\r\n".to_owned();
            assert_eq!(put(entity.as_bytes()), (expected, body.as_bytes().to_vec()));
        }
        // RFC 2045 §5.2: an empty header is one of plain text.
        assert_eq!(put(b"\r\ntext\r\n"), (String::new(), b"text\r\n".to_vec()));
    }

    #[test]
    fn t_80_no_bare_cr_or_lf_goes_on() {
        let (_, body) = put(b"Content-Type: text/plain\n\none\rtwo\r\r\nthree\n\r.\rMAIL FROM:<x@y>\r");
        assert_eq!(body, b"one\r\ntwo\r\n\r\nthree\r\n\r\n.\r\nMAIL FROM:<x@y>\r\n");
        let (header, body) = put(
            b"Content-Type: text/plain\rSubject: [signed] x\rAuthentication-Results: gate; smime=pass\r\n\r\nx\r\n",
        );
        assert_eq!(header.matches(['\r', '\n']).count(), 2, "{header}");
        assert_eq!(body, b"x\r\n");
    }

    #[test]
    fn t_80_binary_content_is_encoded() {
        let octets: Vec<u8> = (0..=255).cycle().take(5_000).collect();
        for label in ["Content-Transfer-Encoding: binary\r\n", ""] {
            let entity = [format!("Content-Type: image/png\r\n{label}\r\n").as_bytes(), &octets].concat();
            let (header, body) = put(&entity);
            assert_eq!(header, "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n");
            assert_eq!(mime::decode_base64(&body).unwrap(), octets);
        }
        let parts = b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n--b\r\n\
                      Content-Type: text/plain\r\n\r\ntext\r\n--b\r\nContent-Type: image/png\r\n\r\na\0b\r\n--b--\r\n";
        let (header, body) = put(parts);
        let entity =
            mime::Entity::parse(&[header.as_bytes(), b"\r\n", &body].concat(), &mime::Limits::default()).unwrap();
        assert_eq!(entity.parts()[1].decoded_body(), b"a\0b");
        assert!(!body.contains(&0) && !header.contains("binary"));
        let (header, body) = put(b"Content-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\n\r\ntext\r\n");
        assert_eq!((header.contains("binary"), body), (false, b"text\r\n".to_vec()));
    }

    #[test]
    fn content_without_a_header_is_delivered_whole() {
        let plain = "Content-Type: text/plain; charset=us-ascii\r\n".to_owned();
        for text in
            ["Dear Bob\r\n\r\nthe price is 100\r\n", "Note: pay 100\r\n\r\nrest\r\n", " first: blank\r\n\r\nrest\r\n"]
        {
            assert_eq!(put(text.as_bytes()), (plain.clone(), text.as_bytes().to_vec()));
        }
        // The header ends with the first line that is no field, as mail servers have it.
        let (header, body) = put(b"Content-Type: text/html\r\nDear Bob\r\n\r\n100\r\n");
        assert_eq!((header.as_str(), &body[..]), ("Content-Type: text/html\r\n", &b"Dear Bob\r\n\r\n100\r\n"[..]));
        let (header, body) = put("Größe\n\n100\n".as_bytes());
        assert!(header.contains("text/plain; charset=utf-8") && header.contains("quoted-printable"), "{header}");
        assert_eq!(mime::decode_quoted_printable(&body), "Größe\r\n\r\n100\r\n".as_bytes());
        let (header, body) = put(b"%PDF\n\xFF\xFE\0");
        assert!(header.contains("application/octet-stream") && header.contains("base64"), "{header}");
        assert_eq!(mime::decode_base64(&body).unwrap(), b"%PDF\n\xFF\xFE\0");
        assert_eq!(put(b""), (plain, Vec::new()));
    }
}
