use std::io::{self, BufRead, Read};

use crate::reader::{parse_length, parse_tag};
use crate::{Because, Encoding, Error, Limits, Oid, Tag};

/// Reads BER from a stream, element by element, in flat memory.
///
/// [`Self::header`] gives the next element of the container that is open. Its content is then taken in
/// one of four ways: [`Self::enter`] it, read it whole with [`Self::element`], stream it with
/// [`Self::octets`], or [`Self::skip`] it. When a container has no more, `header` gives `None` and
/// [`Self::leave`] steps out.
#[derive(Debug)]
pub struct StreamReader<R> {
    source: R,
    offset: u64,
    limits: Limits,
    containers: Vec<Container>,
}

#[derive(Debug, Clone, Copy)]
enum Container {
    /// Ends at this offset.
    Definite(u64),
    /// Ends with end-of-contents.
    Indefinite { ended: bool },
}

/// Tag and length of an element whose content comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The tag as it came.
    pub tag: Tag,
    /// Content octets; `None` for the indefinite length.
    pub length: Option<u64>,
    /// Where the element began.
    pub offset: u64,
    /// Tag and length exactly as they came.
    octets: Octets,
}

impl<R: BufRead> StreamReader<R> {
    /// Reads from `source`, which gives its bytes in order and once.
    pub fn new(source: R, limits: Limits) -> Self {
        Self { source, offset: 0, limits, containers: Vec::new() }
    }

    /// Octets read so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How many containers are open.
    pub fn depth(&self) -> usize {
        self.containers.len()
    }

    /// The next element of the open container, or `None` at its end.
    ///
    /// At the outermost level `None` is the end of the input.
    pub fn header(&mut self, what: &'static str) -> Result<Option<Header>, Error> {
        match self.containers.last().copied() {
            Some(Container::Definite(end)) if self.offset >= end => return Ok(None),
            Some(Container::Indefinite { ended: true }) => return Ok(None),
            None if self.fill(what)?.is_empty() => return Ok(None),
            _ => {}
        }
        let offset = self.offset;
        let mut octets = Octets::default();
        self.take_header_octet(&mut octets, what)?;
        let tag = loop {
            match parse_tag(octets.get()) {
                Ok((tag, _)) => break tag,
                Err(Because::Truncated) => self.take_header_octet(&mut octets, what)?,
                Err(because) => return Err(Error::Malformed { what, offset, because }),
            }
        };
        let tag_length = octets.get().len();
        self.take_header_octet(&mut octets, what)?;
        let length = loop {
            match parse_length(octets.get().get(tag_length..).unwrap_or_default(), Encoding::Ber) {
                Ok((length, _)) => break length,
                Err(Because::Truncated) => self.take_header_octet(&mut octets, what)?,
                Err(because) => return Err(Error::Malformed { what, offset, because }),
            }
        };
        if tag == Tag::END_OF_CONTENTS {
            if let (Some(Container::Indefinite { ended }), Some(0)) = (self.containers.last_mut(), length) {
                *ended = true;
                return Ok(None);
            }
            return Err(Error::Malformed {
                what,
                offset,
                because: Because::Unexpected { found: Some(tag), expected: None },
            });
        }
        if length.is_none() && !tag.constructed {
            return Err(Error::Malformed { what, offset, because: Because::BadLength });
        }
        let fits = match (length, self.definite_end()) {
            (Some(length), Some(end)) => length <= end.saturating_sub(self.offset),
            _ => true,
        };
        if !fits {
            return Err(Error::Malformed { what, offset, because: Because::LengthPastEnd });
        }
        Ok(Some(Header { tag, length, offset, octets }))
    }

    /// The next element, which must carry `tag`; a string may be constructed.
    pub fn expect(&mut self, tag: Tag, what: &'static str) -> Result<Header, Error> {
        let offset = self.offset;
        let found = self.header(what)?;
        match found {
            Some(header) if header.tag == tag || (!tag.constructed && header.tag.is_like(tag)) => Ok(header),
            _ => Err(Error::Malformed {
                what,
                offset,
                because: Because::Unexpected { found: found.map(|h| h.tag), expected: Some(tag) },
            }),
        }
    }

    /// Opens a constructed element: the next headers are those inside.
    pub fn enter(&mut self, header: &Header, what: &'static str) -> Result<(), Error> {
        if !header.tag.constructed {
            return Err(Error::Malformed { what, offset: header.offset, because: Because::BadForm });
        }
        if self.containers.len() >= usize::from(self.limits.depth) {
            return Err(Error::TooMuch {
                what,
                offset: header.offset,
                limit: u64::from(self.limits.depth),
                of: "levels of nesting",
            });
        }
        self.containers.push(match header.length {
            Some(length) => Container::Definite(self.offset.saturating_add(length)),
            None => Container::Indefinite { ended: false },
        });
        Ok(())
    }

    /// Steps out of the open container, in which nothing may be left.
    pub fn leave(&mut self, what: &'static str) -> Result<(), Error> {
        let offset = self.offset;
        if let Some(header) = self.header(what)? {
            return Err(Error::Malformed {
                what,
                offset,
                because: Because::Unexpected { found: Some(header.tag), expected: None },
            });
        }
        self.containers.pop();
        Ok(())
    }

    /// Nothing may follow the outermost element (CASES S-45).
    pub fn finish(mut self, what: &'static str) -> Result<R, Error> {
        while !self.containers.is_empty() {
            self.leave(what)?;
        }
        if self.fill(what)?.is_empty() {
            return Ok(self.source);
        }
        Err(Error::Malformed {
            what,
            offset: self.offset,
            because: Because::Unexpected { found: None, expected: None },
        })
    }

    /// The whole element, exact bytes, header included; at most [`Limits::element`].
    pub fn element(&mut self, header: &Header, what: &'static str) -> Result<Vec<u8>, Error> {
        let mut raw = Vec::new();
        self.copy_element(header, what, &mut raw)?;
        Ok(raw)
    }

    /// An OBJECT IDENTIFIER.
    pub fn oid(&mut self, what: &'static str) -> Result<Oid, Error> {
        let header = self.expect(Tag::OID, what)?;
        let bad = Error::Malformed { what, offset: header.offset, because: Because::BadOid };
        if header.tag.constructed || header.length.is_none_or(|length| length > 64) {
            return Err(bad);
        }
        let raw = self.element(&header, what)?;
        raw.get(header.octets.get().len()..).and_then(Oid::from_content).ok_or(bad)
    }

    /// Passes over the element's content.
    pub fn skip(&mut self, header: &Header, what: &'static str) -> Result<(), Error> {
        let depth = self.containers.len();
        let mut next = Some(*header);
        loop {
            match next {
                Some(header) if header.length.is_none() => self.enter(&header, what)?,
                Some(header) => self.discard(header.length.unwrap_or(0), what)?,
                None => {
                    self.containers.pop();
                }
            }
            if self.containers.len() <= depth {
                return Ok(());
            }
            next = self.header(what)?;
        }
    }

    /// The content of an OCTET STRING, in one piece or in many, as a stream.
    ///
    /// It must be read to its end before anything else is asked of this reader.
    pub fn octets(&mut self, header: &Header, what: &'static str) -> Result<OctetString<'_, R>, Error> {
        Ok(OctetString { progress: self.begin_octets(header, what)?, reader: self, what })
    }

    /// What is at hand of an OCTET STRING whose [`Header`] was read; empty at its end.
    ///
    /// It must be read to its end before anything else is asked of this reader.
    pub fn available_octets(&mut self, progress: &mut OctetsProgress, what: &'static str) -> Result<&[u8], Error> {
        if !progress.advance(self, what)? {
            return Ok(&[]);
        }
        let left = usize::try_from(progress.left).unwrap_or(usize::MAX);
        let available = self.fill_some(what)?;
        Ok(available.get(..available.len().min(left)).unwrap_or_default())
    }

    /// Passes over so many octets of what [`Self::available_octets`] gave.
    pub fn consume_octets(&mut self, progress: &mut OctetsProgress, count: usize) {
        self.consume(count);
        progress.left = progress.left.saturating_sub(count as u64);
    }

    /// Begins to read an OCTET STRING, in one piece or in many.
    pub fn begin_octets(&mut self, header: &Header, what: &'static str) -> Result<OctetsProgress, Error> {
        let floor = self.containers.len();
        if header.tag.constructed {
            self.enter(header, what)?;
            Ok(OctetsProgress { floor, left: 0 })
        } else {
            Ok(OctetsProgress { floor, left: header.length.unwrap_or(0) })
        }
    }

    fn copy_element(&mut self, header: &Header, what: &'static str, raw: &mut Vec<u8>) -> Result<(), Error> {
        let depth = self.containers.len();
        let mut next = Some(*header);
        loop {
            match next {
                Some(header) => match header.length {
                    Some(length) => {
                        self.check_element_size(raw, length, header.offset, what)?;
                        raw.extend_from_slice(header.octets.get());
                        self.copy(length, what, raw)?;
                    }
                    None => {
                        self.check_element_size(raw, 2, header.offset, what)?;
                        raw.extend_from_slice(header.octets.get());
                        self.enter(&header, what)?;
                    }
                },
                None => {
                    raw.extend_from_slice(&[0, 0]);
                    self.containers.pop();
                }
            }
            if self.containers.len() <= depth {
                return Ok(());
            }
            next = self.header(what)?;
        }
    }

    fn check_element_size(&self, raw: &[u8], more: u64, offset: u64, what: &'static str) -> Result<(), Error> {
        if more.saturating_add(raw.len() as u64) > self.limits.element {
            return Err(Error::TooMuch { what, offset, limit: self.limits.element, of: "bytes in one piece" });
        }
        Ok(())
    }

    // CASES T-41: memory grows with what arrives, never with what a length claims.
    fn copy(&mut self, mut length: u64, what: &'static str, out: &mut Vec<u8>) -> Result<(), Error> {
        while length > 0 {
            let available = self.fill_some(what)?;
            let now = available.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            out.extend_from_slice(available.get(..now).unwrap_or_default());
            self.consume(now);
            length -= now as u64;
        }
        Ok(())
    }

    fn discard(&mut self, mut length: u64, what: &'static str) -> Result<(), Error> {
        while length > 0 {
            let now = self.fill_some(what)?.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            self.consume(now);
            length -= now as u64;
        }
        Ok(())
    }

    fn definite_end(&self) -> Option<u64> {
        self.containers.iter().rev().find_map(|container| match container {
            Container::Definite(end) => Some(*end),
            Container::Indefinite { .. } => None,
        })
    }

    fn take_header_octet(&mut self, octets: &mut Octets, what: &'static str) -> Result<(), Error> {
        let offset = self.offset;
        if self.definite_end().is_some_and(|end| offset >= end) {
            return Err(Error::Malformed { what, offset, because: Because::LengthPastEnd });
        }
        let octet = self.fill_some(what)?.first().copied().unwrap_or(0);
        octets.push(octet).map_err(|because| Error::Malformed { what, offset, because })?;
        self.consume(1);
        Ok(())
    }

    fn fill_some(&mut self, what: &'static str) -> Result<&[u8], Error> {
        let offset = self.offset;
        let available = self.fill(what)?;
        if available.is_empty() {
            return Err(Error::Malformed { what, offset, because: Because::Truncated });
        }
        Ok(available)
    }

    fn fill(&mut self, what: &'static str) -> Result<&[u8], Error> {
        if self.offset >= self.limits.input {
            return Err(Error::TooMuch { what, offset: self.offset, limit: self.limits.input, of: "bytes in all" });
        }
        loop {
            match self.source.fill_buf() {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.source.fill_buf()?)
    }

    fn consume(&mut self, count: usize) {
        self.source.consume(count);
        self.offset += count as u64;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Octets {
    octets: [u8; 24],
    length: u8,
}

impl Octets {
    fn push(&mut self, octet: u8) -> Result<(), Because> {
        *self.octets.get_mut(usize::from(self.length)).ok_or(Because::BadLength)? = octet;
        self.length += 1;
        Ok(())
    }

    fn get(&self) -> &[u8] {
        self.octets.get(..usize::from(self.length)).unwrap_or_default()
    }
}

/// How far an OCTET STRING is read.
#[derive(Debug, Clone, Copy)]
pub struct OctetsProgress {
    /// The depth outside of it.
    floor: usize,
    /// Octets that are left of the piece that is being read.
    left: u64,
}

impl OctetsProgress {
    // Positions at the next octet; `false` at the end.
    fn advance<R: BufRead>(&mut self, reader: &mut StreamReader<R>, what: &'static str) -> Result<bool, Error> {
        while self.left == 0 {
            if reader.containers.len() == self.floor {
                return Ok(false);
            }
            match reader.header(what)? {
                None => {
                    reader.containers.pop();
                }
                Some(header) if !header.tag.is_like(Tag::OCTET_STRING) => {
                    return Err(Error::Malformed {
                        what,
                        offset: header.offset,
                        because: Because::Unexpected { found: Some(header.tag), expected: Some(Tag::OCTET_STRING) },
                    });
                }
                Some(header) if header.tag.constructed => reader.enter(&header, what)?,
                Some(header) => self.left = header.length.unwrap_or(0),
            }
        }
        Ok(true)
    }
}

/// The content of an OCTET STRING as a stream; pieces are joined on the way.
#[derive(Debug)]
pub struct OctetString<'r, R> {
    reader: &'r mut StreamReader<R>,
    progress: OctetsProgress,
    what: &'static str,
}

impl<R: BufRead> BufRead for OctetString<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.reader.available_octets(&mut self.progress, self.what)?)
    }

    fn consume(&mut self, count: usize) {
        self.reader.consume_octets(&mut self.progress, count);
    }
}

impl<R: BufRead> Read for OctetString<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let now = self.fill_buf()?.read(buffer)?;
        self.consume(now);
        Ok(now)
    }
}
