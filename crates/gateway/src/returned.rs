//! Messages that a mail has in it: what a report returns, what a rule forwards as it is.
//!
//! Their Message-IDs say whether what was decrypted here is about to leave (CASES T-27, T-29, T-31), so they are looked for
//! in the whole body, folded or not.

use std::io::{self, BufRead, Read as _};

use cms::Spool;

use crate::facts::ids;
use crate::mail::{unreadable_header, unreadable_spool};
use crate::smtp::Reply;

/// What was found in a body.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Returned {
    /// The Message-IDs of messages in it.
    pub(crate) ids: Vec<String>,
    /// There is a message in it, and nobody can tell which.
    pub(crate) is_nameless: bool,
    /// There are more messages in it than are looked at.
    pub(crate) has_more: bool,
}

/// Looks at the body of a mail.
pub(crate) fn look_into(mail: &mut Spool) -> Result<Returned, Reply> {
    let mut reader = mail.reader().map_err(|_| unreadable_spool())?;
    mime::Header::read(&mut reader, &mime::Limits::default()).map_err(|error| unreadable_header(&error))?;
    look(&mut reader).map_err(|_| unreadable_spool())
}

fn look(body: &mut impl BufRead) -> io::Result<Returned> {
    let (mut looking, mut line) = (Looking::default(), Vec::new());
    while read_line(body, &mut line)? {
        looking.line(&line);
        line.clear();
    }
    Ok(looking.finish())
}

/// Looks at lines, one after the other.
#[derive(Debug, Default)]
struct Looking {
    returned: Returned,
    has_message: bool,
    /// A field of interest, as far as it has been read.
    field: Vec<u8>,
    /// What the part that has begun says about itself.
    is_message: bool,
    is_base64: bool,
    /// The message in base64 that stands here.
    encoded: Option<Box<Encoded>>,
    /// Messages in base64 around this one.
    depth: usize,
}

impl Looking {
    fn line(&mut self, line: &[u8]) {
        if let Some(encoded) = self.encoded.as_mut().filter(|_| !line.starts_with(b"--")) {
            encoded.add(line);
            return;
        }
        self.end_encoded();
        let unquoted = line.strip_prefix(b"> ").or_else(|| line.strip_prefix(b">")).unwrap_or(line);
        if !self.field.is_empty() && matches!(unquoted.first(), Some(b' ' | b'\t')) {
            let room = LONGEST_FIELD.saturating_sub(self.field.len());
            self.field.extend_from_slice(unquoted.get(..room).unwrap_or(unquoted));
            return;
        }
        self.end_field();
        let (ends_header, ends_part) = (unquoted.trim_ascii().is_empty(), unquoted.starts_with(b"--"));
        if ends_header && self.is_message && self.is_base64 && self.depth < DEEPEST {
            let inner = Self { depth: self.depth + 1, ..Self::default() };
            self.encoded = Some(Box::new(Encoded { digits: Vec::new(), line: Vec::new(), inner }));
        }
        if ends_header || ends_part {
            (self.is_message, self.is_base64) = (false, false);
        }
        if NAMES.iter().any(|name| is_named(unquoted, name)) {
            self.field.extend_from_slice(unquoted.get(..LONGEST_FIELD).unwrap_or(unquoted));
        }
    }

    fn end_field(&mut self) {
        let field = std::mem::take(&mut self.field);
        if field.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&field).into_owned();
        if is_named(&field, CONTENT_TYPE) {
            let value = text.to_ascii_lowercase();
            let is_message =
                ["message/rfc822", "rfc822-headers", "message/global"].iter().any(|kind| value.contains(kind));
            self.has_message |= is_message;
            // Some programs attach a message as a file.
            self.is_message = is_message || value.contains(".eml");
        } else if is_named(&field, TRANSFER_ENCODING) {
            self.is_base64 = text.to_ascii_lowercase().contains("base64");
        } else {
            let unfolded: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
            // A part in quoted-printable has it in another writing.
            let decoded = mime::decode_quoted_printable(unfolded.as_bytes());
            ids(&unfolded).chain(ids(&String::from_utf8_lossy(&decoded))).for_each(|id| self.add(id));
        }
    }

    fn add(&mut self, id: String) {
        if self.returned.ids.contains(&id) {
        } else if self.returned.ids.len() < MOST_IDS {
            self.returned.ids.push(id);
        } else {
            self.returned.has_more = true;
        }
    }

    fn end_encoded(&mut self) {
        let Some(encoded) = self.encoded.take() else { return };
        let inner = encoded.finish();
        self.returned.is_nameless |= inner.is_nameless;
        self.returned.has_more |= inner.has_more;
        inner.ids.into_iter().for_each(|id| self.add(id));
    }

    fn finish(mut self) -> Returned {
        self.end_encoded();
        self.end_field();
        self.returned.is_nameless |= self.has_message && self.returned.ids.is_empty();
        self.returned
    }
}

/// A message in base64.
#[derive(Debug)]
struct Encoded {
    /// Digits that are not decoded yet.
    digits: Vec<u8>,
    /// The line that they make, as far as it has been decoded.
    line: Vec<u8>,
    inner: Looking,
}

impl Encoded {
    fn add(&mut self, line: &[u8]) {
        self.digits.extend(line.iter().filter(|octet| !octet.is_ascii_whitespace()));
        let whole = self.digits.len() - self.digits.len() % 4;
        let mut octets = Vec::new();
        // What is no base64 is left out; whoever reads the message does so as well.
        let digits = self.digits.get(..whole).unwrap_or_default();
        let _ = mime::Base64Reader::new(digits).read_to_end(&mut octets);
        self.digits.drain(..whole);
        for piece in octets.split_inclusive(|&octet| octet == b'\n') {
            let room = LONGEST_LINE.saturating_sub(self.line.len());
            self.line.extend_from_slice(piece.get(..room).unwrap_or(piece));
            if piece.ends_with(b"\n") {
                self.inner.line(&self.line);
                self.line.clear();
            }
        }
    }

    fn finish(mut self) -> Returned {
        if !self.line.is_empty() {
            self.inner.line(&self.line);
        }
        self.inner.finish()
    }
}

fn is_named(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// Reads a line, of which no more than [`LONGEST_LINE`] octets are kept; says whether there was one.
fn read_line(source: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    let mut any = false;
    loop {
        let available = source.fill_buf()?;
        if available.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = memchr::memchr(b'\n', available);
        let length = end.map_or(available.len(), |position| position + 1);
        let room = LONGEST_LINE.saturating_sub(line.len()).min(length);
        line.extend_from_slice(available.get(..room).unwrap_or_default());
        source.consume(length);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// Fields that name a message (RFC 5322 §3.6.4, RFC 8098 §3.2.5), and those that say that a message is in it, and how.
const NAMES: &[&[u8]] = &[b"message-id:", b"original-message-id:", CONTENT_TYPE, TRANSFER_ENCODING];
const CONTENT_TYPE: &[u8] = b"content-type:";
const TRANSFER_ENCODING: &[u8] = b"content-transfer-encoding:";
/// Octets of a field and of a line that are looked at, and messages that one mail may name.
const LONGEST_FIELD: usize = 2_000;
const LONGEST_LINE: usize = 64 * 1_024;
const MOST_IDS: usize = 500;
/// Messages in base64 in one another that are looked into.
const DEEPEST: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &str) -> Returned {
        look(&mut body.as_bytes()).unwrap()
    }

    #[test]
    fn t_27_messages_in_a_body_are_named_wherever_their_id_stands() {
        let far = format!("Message-ID: <1@x>\r\n{}", "X-Junk: y\r\n".repeat(10_000));
        let after = format!("{}Message-ID: <1@x>\r\n", "X-Junk: y\r\n".repeat(10_000));
        let after_long = format!("X: {}\r\nMessage-ID: <1@x>\r\n", "y".repeat(100_000));
        for body in [
            "Message-ID: <1@x>\r\n",
            "message-id:\r\n <1@x>\r\n",
            "Message-Id:\r\n\t<1@x>",
            "MESSAGE-ID: <1@x>",
            "Original-Message-ID: <1@x>\r\n",
            "> Message-ID:\r\n>  <1@x>\r\n",
            "Content-Type: message/rfc822\r\n\r\nMessage-ID: <1@x>\r\n\r\ntext",
            &far,
            &after,
            &after_long,
        ] {
            let named = Returned { ids: vec!["<1@x>".into()], ..Returned::default() };
            assert_eq!(found(body), named, "{body:.60}");
        }
        assert!(found("Message-ID: <a=3Db@x>\r\n").ids.contains(&"<a=b@x>".to_owned()));
        assert_eq!(found("text about Message-ID: <1@x>\r\n"), Returned::default());
    }

    #[test]
    fn t_27_a_message_that_nobody_can_name_is_said_to_be_there() {
        for kind in
            ["message/rfc822", "Message/RFC822; name=x", "text/rfc822-headers", "message/global", "\r\n message/rfc822"]
        {
            let encoded =
                format!("Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\nTWVzc2FnZS1JRA==\r\n");
            assert!(found(&encoded).is_nameless, "{kind}");
        }
        assert!(!found("Content-Type: text/plain\r\n\r\ntext").is_nameless);
    }

    #[test]
    fn t_29_a_message_in_base64_is_looked_into_and_so_is_one_in_it() {
        let encoded = |kind: &str, message: &str| {
            let text = mime::encode_base64(message.as_bytes());
            format!("Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\r\n{text}")
        };
        let message = format!("Subject: {}\r\nMessage-ID: <1@x>\r\n\r\ntext\r\n", "x".repeat(5_000));
        let inner = encoded("message/rfc822", &message);
        for kind in ["message/rfc822", "MESSAGE/global", "application/octet-stream; name=mail.eml"] {
            let outer = encoded(kind, &format!("Message-ID: <2@x>\r\n{inner}\r\n"));
            let body =
                format!("--a\r\n{outer}\r\n--a\r\nContent-Type: text/plain\r\n\r\nMessage-ID: <3@x>\r\n--a--\r\n");
            let named = Returned { ids: vec!["<2@x>".into(), "<1@x>".into(), "<3@x>".into()], ..Returned::default() };
            assert_eq!(found(&body), named, "{kind}");
        }
        // Digits that are cut into lines in any way.
        let whole = inner.split_once("\r\n\r\n").unwrap();
        let odd: String = whole
            .1
            .chars()
            .filter(|c| !c.is_whitespace())
            .collect::<Vec<_>>()
            .chunks(7)
            .map(|chunk| chunk.iter().collect::<String>() + "\r\n")
            .collect();
        assert_eq!(found(&format!("{}\r\n\r\n{odd}", whole.0)).ids, ["<1@x>"]);
    }

    #[test]
    fn t_29_more_messages_than_are_looked_at_are_said_to_be_there() {
        let many = |count: usize| -> Returned {
            found(&(0..count).map(|number| format!("Message-ID: <{number}@x>\r\n")).collect::<String>())
        };
        assert!(!many(MOST_IDS).has_more);
        assert!(many(MOST_IDS + 1).has_more);
    }
}
