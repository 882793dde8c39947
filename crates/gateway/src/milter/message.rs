//! A message while a mail server tells it.

use std::io::{self, Write as _};

use cms::{Spool, SpoolLimits};

use crate::smtp::{ChunkChecker, Envelope, ForwardPath, Recipient, Reply, ReversePath};

/// What has been told so far.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) envelope: Envelope,
    /// The recipients as they were written: that is how the mail server knows them.
    pub(super) written: Vec<String>,
    spool: Spool,
    checker: ChunkChecker,
    most: u64,
    header: u64,
    /// Why it is not taken, whatever comes.
    failed: Option<Reply>,
}

impl Message {
    /// From what MAIL said.
    pub(super) fn from(arguments: &[String], limits: SpoolLimits, most: u64) -> Result<Self, Reply> {
        let said = |name: &str| arguments.iter().skip(1).any(|argument| argument.eq_ignore_ascii_case(name));
        let envelope = Envelope {
            from: ReversePath::parse(bare(arguments))?,
            utf8: said("SMTPUTF8"),
            eight_bit: said("BODY=8BITMIME"),
            ..Envelope::default()
        };
        let spool = Spool::new(limits);
        let (written, checker) = (Vec::new(), ChunkChecker::default());
        Ok(Self { envelope, written, spool, checker, most, header: 0, failed: None })
    }

    /// From what RCPT said.
    pub(super) fn to(&mut self, arguments: &[String], domain: &str, most: usize) -> Result<(), Reply> {
        if self.envelope.recipients.len() >= most {
            return Err(Reply::new(452, "4.5.3", "too many recipients; send to the others separately"));
        }
        let to = ForwardPath::parse(bare(arguments), domain)?;
        // CASES T-83: what looks like one of ours, the mail server may route out again.
        if to.routes() {
            return Err(Reply::new(550, "5.7.1", "addresses inside addresses are not taken"));
        }
        self.envelope.recipients.push(Recipient { to, notify: None, orcpt: None });
        self.written.push(arguments.first().cloned().unwrap_or_default());
        Ok(())
    }

    /// One header field. Without `spaced` the mail server has eaten the blank behind the colon.
    pub(super) fn field(&mut self, name: &[u8], value: &[u8], spaced: bool) {
        let printable = |octet: &u8| (33..=126).contains(octet) && *octet != b':';
        let folded = |line: &[u8]| matches!(line.first(), Some(b' ' | b'\t'));
        let mut lines = value.split(|&octet| octet == b'\n');
        let first = lines.next().unwrap_or_default();
        let rest: Vec<&[u8]> = lines.collect();
        if name.is_empty() || !name.iter().all(printable) || !rest.iter().all(|line| folded(line)) {
            self.fail(Reply::new(550, "5.6.0", "the message's header cannot be read"));
            return;
        }
        let mut raw = [name, if spaced { b":" } else { b": " }, first, b"\r\n"].concat();
        rest.iter().for_each(|line| raw.extend_from_slice(&[line, &b"\r\n"[..]].concat()));
        self.header = self.header.saturating_add(u64::try_from(raw.len()).unwrap_or(u64::MAX));
        let most = u64::try_from(mime::Limits::default().header_bytes).unwrap_or(u64::MAX);
        if self.header >= most {
            self.fail(Reply::new(552, "5.3.4", "the message's header is too large"));
            return;
        }
        self.add(&raw);
    }

    /// The header has ended.
    pub(super) fn end_header(&mut self) {
        self.add(b"\r\n");
    }

    /// A piece of header or body.
    pub(super) fn add(&mut self, octets: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        let length = u64::try_from(octets.len()).unwrap_or(u64::MAX);
        if self.spool.len().saturating_add(length) > self.most {
            self.fail(Reply::new(552, "5.3.4", format!("the message is larger than {} octets", self.most)));
            return;
        }
        self.checker.check(octets);
        if let Err(error) = self.spool.write_all(octets) {
            tracing::error!(%error, "a message cannot be stored");
            let full = error.kind() == io::ErrorKind::StorageFull;
            let enhanced = if full { "4.3.1" } else { "4.3.0" };
            self.fail(Reply::new(452, enhanced, "the message cannot be stored now"));
        }
    }

    /// Its envelope, the recipients as they were written, and its content.
    pub(super) fn finish(self) -> Result<(Envelope, Vec<String>, Spool), Reply> {
        if let Some(reply) = self.failed {
            return Err(reply);
        }
        if self.checker.is_broken() {
            // CASES T-80: what two servers read in two ways is not signed, and not called valid.
            return Err(Reply::new(550, "5.6.0", "the message has a CR or LF that ends no line, or a NUL"));
        }
        if self.envelope.recipients.is_empty() {
            return Err(Reply::new(451, "4.5.1", "nobody was named whom the message is to"));
        }
        Ok((self.envelope, self.written, self.spool))
    }

    /// The first reason counts; nothing more is kept.
    fn fail(&mut self, reply: Reply) {
        self.failed.get_or_insert(reply);
    }
}

/// The address of MAIL or RCPT, without its brackets.
fn bare(arguments: &[String]) -> &str {
    let text = arguments.first().map(String::as_str).unwrap_or_default();
    text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(most: u64) -> Message {
        let limits = SpoolLimits::in_folder(std::env::temp_dir());
        let mut message = Message::from(&["<a@inside.example>".into(), "BODY=8BITMIME".into()], limits, most).unwrap();
        message.to(&["<b@partner.example>".into()], "inside.example", 2).unwrap();
        message
    }

    fn whole(message: Message) -> Result<Vec<u8>, Reply> {
        let (_, _, mut spool) = message.finish()?;
        let mut octets = Vec::new();
        io::Read::read_to_end(&mut spool.reader().unwrap(), &mut octets).unwrap();
        Ok(octets)
    }

    #[test]
    fn a_message_is_put_together_octet_for_octet() {
        let mut spaced = message(1_000);
        assert!(spaced.envelope.eight_bit && !spaced.envelope.utf8);
        spaced.field(b"Subject", b"  a\n\tb", true);
        spaced.field(b"X", b"", true);
        spaced.end_header();
        spaced.add(b"one\r\n");
        spaced.add(b"two\r\n");
        assert_eq!(whole(spaced).unwrap(), b"Subject:  a\r\n\tb\r\nX:\r\n\r\none\r\ntwo\r\n");
        let mut eaten = message(1_000);
        eaten.field(b"Subject", b"a", false);
        assert_eq!(whole(eaten).unwrap(), b"Subject: a\r\n");
    }

    #[test]
    fn t_80_what_two_servers_read_in_two_ways_is_not_taken() {
        for (name, value) in [(&b"A"[..], &b" b\nX-Evil: 1"[..]), (b"A b", b""), (b"", b""), (b"A:", b"")] {
            let mut message = message(1_000);
            message.field(name, value, true);
            assert_eq!(message.finish().unwrap_err().code(), 550, "{name:?}");
        }
        for body in [&b"a\nb\r\n"[..], b"a\rb\r\n", b"a\0\r\n"] {
            let mut message = message(1_000);
            message.add(body);
            assert_eq!(message.finish().unwrap_err().code(), 550);
        }
    }

    #[test]
    fn t_83_nothing_goes_to_an_address_inside_an_address() {
        for routing in ["<anna%partner.example@inside.example>", "partner.example!anna@inside.example"] {
            let refused = message(1_000).to(&[routing.into()], "inside.example", 9).unwrap_err();
            assert_eq!((refused.code(), refused.enhanced()), (550, "5.7.1"), "{routing}");
        }
    }

    #[test]
    fn t_91_what_is_kept_has_an_end() {
        let mut large = message(10);
        large.add(b"12345678\r\n");
        large.add(b"x");
        large.add(b"\n");
        assert_eq!(large.finish().unwrap_err().code(), 552);
        let mut header = message(u64::MAX);
        (0..100).for_each(|_| header.field(b"A", &[b'a'; 60_000], true));
        assert_eq!(header.finish().unwrap_err().code(), 552);
        let mut many = message(10);
        many.to(&["<c@partner.example>".into()], "inside.example", 2).unwrap();
        assert_eq!(many.to(&["<d@partner.example>".into()], "inside.example", 2).unwrap_err().code(), 452);
        assert_eq!(many.to(&["<\"d\"@partner.example>".into()], "inside.example", 9).unwrap_err().code(), 553);
    }
}
