use std::fmt;

use crate::content_type::BLANKS;
use crate::{Field, Header};

/// Why not everybody reads a header in the same way. What stands under such a header is nobody's word: a recipient may
/// see something else than what was checked (CASES T-08, T-54).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ambiguity {
    /// A line of blanks alone. It continues a field (RFC 5322 §4.2), and some end the header there.
    BlankLine,
    /// A CR or a NUL inside a line: for some a line ends there.
    Control,
    /// Two content types, or one whose type or boundary depends on who reads it.
    ContentType,
    /// A multipart under another version of MIME than 1.0 (RFC 2045 §4): for some it is text.
    MimeVersion,
    /// A line that is no field. For some the text begins there, others pass over it.
    StrayLine,
    /// Two transfer encodings, or one that no multipart has (RFC 2045 §6.4): some decode it, others do not.
    TransferEncoding,
}

impl fmt::Display for Ambiguity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the header is not read in the same way by everybody: ")?;
        f.write_str(match self {
            Self::BlankLine => "it has a line of blanks alone",
            Self::Control => "a line of it has a control character inside",
            Self::ContentType => "its content type can be taken for another",
            Self::MimeVersion => "it is of another version of MIME",
            Self::StrayLine => "a line of it is no field",
            Self::TransferEncoding => "its transfer encoding can be taken for another",
        })
    }
}

impl Header {
    /// Why others may read it in another way; `None` when everybody reads it as it is read here.
    pub fn ambiguity(&self) -> Option<Ambiguity> {
        if self.fields().iter().any(Field::is_stray) {
            return Some(Ambiguity::StrayLine);
        }
        if self.has_odd_end() || self.fields().iter().any(has_control) {
            return Some(Ambiguity::Control);
        }
        if self.fields().iter().any(has_blank_line) {
            return Some(Ambiguity::BlankLine);
        }
        let Some(content_type) = self.content_type().filter(|content_type| !content_type.is_ambiguous()) else {
            return Some(Ambiguity::ContentType);
        };
        if content_type.is_multipart() && !self.all("MIME-Version").all(is_version_one) {
            return Some(Ambiguity::MimeVersion);
        }
        let encoding = self.transfer_encoding();
        let of_multipart = !content_type.is_multipart() || matches!(encoding.as_str(), "7bit" | "8bit" | "binary");
        let one = self.all("Content-Transfer-Encoding").nth(1).is_none();
        (!one || !of_multipart).then_some(Ambiguity::TransferEncoding)
    }

    /// Gives each line that is no field the name `name`: nothing of it is lost, and it is a field to everybody.
    pub fn name_stray_lines(&mut self, name: &str) {
        for field in self.fields_mut().iter_mut().filter(|field| field.is_stray()) {
            *field = field.named(name);
        }
    }
}

// Seen in the wild: comments behind it (RFC 2045 §4 allows them).
fn is_version_one(field: &Field) -> bool {
    let value = field.value();
    let version = value.split('(').next().unwrap_or_default();
    version.trim_matches(BLANKS) == "1.0"
}

fn has_blank_line(field: &Field) -> bool {
    let lines = field.raw().strip_suffix(b"\n").unwrap_or(field.raw()).split(|&b| b == b'\n');
    lines.skip(1).any(|line| line.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r')))
}

fn has_control(field: &Field) -> bool {
    let raw = field.raw();
    memchr::memchr2_iter(b'\r', 0, raw).any(|at| raw.get(at..at + 2) != Some(b"\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn header(text: &str) -> Header {
        Header::parse(text.as_bytes(), &Limits::default()).unwrap().0
    }

    #[test]
    fn t_54_what_is_read_in_two_ways_is_known() {
        use Ambiguity::{BlankLine, ContentType, Control, MimeVersion, StrayLine, TransferEncoding};
        for (text, expected) in [
            ("From: a@x.org\r\nSubject: b\r\n c\r\n\t d\r\n\r\n", None),
            ("From: a@x.org\nSubject:\n b\n\n", None),
            ("From : a@x.org\r\n\r\n", None),
            ("\r\nFrom: a@x.org\r\n", None),
            ("", None),
            ("Subject: a\r\n \r\n\r\n", Some(BlankLine)),
            ("Subject: a\r\n\t \r\n b\r\n\r\n", Some(BlankLine)),
            (" \r\nFrom: a@x.org\r\n\r\n", Some(StrayLine)),
            (" Subject: a\r\nFrom: a@x.org\r\n\r\n", Some(StrayLine)),
            ("From: a@x.org\r\nPlease pay\r\nTo: b@x.org\r\n\r\n", Some(StrayLine)),
            ("From\r\n : a@x.org\r\n\r\n", Some(StrayLine)),
            ("From\0: a@x.org\r\n\r\n", Some(StrayLine)),
            ("From: a@x.org\rSubject: b\r\n\r\n", Some(Control)),
            ("From: a@x.org\0\r\n\r\n", Some(Control)),
            ("From: a@x.org\r\n\r\r\nPlease pay\r\n\r\n", Some(Control)),
            ("Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n", Some(ContentType)),
            ("Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n", Some(ContentType)),
            ("Content-Type: multipart/mixed; boundary=a\r\nContent-Transfer-Encoding: 8bit\r\n\r\n", None),
            ("Content-Type: multipart/mixed; boundary=\"a\r\n b\"\r\n\r\n", Some(ContentType)),
            ("Content-Type:\u{a0}multipart/mixed; boundary=a\r\n\r\n", Some(ContentType)),
            ("MIME-Version: 1.0 (by hand)\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n", None),
            ("MIME-Version: 2.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n", Some(MimeVersion)),
            ("MIME-Version: 2.0\r\nContent-Type: text/plain\r\n\r\n", None),
            (
                "Content-Type: multipart/mixed; boundary=a\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
                Some(TransferEncoding),
            ),
            ("Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n\r\n", Some(TransferEncoding)),
        ] {
            assert_eq!(header(text).ambiguity(), expected, "{text:?}");
        }
    }

    #[test]
    fn t_90_stray_lines_get_a_name_and_lose_nothing() {
        let mut forged = header(" ; smime=pass\r\n\r\n");
        forged.name_stray_lines("X-Stray");
        forged.prepend(Field::new("Authentication-Results", "gate"));
        assert_eq!(forged.to_bytes(), b"Authentication-Results: gate\r\nX-Stray:  ; smime=pass\r\n");
        let mut mixed = header("From: a@x.org\r\nPay\r \0now\r\n \r\n more\r\nTo: b@x.org\r\n\r\n");
        mixed.name_stray_lines("X-Stray");
        assert_eq!(mixed.to_bytes(), b"From: a@x.org\r\nX-Stray: Pay now\r\n more\r\nTo: b@x.org\r\n");
        assert_eq!(mixed.ambiguity(), None);
    }
}
