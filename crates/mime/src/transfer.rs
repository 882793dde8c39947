use std::io::{self, BufRead, Read, Write};

use base64_simd::{Out, STANDARD};

use crate::QuotedPrintableWriter;

/// Base64 without line breaks.
pub fn encode_base64(octets: &[u8]) -> String {
    STANDARD.encode_to_string(octets)
}

/// Base64 with any white space in it; `None` when something else is there.
pub fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let compact: Vec<u8> = text.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
    STANDARD.decode_to_vec(&compact).ok()
}

/// Writes base64 in lines of 76 characters with CRLF.
#[derive(Debug)]
pub struct Base64Writer<W> {
    out: W,
    pending: Vec<u8>,
    /// Symbols without line ends.
    symbols: Vec<u8>,
    lines: Vec<u8>,
}

/// Octets of one line, symbols of one line, and lines that are encoded at a time.
const LINE: usize = 57;
const SYMBOLS: usize = 76;
const LINES: usize = 256;

impl<W: Write> Base64Writer<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, pending: Vec::new(), symbols: Vec::new(), lines: Vec::new() }
    }

    /// Writes what is left and gives back the sink.
    pub fn finish(mut self) -> io::Result<W> {
        let pending = std::mem::take(&mut self.pending);
        self.encode(&pending)?;
        Ok(self.out)
    }

    // Only the last call may end within a line.
    fn encode(&mut self, octets: &[u8]) -> io::Result<()> {
        for block in octets.chunks(LINE * LINES) {
            self.symbols.clear();
            STANDARD.encode_append(block, &mut self.symbols);
            self.lines.clear();
            self.lines.reserve(self.symbols.len() / SYMBOLS * (SYMBOLS + 2) + SYMBOLS + 2);
            let mut symbols = self.symbols.as_slice();
            while let Some((line, rest)) = symbols.split_first_chunk::<SYMBOLS>() {
                self.lines.extend_from_slice(line);
                self.lines.extend_from_slice(b"\r\n");
                symbols = rest;
            }
            if !symbols.is_empty() {
                self.lines.extend_from_slice(symbols);
                self.lines.extend_from_slice(b"\r\n");
            }
            self.out.write_all(&self.lines)?;
        }
        Ok(())
    }
}

impl<W: Write> Write for Base64Writer<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut rest = octets;
        if !self.pending.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(LINE * LINES - self.pending.len()));
            self.pending.extend_from_slice(now);
            rest = later;
            if self.pending.len() == LINE * LINES {
                let pending = std::mem::take(&mut self.pending);
                self.encode(&pending)?;
                self.pending = pending;
                self.pending.clear();
            }
        }
        let (whole, tail) = rest.split_at(rest.len() - rest.len() % LINE);
        if self.pending.is_empty() {
            self.encode(whole)?;
            self.pending.extend_from_slice(tail);
        } else {
            self.pending.extend_from_slice(rest);
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Decodes base64 as it comes. Characters outside the alphabet are passed over (RFC 2045 §6.8) and counted.
#[derive(Debug)]
pub struct Base64Reader<R> {
    source: R,
    compact: Vec<u8>,
    decoded: Vec<u8>,
    position: usize,
    ended: bool,
    odd: u64,
}

impl<R: BufRead> Base64Reader<R> {
    /// Decodes what `source` gives.
    pub fn new(source: R) -> Self {
        Self { source, compact: Vec::new(), decoded: Vec::new(), position: 0, ended: false, odd: 0 }
    }

    /// How many characters were passed over that are neither base64 nor white space.
    pub fn odd_characters(&self) -> u64 {
        self.odd
    }

    fn refill(&mut self) -> io::Result<()> {
        const STEP: usize = 32 * 1024;
        self.decoded.clear();
        self.position = 0;
        while self.decoded.is_empty() && !self.ended {
            let available = self.source.fill_buf()?;
            let step = available.len().min(STEP);
            gather(available.get(..step).unwrap_or_default(), &mut self.compact);
            self.source.consume(step);
            self.ended = step == 0;
            // Padding is the end; what follows is not base64.
            if let Some(padding) = memchr::memchr(b'=', &self.compact) {
                self.compact.truncate(padding);
                self.ended = true;
            }
            if !self.decode() {
                self.sort_out();
                self.decode();
            }
            if self.ended {
                self.decode_rest();
            }
        }
        Ok(())
    }

    /// Decodes what fills groups of four; `false` when something else than symbols is among them.
    fn decode(&mut self) -> bool {
        let whole = self.compact.len() & !3;
        self.decoded.resize(whole / 4 * 3, 0);
        let symbols = self.compact.get(..whole).unwrap_or_default();
        let good = base64_simd::STANDARD_NO_PAD.decode(symbols, Out::from_slice(&mut self.decoded)).is_ok();
        if good {
            self.compact.drain(..whole);
        } else {
            self.decoded.clear();
        }
        good
    }

    fn sort_out(&mut self) {
        let odd = self.compact.iter().filter(|&&b| !IN_ALPHABET[usize::from(b)] && !b.is_ascii_whitespace()).count();
        self.odd += odd as u64;
        self.compact.retain(|&b| IN_ALPHABET[usize::from(b)]);
    }

    // The last group: one to three symbols.
    fn decode_rest(&mut self) {
        self.sort_out();
        if self.compact.len() % 4 == 1 {
            self.odd += 1;
            self.compact.pop();
        }
        // The last symbol's unused bits may be set in the wild: they are cleared before decoding.
        let mask = match self.compact.len() % 4 {
            2 => 0x0F,
            3 => 0x03,
            _ => 0,
        };
        if let Some(symbol) = self.compact.last_mut()
            && let Some(value) = ALPHABET.iter().position(|b| b == symbol)
        {
            *symbol = ALPHABET.get(value & !mask).copied().unwrap_or(b'A');
        }
        self.decoded.extend(base64_simd::STANDARD_NO_PAD.decode_to_vec(&self.compact).unwrap_or_default());
        self.compact.clear();
    }
}

/// Appends text without its line ends.
fn gather(text: &[u8], compact: &mut Vec<u8>) {
    compact.reserve(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        // Nearly all base64 comes in lines of 76 symbols.
        if let Some((line, tail)) = rest.split_first_chunk::<SYMBOLS>()
            && let Some(tail) = tail.strip_prefix(b"\r\n")
        {
            compact.extend_from_slice(line);
            rest = tail;
            continue;
        }
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(end);
        compact.extend_from_slice(run);
        rest = tail.get(1..).unwrap_or_default();
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const IN_ALPHABET: [bool; 256] = {
    let mut table = [false; 256];
    let mut index = 0;
    while index < 64 {
        table[ALPHABET[index] as usize] = true;
        index += 1;
    }
    table
};

impl<R: BufRead> BufRead for Base64Reader<R> {
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

impl<R: BufRead> Read for Base64Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let now = self.fill_buf()?.read(buffer)?;
        self.consume(now);
        Ok(now)
    }
}

/// Quoted-printable of text: what [`QuotedPrintableWriter`] writes.
pub fn encode_quoted_printable(octets: &[u8]) -> Vec<u8> {
    let mut writer = QuotedPrintableWriter::new(Vec::with_capacity(octets.len() + octets.len() / 8));
    // Writing to memory does not fail.
    let _ = writer.write_all(octets);
    writer.finish().unwrap_or_default()
}

/// Decodes quoted-printable; what is malformed stays as it is.
pub fn decode_quoted_printable(text: &[u8]) -> Vec<u8> {
    decode_quoted_printable_piece(text, true)
}

/// The same for a piece of a text: where it does not end, a `=` behind which nothing but blanks is left does not break
/// the line, for the next piece begins with another `=`.
pub(crate) fn decode_quoted_printable_piece(text: &[u8], ends: bool) -> Vec<u8> {
    let (mut out, mut position) = (Vec::with_capacity(text.len()), 0);
    while let Some(&byte) = text.get(position) {
        position += 1;
        if byte != b'=' {
            out.push(byte);
            continue;
        }
        let rest = text.get(position..).unwrap_or_default();
        if let [high, low, ..] = rest
            && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
        {
            out.push(high << 4 | low);
            position += 2;
            continue;
        }
        let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        match rest.get(blanks..).unwrap_or_default() {
            [b'\r', b'\n', ..] => position += blanks + 2,
            [b'\n', ..] => position += blanks + 1,
            [] if ends => position += blanks,
            _ => out.push(byte),
        }
    }
    out
}

// RFC 2045 §6.7: small letters are seen.
fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// Whether `text` is 7-bit in lines of at most 998 octets with CRLF ends, so that every relay leaves it alone.
pub fn is_seven_bit(text: &[u8]) -> bool {
    text.is_ascii()
        && !text.contains(&0)
        && text.split(|&b| b == b'\n').all(|line| line.strip_suffix(b"\r").unwrap_or(line).len() <= 998)
}

/// Makes every line end CRLF on the way to `out` (RFC 8551 §3.1.1). Runs without a bare CR or LF pass untouched.
#[derive(Debug)]
pub struct CrlfWriter<W> {
    out: W,
    after_cr: bool,
    changed: bool,
}

impl<W: Write> CrlfWriter<W> {
    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, after_cr: false, changed: false }
    }

    /// Whether a bare LF was completed.
    pub fn has_changed(&self) -> bool {
        self.changed
    }

    /// Gives back the sink.
    pub fn finish(self) -> W {
        self.out
    }
}

impl<W: Write> Write for CrlfWriter<W> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        for position in memchr::memchr_iter(b'\n', text) {
            let has_cr = if position == 0 { self.after_cr } else { text.get(position - 1) == Some(&b'\r') };
            if !has_cr {
                self.changed = true;
                self.out.write_all(text.get(written..position).unwrap_or_default())?;
                self.out.write_all(b"\r")?;
                written = position;
            }
        }
        self.out.write_all(text.get(written..).unwrap_or_default())?;
        if let Some(last) = text.last() {
            self.after_cr = *last == b'\r';
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_in_any_pieces() {
        let octets: Vec<u8> = (0..100_000u32).map(|i| ((i * 7) >> 3).to_le_bytes()[0]).collect();
        for length in [0, 1, 2, 3, 56, 57, 58, 1000, 57 * 256, 57 * 256 + 1, 100_000] {
            let content = &octets[..length];
            let mut reference = None;
            for piece in [1, 3, 57, 1000, 100_000] {
                let mut writer = Base64Writer::new(Vec::new());
                content.chunks(piece).for_each(|chunk| writer.write_all(chunk).unwrap());
                let text = writer.finish().unwrap();
                assert!(*reference.get_or_insert(text.clone()) == text, "{length} {piece}");
                for buffer in [1, 5, 4096] {
                    let mut back = Vec::new();
                    Base64Reader::new(io::BufReader::with_capacity(buffer, &text[..])).read_to_end(&mut back).unwrap();
                    assert!(back == content, "{length} {piece} {buffer}");
                }
            }
        }
    }

    #[test]
    fn base64_with_oddities() {
        for (text, octets) in [
            ("aGVs bG8=\n", "hello"),
            ("aGVsbG8", "hello"),
            ("aGV!sbG8=\r\nrest", "hello"),
            ("aGVsbG9=", "hello"),
            ("", ""),
        ] {
            let mut back = Vec::new();
            Base64Reader::new(text.as_bytes()).read_to_end(&mut back).unwrap();
            assert_eq!(back, octets.as_bytes(), "{text}");
        }
    }

    #[test]
    fn quoted_printable_goes_there_and_back() {
        let text = "From here äöü = x \r\n.\r\n\r\nlong ".to_owned() + &"ab".repeat(100) + "\r\nend ";
        let encoded = encode_quoted_printable(text.as_bytes());
        assert!(is_seven_bit(&encoded) && encoded.split(|&b| b == b'\n').all(|line| line.len() <= 77));
        assert_eq!(decode_quoted_printable(&encoded), text.as_bytes());
        assert_eq!(decode_quoted_printable(b"a=  \r\nb=XY=3"), b"ab=XY=3");
    }

    #[test]
    fn line_ends_in_any_pieces() {
        for (text, expected) in
            [("a\nb\r\nc\n", "a\r\nb\r\nc\r\n"), ("\n\n", "\r\n\r\n"), ("a\r\r\n", "a\r\r\n"), ("x", "x")]
        {
            for piece in 1..=text.len() {
                let mut writer = CrlfWriter::new(Vec::new());
                text.as_bytes().chunks(piece).for_each(|chunk| writer.write_all(chunk).unwrap());
                assert_eq!(writer.finish(), expected.as_bytes());
            }
        }
    }
}
