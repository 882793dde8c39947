use crate::{Actions, Error, Steps};

/// What goes back to a mail server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response<'a> {
    /// `h`: one more header field, at the end.
    AddHeader {
        /// Its name.
        name: &'a str,
        /// Its value; folded lines end with LF.
        value: Vec<u8>,
    },
    /// `m`: another value for the field that is the `index`th of its name, from 1; an empty one takes it out.
    ChangeHeader {
        /// Which of its name.
        index: u32,
        /// Its name.
        name: &'a str,
        /// Its value; folded lines end with LF.
        value: Vec<u8>,
    },
    /// `c`: go on; at the end of a message: it is as it shall be.
    Continue,
    /// `-`: this recipient does not get it. The address is written as the server wrote it.
    DeleteRecipient(&'a str),
    /// `d`: nobody gets the message, and nobody is told.
    Discard,
    /// `i`: one more header field, behind the first `index`.
    InsertHeader {
        /// Fields that stand before it.
        index: u32,
        /// Its name.
        name: &'a str,
        /// Its value; folded lines end with LF.
        value: Vec<u8>,
    },
    /// `O`: what was agreed upon.
    Negotiate(u32, Actions, Steps),
    /// `p`: it takes time.
    Progress,
    /// `b`: a piece of the new body. All pieces come one behind the other, or Postfix does not take them.
    ReplaceBody(&'a [u8]),
    /// `y`: the message, the sender or the recipient is not taken: an SMTP answer.
    Reply {
        /// Three digits, 4xx or 5xx.
        code: u16,
        /// The enhanced status code.
        enhanced: &'a str,
        /// One line of text.
        text: &'a str,
    },
    /// `t`: not now.
    TemporaryFailure,
}

/// Octets of a body that a packet may have (`MILTER_CHUNK_SIZE`).
pub const BODY_CHUNK: usize = 65_535;

/// Octets of a header field that are asked for: name, value and what goes with them fit into the smallest packet that a
/// server takes (`MILTER_MAX_DATA_SIZE`).
pub const LONGEST_VALUE: usize = 60_000;

impl Response<'_> {
    /// Appends the packet.
    ///
    /// # Errors
    /// When something of it is too long, or cannot be written at all.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let (letter, data) = match self {
            Self::AddHeader { name, value } => (b'h', field(name, value)?),
            Self::ChangeHeader { index, name, value } => {
                (b'm', [&index.to_be_bytes()[..], &field(name, value)?].concat())
            }
            Self::Continue => (b'c', Vec::new()),
            Self::DeleteRecipient(address) => (b'-', string("recipient", address.as_bytes())?),
            Self::Discard => (b'd', Vec::new()),
            Self::InsertHeader { index, name, value } => {
                (b'i', [&index.to_be_bytes()[..], &field(name, value)?].concat())
            }
            Self::Negotiate(version, actions, steps) => (
                b'O',
                [*version, actions.bits(), steps.bits()].iter().flat_map(|number| number.to_be_bytes()).collect(),
            ),
            Self::Progress => (b'p', Vec::new()),
            Self::ReplaceBody(piece) if piece.len() > BODY_CHUNK => {
                return Err(Error::TooLong { what: "a piece of a body" });
            }
            Self::ReplaceBody(piece) => (b'b', piece.to_vec()),
            Self::Reply { code, enhanced, text } => (b'y', reply(*code, enhanced, text)?),
            Self::TemporaryFailure => (b't', Vec::new()),
        };
        let length = u32::try_from(data.len() + 1).map_err(|_| Error::TooLong { what: "a packet" })?;
        out.extend_from_slice(&length.to_be_bytes());
        out.push(letter);
        out.extend_from_slice(&data);
        Ok(())
    }
}

fn string(what: &'static str, text: &[u8]) -> Result<Vec<u8>, Error> {
    if text.len() > LONGEST_VALUE {
        return Err(Error::TooLong { what });
    }
    if text.contains(&0) {
        return Err(Error::Malformed { what, because: "it has a NUL" });
    }
    Ok([text, &[0]].concat())
}

fn field(name: &str, value: &[u8]) -> Result<Vec<u8>, Error> {
    let printable = |octet: u8| (33..=126).contains(&octet) && octet != b':';
    if name.is_empty() || name.len() > 998 || !name.bytes().all(printable) {
        return Err(Error::Malformed { what: "header field", because: "its name is none" });
    }
    // Whatever follows a line end without a blank would be another field.
    let lines = value.split(|&octet| octet == b'\n').skip(1);
    if value.contains(&b'\r') || !lines.into_iter().all(|line| matches!(line.first(), Some(b' ' | b'\t'))) {
        return Err(Error::Malformed { what: "header field", because: "a line of its value is not folded" });
    }
    Ok([string("header field", name.as_bytes())?, string("header field", value)?].concat())
}

/// The server takes a doubled `%` for one: Sendmail makes it a format.
fn reply(code: u16, enhanced: &str, text: &str) -> Result<Vec<u8>, Error> {
    let class = match code {
        400..=499 => '4',
        500..=599 => '5',
        _ => return Err(Error::Malformed { what: "reply", because: "it is neither 4xx nor 5xx" }),
    };
    let enhanced = if enhanced.starts_with(class) { enhanced.to_owned() } else { format!("{class}.0.0") };
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|&end| end <= LONGEST_TEXT);
    let text = text.get(..ends.last().unwrap_or(0)).unwrap_or_default();
    string("reply", format!("{code} {enhanced} {}", text.replace('%', "%%")).as_bytes())
}

/// RFC 5321 §4.5.3.1.5: 512 octets a line.
const LONGEST_TEXT: usize = 480;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]
mod tests {
    use super::*;

    fn encoded(response: &Response<'_>) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        response.encode(&mut out).map(|()| out)
    }

    #[test]
    fn packets_as_postfix_reads_them() {
        let field = |value: &[u8]| Response::ChangeHeader { index: 2, name: "Subject", value: value.to_vec() };
        assert_eq!(encoded(&field(b" a\n b")).unwrap(), b"\0\0\0\x13m\0\0\0\x02Subject\0 a\n b\0");
        let added = Response::InsertHeader { index: 0, name: "A", value: b" b".to_vec() };
        assert_eq!(encoded(&added).unwrap(), b"\0\0\0\x0Ai\0\0\0\0A\0 b\0");
        assert_eq!(encoded(&Response::Continue).unwrap(), b"\0\0\0\x01c");
        let no = Response::Reply { code: 550, enhanced: "5.7.1", text: "100%\r\n250 ok" };
        assert_eq!(encoded(&no).unwrap(), b"\0\0\0\x19y550 5.7.1 100%%  250 ok\0");
    }

    #[test]
    fn t_82_no_value_starts_another_field() {
        for (name, value) in [
            ("A", &b" b\nX-Evil: 1"[..]),
            ("A", b" b\r\n c"),
            ("A", b" b\n"),
            ("A: b\nC", b""),
            ("", b""),
            ("A", b"\0"),
        ] {
            assert!(encoded(&Response::AddHeader { name, value: value.to_vec() }).is_err(), "{name} {value:?}");
        }
        assert!(encoded(&Response::ReplaceBody(&[0; BODY_CHUNK + 1])).is_err());
        assert!(encoded(&Response::AddHeader { name: "A", value: vec![b'a'; LONGEST_VALUE + 1] }).is_err());
        assert!(encoded(&Response::Reply { code: 250, enhanced: "2.0.0", text: "ok" }).is_err());
    }
}
