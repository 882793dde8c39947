use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// A connection with what was read ahead of it.
#[derive(Debug)]
pub(crate) struct Wire<S> {
    stream: S,
    input: Vec<u8>,
    position: usize,
}

/// What a peer did on a line of commands or replies.
#[derive(Debug)]
pub(crate) enum Line {
    /// A line with its CRLF.
    Whole(Vec<u8>),
    /// A line with a bare CR, a bare LF or a NUL in it (CASES T-80, T-81).
    Broken,
    /// A line over the limit; it was read to its end.
    TooLong,
    /// The connection was closed.
    End,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, input: Vec::new(), position: 0 }
    }

    /// The stream, without what was read ahead: whoever sent more before TLS began is not heard (CASES T-81).
    pub(crate) fn into_stream(self) -> S {
        self.stream
    }

    /// Whether the peer has already sent more.
    pub(crate) fn has_input(&self) -> bool {
        self.position < self.input.len()
    }

    /// Whether the peer has sent more, or has closed, which is an error; without waiting for it.
    pub(crate) async fn has_spoken(&mut self) -> io::Result<bool> {
        if self.has_input() {
            return Ok(true);
        }
        let mut piece = [0; 512];
        let mut piece = ReadBuf::new(&mut piece);
        let read = poll_fn(|context| {
            Poll::Ready(match Pin::new(&mut self.stream).poll_read(context, &mut piece) {
                Poll::Ready(read) => Some(read),
                Poll::Pending => None,
            })
        });
        match read.await {
            None => Ok(false),
            Some(Err(error)) => Err(error),
            Some(Ok(())) if piece.filled().is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            Some(Ok(())) => {
                self.input.extend_from_slice(piece.filled());
                Ok(true)
            }
        }
    }

    pub(crate) fn available(&self) -> &[u8] {
        self.input.get(self.position..).unwrap_or_default()
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.position = (self.position + count).min(self.input.len());
        if self.position == self.input.len() {
            self.position = 0;
            self.input.clear();
            // An idle connection holds no large buffer (CASES N-17).
            if self.input.capacity() > 4 * CHUNK {
                self.input = Vec::new();
            }
        }
    }

    /// Reads once; 0 is the end.
    pub(crate) async fn fill(&mut self, chunk: usize) -> io::Result<usize> {
        if self.position > 0 {
            self.input.drain(..self.position);
            self.position = 0;
        }
        self.input.reserve(chunk);
        self.stream.read_buf(&mut self.input).await
    }

    /// One line, which ends with CRLF and nothing else.
    pub(crate) async fn line(&mut self, limit: usize) -> io::Result<Line> {
        let (mut scanned, mut too_long) = (0, false);
        loop {
            let available = self.available();
            if let Some(at) = memchr::memchr(b'\n', available.get(scanned..).unwrap_or_default()) {
                let end = scanned + at + 1;
                let line = available.get(..end).unwrap_or_default().to_vec();
                self.consume(end);
                if too_long || line.len() > limit {
                    return Ok(Line::TooLong);
                }
                let body = line.strip_suffix(b"\r\n");
                return Ok(match body {
                    Some(body) if memchr::memchr2(b'\r', 0, body).is_none() => Line::Whole(line),
                    _ => Line::Broken,
                });
            }
            scanned = available.len();
            if scanned > limit {
                too_long = true;
                self.consume(scanned);
                scanned = 0;
            }
            if self.fill(CHUNK).await? == 0 {
                return Ok(Line::End);
            }
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        self.stream.flush().await
    }

    pub(crate) async fn close(&mut self) {
        // The peer has its answer; whether it hears the end of TLS as well is its own affair.
        let _ = self.stream.shutdown().await;
    }
}

/// Read-ahead for commands.
const CHUNK: usize = 2 * 1024;
/// Read-ahead for content.
pub(crate) const DATA_CHUNK: usize = 64 * 1024;

/// Takes the content of DATA out of its transparency (RFC 5321 §4.5.2) and finds its one end.
#[derive(Debug, Default)]
pub(crate) struct DataDecoder {
    state: State,
    broken: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    LineStart,
    InLine,
    Cr,
    Dot,
    DotCr,
}

impl DataDecoder {
    /// Whether there was a bare CR, a bare LF or a NUL.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Decodes; gives how much was used and whether `CRLF.CRLF` was met.
    pub(crate) fn decode(
        &mut self,
        input: &[u8],
        mut emit: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<(usize, bool)> {
        // `from` is where what has not been given out begins. Only a dot at the start of a line is held back.
        let (mut at, mut from) = (0, 0);
        let mut give = |from: usize, to: usize| match input.get(from..to) {
            Some(slice) if !slice.is_empty() => emit(slice),
            _ => Ok(()),
        };
        while let Some(&byte) = input.get(at) {
            match (self.state, byte) {
                (State::LineStart, b'.') => {
                    give(from, at)?;
                    (self.state, from) = (State::Dot, at + 1);
                }
                (State::Dot, b'\r') => (self.state, from) = (State::DotCr, at + 1),
                (State::DotCr, b'\n') => return Ok((at + 1, true)),
                (State::Cr, b'\n') => self.state = State::LineStart,
                (State::Cr | State::DotCr, _) => {
                    self.broken = true;
                    self.state = State::InLine;
                    continue;
                }
                (_, b'\r') => self.state = State::Cr,
                (_, b'\n' | 0) => {
                    self.broken = true;
                    self.state = State::InLine;
                }
                _ => {
                    self.state = State::InLine;
                    let rest = input.get(at..).unwrap_or_default();
                    at += memchr::memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
                    continue;
                }
            }
            at += 1;
        }
        if !matches!(self.state, State::Dot | State::DotCr) {
            give(from, at)?;
        }
        Ok((at, false))
    }
}

/// Looks for what is no line end in content that comes by BDAT.
#[derive(Debug, Default)]
pub(crate) struct ChunkChecker {
    cr: bool,
    broken: bool,
}

impl ChunkChecker {
    pub(crate) fn check(&mut self, mut input: &[u8]) {
        while let Some((&byte, rest)) = input.split_first() {
            match (self.cr, byte) {
                (true, b'\n') => self.cr = false,
                (true, _) | (false, b'\n' | 0) => {
                    self.broken = true;
                    self.cr = byte == b'\r';
                }
                (false, b'\r') => self.cr = true,
                _ => {
                    let skip = memchr::memchr3(b'\r', b'\n', 0, input).unwrap_or(input.len());
                    input = input.get(skip..).unwrap_or_default();
                    continue;
                }
            }
            input = rest;
        }
    }

    /// Whether there was a bare CR, a bare LF or a NUL, all content seen.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken || self.cr
    }
}

/// Puts content into the transparency of DATA and ends it. Every line ends with CRLF, whatever the content has: a bare CR
/// or LF would be the end of a line to some servers, and a dot behind it the end of the message (CASES T-80).
#[derive(Debug, Default)]
pub(crate) struct DataEncoder {
    in_line: bool,
    after_cr: bool,
}

impl DataEncoder {
    pub(crate) fn encode(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        while let Some(&first) = input.first() {
            let after_cr = std::mem::take(&mut self.after_cr);
            let used = match first {
                b'\n' if after_cr => 1,
                b'\r' | b'\n' => {
                    out.extend_from_slice(b"\r\n");
                    self.in_line = false;
                    let whole = input.starts_with(b"\r\n");
                    self.after_cr = first == b'\r' && !whole;
                    if whole { 2 } else { 1 }
                }
                _ => {
                    if !self.in_line && first == b'.' {
                        out.push(b'.');
                    }
                    let end = memchr::memchr2(b'\r', b'\n', input).unwrap_or(input.len());
                    out.extend_from_slice(input.get(..end).unwrap_or_default());
                    self.in_line = true;
                    end
                }
            };
            input = input.get(used..).unwrap_or_default();
        }
    }

    pub(crate) fn finish(self, out: &mut Vec<u8>) {
        if self.in_line {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes in pieces of `size`; gives content, whether broken, and what is left after the end.
    fn decode(input: &[u8], size: usize) -> (Vec<u8>, bool, Option<Vec<u8>>) {
        let (mut decoder, mut out, mut used) = (DataDecoder::default(), Vec::new(), 0);
        for piece in input.chunks(size) {
            let (count, done) = decoder
                .decode(piece, |bytes| {
                    out.extend_from_slice(bytes);
                    Ok(())
                })
                .unwrap();
            used += count;
            if done {
                return (out, decoder.is_broken(), Some(input[used..].to_vec()));
            }
            assert_eq!(count, piece.len());
        }
        (out, decoder.is_broken(), None)
    }

    #[test]
    fn content_comes_out_of_its_transparency() {
        for size in 1..40 {
            let (content, broken, rest) = decode(b"a: b\r\n\r\n..\r\n.x\r\n\r\nend\r\n.\r\nQUIT\r\n", size);
            assert_eq!(content, b"a: b\r\n\r\n.\r\nx\r\n\r\nend\r\n", "{size}");
            assert!(!broken);
            assert_eq!(rest.unwrap(), b"QUIT\r\n");
            assert_eq!(decode(b".\r\n", size).2.unwrap(), b"");
        }
    }

    #[test]
    fn what_is_encoded_decodes_to_the_same() {
        for content in [&b""[..], b".", b".\r\n", b"a\r\n.\r\n..\r\nb", b"\r\n\r\n.x"] {
            for size in 1..8 {
                let (mut encoder, mut out) = (DataEncoder::default(), Vec::new());
                content.chunks(size).for_each(|piece| encoder.encode(piece, &mut out));
                encoder.finish(&mut out);
                let (decoded, broken, rest) = decode(&out, size);
                assert_eq!(
                    decoded.strip_suffix(b"\r\n").unwrap_or(&decoded),
                    content.strip_suffix(b"\r\n").unwrap_or(content)
                );
                assert!(!broken && rest.unwrap().is_empty());
            }
        }
    }

    #[test]
    fn t_80_no_bare_cr_or_lf_goes_out() {
        for (content, expected) in [
            (&b"a\r.\rMAIL FROM:<x@y>\r"[..], &b"a\r\n..\r\nMAIL FROM:<x@y>\r\n.\r\n"[..]),
            (b"a\n.\nb\n", b"a\r\n..\r\nb\r\n.\r\n"),
            (b"\r\r\n\n\r.", b"\r\n\r\n\r\n\r\n..\r\n.\r\n"),
            (b"a\r\n.\r\n", b"a\r\n..\r\n.\r\n"),
        ] {
            for size in 1..8 {
                let (mut encoder, mut out) = (DataEncoder::default(), Vec::new());
                content.chunks(size).for_each(|piece| encoder.encode(piece, &mut out));
                encoder.finish(&mut out);
                assert_eq!(out, expected, "{content:?} {size}");
            }
        }
    }

    #[test]
    fn t_80_only_crlf_dot_crlf_ends_a_message() {
        // Every way to write an end of data with CR, LF, CRLF, NUL and nothing around the dot.
        let ends: [&[u8]; 12] =
            [b"\r\n", b"\n", b"\r", b"\0", b"\r\r\n", b"\n\r", b"\r\0\n", b"\n\n", b"\r\r", b"\r\n\0", b"\0\n", b""];
        for before in ends {
            for after in ends {
                if before == b"\r\n" && after == b"\r\n" {
                    continue;
                }
                let mut input = b"text".to_vec();
                for part in [before, b".", after, b"MAIL FROM:<smuggled@x.example>\r\n"] {
                    input.extend_from_slice(part);
                }
                for size in [1, 2, 3, 100] {
                    let (_, broken, rest) = decode(&input, size);
                    let shown = String::from_utf8_lossy(&input).into_owned();
                    match rest {
                        // CRLF . CRLF with something odd inside is an end only when it is exactly that.
                        Some(rest) => {
                            assert!(before.ends_with(b"\r\n") && after.starts_with(b"\r\n"), "{shown:?} {rest:?}")
                        }
                        None => {
                            let odd = |part: &[u8]| !part.is_empty() && part != b"\r\n";
                            assert_eq!(broken, odd(before) || odd(after), "{shown:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn t_80_chunks_hold_lines_only() {
        for (content, expected) in [
            (&b"a\r\nb\r\n"[..], false),
            (b"a\nb\r\n", true),
            (b"a\rb", true),
            (b"a\r", true),
            (b"a\0", true),
            (b"\r\r\n", true),
        ] {
            for size in 1..5 {
                let mut checker = ChunkChecker::default();
                content.chunks(size).for_each(|piece| checker.check(piece));
                assert_eq!(checker.is_broken(), expected, "{content:?}");
            }
        }
    }

    #[tokio::test]
    async fn lines_end_with_crlf_and_are_bounded() {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        let mut wire = Wire::new(near);
        let long = vec![b'x'; 10_000];
        tokio::io::AsyncWriteExt::write_all(
            &mut far,
            &[b"NOOP\r\nNO\nNO\rOP\r\n", &long[..], b"\r\nQUIT\r\nrest"].concat(),
        )
        .await
        .unwrap();
        drop(far);
        assert!(matches!(wire.line(100).await.unwrap(), Line::Whole(line) if line == b"NOOP\r\n"));
        assert!(matches!(wire.line(100).await.unwrap(), Line::Broken));
        assert!(matches!(wire.line(100).await.unwrap(), Line::Broken));
        assert!(matches!(wire.line(100).await.unwrap(), Line::TooLong));
        assert!(matches!(wire.line(100).await.unwrap(), Line::Whole(line) if line == b"QUIT\r\n"));
        assert!(matches!(wire.line(100).await.unwrap(), Line::End));
    }
}
