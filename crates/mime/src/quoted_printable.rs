use std::io::{self, BufRead, Read, Write};

use crate::transfer::decode_quoted_printable_piece;

/// Writes quoted-printable (RFC 2045 §6.7) of text; safe for signing: no trailing blanks, no `From `, no lone `.`.
#[derive(Debug)]
pub struct QuotedPrintableWriter<W> {
    out: W,
    /// Encoded, not yet written.
    ready: Vec<u8>,
    column: usize,
    /// A blank or a CR whose fate depends on what follows.
    waiting: Option<u8>,
}

impl<W: Write> QuotedPrintableWriter<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, ready: Vec::new(), column: 0, waiting: None }
    }

    /// Writes what is left and gives back the sink.
    pub fn finish(mut self) -> io::Result<W> {
        if let Some(last) = self.waiting.take() {
            self.put(last, false);
        }
        self.out.write_all(&self.ready)?;
        Ok(self.out)
    }

    fn put(&mut self, byte: u8, literal: bool) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        let width = if literal { 1 } else { 3 };
        if self.column + width > 75 {
            self.ready.extend_from_slice(b"=\r\n");
            self.column = 0;
        }
        // RFC 8551 §3.1.3: a line that begins with `From ` or `-` must survive as it is; SMTP takes a lone `.`.
        if literal && !(self.column == 0 && matches!(byte, b'F' | b'.' | b'-')) {
            self.ready.push(byte);
            self.column += 1;
        } else {
            let digit = |value: u8| HEX.get(usize::from(value)).copied().unwrap_or(b'0');
            self.ready.extend_from_slice(&[b'=', digit(byte >> 4), digit(byte & 15)]);
            self.column += 3;
        }
    }

    fn end_line(&mut self) {
        self.ready.extend_from_slice(b"\r\n");
        self.column = 0;
    }

    fn push(&mut self, byte: u8) {
        match (self.waiting.take(), byte) {
            (Some(b'\r') | None, b'\n') => self.end_line(),
            (Some(blank), b'\n') => {
                self.put(blank, false);
                self.end_line();
            }
            (waiting, byte) => {
                if let Some(waiting) = waiting {
                    // A blank before CRLF is a trailing one, too.
                    self.put(waiting, waiting != b'\r' && byte != b'\r');
                }
                match byte {
                    b' ' | b'\t' | b'\r' => self.waiting = Some(byte),
                    _ => self.put(byte, matches!(byte, b'!'..=b'<' | b'>'..=b'~')),
                }
            }
        }
    }
}

impl<W: Write> Write for QuotedPrintableWriter<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        const STEP: usize = 16 * 1024;
        for step in octets.chunks(STEP) {
            step.iter().for_each(|&byte| self.push(byte));
            self.out.write_all(&self.ready)?;
            self.ready.clear();
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Decodes quoted-printable as it comes; what is malformed stays as it is.
#[derive(Debug)]
pub struct QuotedPrintableReader<R> {
    source: R,
    text: Vec<u8>,
    decoded: Vec<u8>,
    position: usize,
    ended: bool,
}

impl<R: BufRead> QuotedPrintableReader<R> {
    /// Decodes what `source` gives.
    pub fn new(source: R) -> Self {
        Self { source, text: Vec::new(), decoded: Vec::new(), position: 0, ended: false }
    }

    fn refill(&mut self) -> io::Result<()> {
        const STEP: usize = 16 * 1024;
        self.decoded.clear();
        self.position = 0;
        while self.decoded.is_empty() && !self.ended {
            let available = self.source.fill_buf()?;
            let step = available.len().min(STEP);
            self.text.extend_from_slice(available.get(..step).unwrap_or_default());
            self.source.consume(step);
            self.ended = step == 0;
            // An escape that is not complete waits for the rest; so many blanks behind one are not an escape.
            let open = memchr::memrchr(b'=', &self.text).filter(|&at| !self.ended && self.is_open(at));
            let whole = open.unwrap_or(self.text.len());
            self.decoded = decode_quoted_printable_piece(self.text.get(..whole).unwrap_or_default(), self.ended);
            self.text.drain(..whole);
        }
        Ok(())
    }

    fn is_open(&self, at: usize) -> bool {
        const LONGEST: usize = 1000;
        let rest = self.text.get(at + 1..).unwrap_or_default();
        rest.len() < LONGEST && (rest.len() < 2 || rest.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r')))
    }
}

impl<R: BufRead> BufRead for QuotedPrintableReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.decoded.len() {
            self.refill()?;
        }
        Ok(self.decoded.get(self.position..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.position = self.decoded.len().min(self.position + count);
    }
}

impl<R: BufRead> Read for QuotedPrintableReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let now = self.fill_buf()?.read(buffer)?;
        self.consume(now);
        Ok(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{encode_quoted_printable, is_seven_bit};

    #[test]
    fn there_and_back_in_any_pieces() {
        let text =
            "From here äöü = x \r\n.\r\n\r\nlong ".to_owned() + &"ab.".repeat(100) + " \t \r\nlone \r cr\n bare \nend ";
        let whole = encode_quoted_printable(text.as_bytes());
        assert!(is_seven_bit(&whole) && whole.split(|&b| b == b'\n').all(|line| line.len() <= 77));
        let expected = text.replace("\r\n", "\n").replace('\n', "\r\n");
        for piece in [1, 2, 3, 5, 1000] {
            let mut writer = QuotedPrintableWriter::new(Vec::new());
            text.as_bytes().chunks(piece).for_each(|piece| writer.write_all(piece).unwrap());
            assert_eq!(writer.finish().unwrap(), whole, "{piece}");
            let mut back = Vec::new();
            let mut reader = QuotedPrintableReader::new(io::BufReader::with_capacity(piece, &whole[..]));
            reader.read_to_end(&mut back).unwrap();
            assert_eq!(String::from_utf8(back).unwrap(), expected, "{piece}");
        }
        for odd in ["==", "= =41", "=\t==\r\n", "=+1=4", "x= \r\n=", "=\r"] {
            let expected = crate::decode_quoted_printable(odd.as_bytes());
            for piece in 1..4 {
                let mut back = Vec::new();
                let mut reader = QuotedPrintableReader::new(io::BufReader::with_capacity(piece, odd.as_bytes()));
                reader.read_to_end(&mut back).unwrap();
                assert_eq!(back, expected, "{odd:?} in pieces of {piece}");
            }
        }
        assert_eq!(crate::decode_quoted_printable(b"=+1=4g=4A"), b"=+1=4gJ");
        for line in String::from_utf8(whole).unwrap().lines() {
            assert!(!line.starts_with(['.', '-', 'F']) && !line.ends_with([' ', '\t']), "{line:?}");
        }
    }
}
