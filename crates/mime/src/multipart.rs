use std::io::{self, BufRead, Read};

use memchr::memmem::Finder;

/// Reads one part of a multipart body up to its delimiter, as a stream; the CRLF before the delimiter belongs to the
/// delimiter (RFC 2046 §5.1.1).
pub struct PartReader<R> {
    source: R,
    finder: Finder<'static>,
    /// `\n--boundary`
    delimiter: Vec<u8>,
    buffer: Vec<u8>,
    position: usize,
    /// Octets of the buffer that are known to belong to the part.
    safe: usize,
    at_start: bool,
    source_ended: bool,
    end: Option<PartEnd>,
    near_miss: bool,
}

/// What ended a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartEnd {
    /// A delimiter: another part follows.
    Delimiter,
    /// The closing delimiter.
    Close,
    /// The input ended without one.
    EndOfInput,
}

impl<R: BufRead> PartReader<R> {
    const AHEAD: usize = 64 * 1024;

    /// Reads the part that begins here. The preamble is a part, too: the first.
    pub fn new(source: R, boundary: &str) -> Self {
        let delimiter = format!("\n--{boundary}").into_bytes();
        Self {
            source,
            finder: Finder::new(&delimiter).into_owned(),
            delimiter,
            buffer: Vec::new(),
            position: 0,
            safe: 0,
            at_start: true,
            source_ended: false,
            end: None,
            near_miss: false,
        }
    }

    /// Once all of the part is read: what ended it.
    pub fn end(&self) -> Option<PartEnd> {
        self.end
    }

    /// Whether a line was met so far that begins like a delimiter and goes on: for some it is one (RFC 2046 §5.1.1).
    pub fn has_near_miss(&self) -> bool {
        self.near_miss
    }

    /// Goes on with the next part.
    ///
    /// # Errors
    /// Fails to read what is left of this one.
    pub fn next_part(mut self) -> io::Result<Self> {
        io::copy(&mut self, &mut io::sink())?;
        self.at_start = true;
        self.end = if self.end == Some(PartEnd::Delimiter) { None } else { self.end };
        self.safe = self.position;
        Ok(self)
    }

    /// What comes behind: after the closing delimiter the epilogue, which is nothing to most and more parts to some.
    ///
    /// # Errors
    /// Fails to read what is left of this part.
    pub fn into_rest(mut self) -> io::Result<impl BufRead> {
        io::copy(&mut self, &mut io::sink())?;
        let rest = self.buffer.split_off(self.safe);
        Ok(io::Cursor::new(rest).chain(self.source))
    }

    fn read_more(&mut self) -> io::Result<()> {
        let available = self.source.fill_buf()?;
        // CASES T-54: memory holds so much, however much the source gives at once.
        let count = available.len().min(Self::AHEAD);
        self.buffer.extend_from_slice(available.get(..count).unwrap_or_default());
        self.source.consume(count);
        self.source_ended = count == 0;
        Ok(())
    }

    // Finds how far the part goes in what is buffered, and reads more when that cannot be said yet.
    fn refill(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.position);
        self.safe -= self.position;
        self.position = 0;
        let mut from = 0;
        loop {
            if self.at_start && !self.source_ended && self.buffer.len() < self.delimiter.len() + 4 {
                self.read_more()?;
                continue;
            }
            let found = match self.delimiter.get(1..) {
                Some(first) if self.at_start && self.buffer.starts_with(first) => Some((0, 0, first.len())),
                _ => self.finder.find(self.buffer.get(from..).unwrap_or_default()).map(|at| {
                    let line_feed = from + at;
                    let has_cr = line_feed > 0 && self.buffer.get(line_feed - 1) == Some(&b'\r');
                    (line_feed - usize::from(has_cr), line_feed, line_feed + self.delimiter.len())
                }),
            };
            let Some((content_end, line_feed, behind)) = found else {
                self.at_start = false;
                if self.source_ended {
                    self.end = Some(PartEnd::EndOfInput);
                    self.safe = self.buffer.len();
                    return Ok(());
                }
                // What could be the beginning of a delimiter, with its CR, waits.
                let safe = self.buffer.len().saturating_sub(self.delimiter.len() + 1);
                if safe >= Self::AHEAD || (safe > 0 && self.buffer.len() > Self::AHEAD) {
                    self.safe = safe;
                    return Ok(());
                }
                self.read_more()?;
                continue;
            };
            let line = self.buffer.get(behind..).unwrap_or_default();
            let line_end = memchr::memchr(b'\n', line);
            if line_end.is_none() && !self.source_ended && line.len() < 1000 {
                self.read_more()?;
                continue;
            }
            let rest = line.get(..line_end.unwrap_or(line.len())).unwrap_or_default();
            let (closing, padding) = match rest.strip_prefix(b"--") {
                Some(padding) => (true, padding),
                None => (false, rest),
            };
            // CASES T-54: a boundary that only begins like ours is another one.
            if !padding.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r')) {
                self.near_miss = true;
                from = line_feed + 1;
                if self.at_start && line_feed == 0 {
                    self.at_start = false;
                    from = 0;
                }
                continue;
            }
            self.end = Some(if closing { PartEnd::Close } else { PartEnd::Delimiter });
            self.safe = content_end;
            let line_length = line_end.map_or(line.len(), |end| end + 1);
            // The delimiter line is taken out, so that the buffer goes on with the next part.
            self.buffer.drain(content_end..behind + line_length);
            return Ok(());
        }
    }
}

impl<R: BufRead> BufRead for PartReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.safe && self.end.is_none() {
            self.refill()?;
        }
        Ok(self.buffer.get(self.position..self.safe).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.position = self.safe.min(self.position + count);
    }
}

impl<R: BufRead> Read for PartReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let now = self.fill_buf()?.read(buffer)?;
        self.consume(now);
        Ok(now)
    }
}

impl<R> std::fmt::Debug for PartReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartReader({:?})", self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str, buffer: usize) -> Vec<(String, PartEnd)> {
        let mut reader = PartReader::new(io::BufReader::with_capacity(buffer, text.as_bytes()), "b");
        let mut parts = Vec::new();
        loop {
            let mut part = String::new();
            reader.read_to_string(&mut part).unwrap();
            let end = reader.end().unwrap();
            parts.push((part, end));
            if end != PartEnd::Delimiter {
                return parts;
            }
            reader = reader.next_part().unwrap();
        }
    }

    #[test]
    fn delimiters_in_any_pieces() {
        use PartEnd::{Close, Delimiter, EndOfInput};
        let cases: [(&str, &[(&str, PartEnd)]); 6] = [
            (
                "pre\r\n--b\r\none\r\n\r\n--b \r\ntwo\r\n--b--\r\nepilogue",
                &[("pre", Delimiter), ("one\r\n", Delimiter), ("two", Close)],
            ),
            ("--b\none\n--b--", &[("", Delimiter), ("one", Close)]),
            ("--b\r\n\r\n--bb\r\n--b--x\r\n--b--\r\n", &[("", Delimiter), ("\r\n--bb\r\n--b--x", Close)]),
            ("--b\r\n--b\r\n--b--", &[("", Delimiter), ("", Delimiter), ("", Close)]),
            ("--b\r\nno end", &[("", Delimiter), ("no end", EndOfInput)]),
            ("", &[("", EndOfInput)]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|(part, end)| ((*part).to_owned(), *end)).collect();
            for buffer in [1, 2, 3, 7, 100] {
                assert_eq!(parts(text, buffer), expected, "{text:?} {buffer}");
            }
        }
    }

    #[test]
    fn t_54_what_is_near_or_behind_the_delimiters_is_seen() {
        let near = |text: &str| {
            let mut reader = PartReader::new(text.as_bytes(), "b").next_part().unwrap();
            while reader.end().is_none() {
                io::copy(&mut reader, &mut io::sink()).unwrap();
                reader = reader.next_part().unwrap();
            }
            reader.has_near_miss()
        };
        assert!(!near("-b\r\n--b\r\n--a\r\n --bb\r\n--b \r\nx--b\r\n--b--\r\n"));
        for text in ["--bb\r\n--b\r\nx\r\n--b--\r\n", "--b\r\nx\r\n--b--x\r\n--b--", "--b\r\n--b\r\n--bx\r\n--b--"] {
            assert!(near(text), "{text}");
        }
        for (text, expected) in [("--b\r\nx\r\n--b--\r\nmore\r\n--b\r\n", "more\r\n--b\r\n"), ("--b\r\nx\r\n--b--", "")]
        {
            for buffer in [1, 5, 100] {
                let source = io::BufReader::with_capacity(buffer, text.as_bytes());
                let mut rest = String::new();
                let part = PartReader::new(source, "b").next_part().unwrap();
                part.into_rest().unwrap().read_to_string(&mut rest).unwrap();
                assert_eq!(rest, expected);
            }
        }
    }

    #[test]
    fn large_parts_pass_in_flat_memory() {
        let body = "line of text\r\n".repeat(100_000);
        let text = format!("--b\r\n{body}\r\n--b--\r\n");
        let mut reader = PartReader::new(text.as_bytes(), "b").next_part().unwrap();
        let mut back = String::new();
        reader.read_to_string(&mut back).unwrap();
        assert!(back == body);
    }
}
