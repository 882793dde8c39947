//! Messages that a mail has in it: what a report returns, what a rule forwards as it is.
//!
//! Their Message-IDs say whether what was decrypted here is about to leave (CASES T-27, T-29, T-31), so they are looked for
//! in the whole body, folded or not.

use std::io::{self, BufRead};

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
}

/// Looks at the body of a mail.
pub(crate) fn look_into(mail: &mut Spool) -> Result<Returned, Reply> {
    let mut reader = mail.reader().map_err(|_| unreadable_spool())?;
    mime::Header::read(&mut reader, &mime::Limits::default()).map_err(|error| unreadable_header(&error))?;
    look(&mut reader).map_err(|_| unreadable_spool())
}

fn look(body: &mut impl BufRead) -> io::Result<Returned> {
    let (mut returned, mut has_message) = (Returned::default(), false);
    let (mut field, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        let more = read_line(body, &mut line)?;
        let unquoted = line.strip_prefix(b"> ").or_else(|| line.strip_prefix(b">")).unwrap_or(&line);
        if !field.is_empty() && more && matches!(unquoted.first(), Some(b' ' | b'\t')) {
            let room = LONGEST_FIELD.saturating_sub(field.len());
            field.extend_from_slice(unquoted.get(..room).unwrap_or(unquoted));
            continue;
        }
        let text = String::from_utf8_lossy(&field).into_owned();
        if is_named(&field, b"content-type:") {
            let value = text.to_ascii_lowercase();
            has_message |=
                ["message/rfc822", "rfc822-headers", "message/global"].iter().any(|kind| value.contains(kind));
        } else if !field.is_empty() {
            let unfolded: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
            // A part in quoted-printable has it in another writing.
            let decoded = mime::decode_quoted_printable(unfolded.as_bytes());
            for id in ids(&unfolded).chain(ids(&String::from_utf8_lossy(&decoded))) {
                if returned.ids.len() >= MOST_IDS {
                    returned.is_nameless = true;
                } else if !returned.ids.contains(&id) {
                    returned.ids.push(id);
                }
            }
        }
        if !more {
            returned.is_nameless |= has_message && returned.ids.is_empty();
            return Ok(returned);
        }
        field.clear();
        if NAMES.iter().any(|name| is_named(unquoted, name)) {
            field.extend_from_slice(unquoted);
        }
    }
}

fn is_named(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// Reads a line, of which no more than [`LONGEST_FIELD`] octets are kept; says whether there was one.
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
        let room = LONGEST_FIELD.saturating_sub(line.len()).min(length);
        line.extend_from_slice(available.get(..room).unwrap_or_default());
        source.consume(length);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// Fields that name a message (RFC 5322 §3.6.4, RFC 8098 §3.2.5), and the one that says that a message is in it.
const NAMES: &[&[u8]] = &[b"message-id:", b"original-message-id:", b"content-type:"];
/// Octets of a field that are looked at, and messages that one mail may name.
const LONGEST_FIELD: usize = 2_000;
const MOST_IDS: usize = 100;

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
            assert_eq!(found(body), Returned { ids: vec!["<1@x>".into()], is_nameless: false }, "{body:.60}");
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
        let many: String = (0..200).map(|number| format!("Message-ID: <{number}@x>\r\n")).collect();
        assert!(found(&many).is_nameless);
    }
}
