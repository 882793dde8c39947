//! The inside of a message: held back in a spool, or read once more out of the message itself.

use std::io::{self, BufRead, Read};

use cms::{ContentKey, SignedDataReader, Spool, SpoolLimits, SpoolReader};
use mime::{Base64Reader, PartReader};

use crate::Source;
use crate::source::{pass, skip};
use crate::unchanging::Unchanging;

/// What is inside of the layers that were taken off.
///
/// Small content is held. What is too large for memory is not put down anywhere when the message can be read again: it is
/// decoded and decrypted once more, out of the same octets that were checked.
#[derive(Debug)]
pub struct Content<'s> {
    base: Base<'s>,
    /// From the base inwards.
    peels: Vec<Peel>,
}

#[derive(Debug)]
enum Base<'s> {
    Spool(Spool),
    Source(Unchanging<'s>, SpoolLimits),
}

/// How to get one step further in.
#[derive(Debug)]
pub(crate) enum Peel {
    /// Past so many octets: a header.
    Behind(usize),
    /// The first part of a multipart.
    FirstPart {
        boundary: String,
    },
    Base64,
    /// The content of a SignedData.
    Signed,
    /// The content of an EnvelopedData or AuthEnvelopedData.
    Encrypted(ContentKey),
}

impl Peel {
    // Each of them has gone through once, when the layer was checked: what fails now fails because of the machine.
    fn open<'r>(&'r self, mut outside: Box<dyn BufRead + 'r>) -> io::Result<Box<dyn BufRead + 'r>> {
        Ok(match self {
            Self::Behind(octets) => {
                skip(&mut outside, *octets)?;
                outside
            }
            Self::FirstPart { boundary } => Box::new(PartReader::new(outside, boundary).next_part()?),
            Self::Base64 => Box::new(Base64Reader::new(outside)),
            Self::Signed => Box::new(SignedDataReader::open(outside)?.undigested()),
            Self::Encrypted(key) => Box::new(key.decrypt_unverified(outside)?),
        })
    }
}

impl<'s> Content<'s> {
    /// A message itself, with nothing taken off.
    pub(crate) fn of_source(source: impl Source + 's, limits: SpoolLimits) -> io::Result<Self> {
        Ok(Self { base: Base::Source(Unchanging::new(source)?, limits), peels: Vec::new() })
    }

    /// What is `further` inside of this.
    pub(crate) fn inside(mut self, further: Vec<Peel>) -> Self {
        self.peels.extend(further);
        self
    }

    /// How many layers are taken off anew in each reading.
    pub(crate) fn depth(&self) -> usize {
        self.peels.iter().filter(|peel| !matches!(peel, Peel::Behind(_) | Peel::Base64)).count()
    }

    /// Reads it from the start; as often as wanted, one after the other.
    ///
    /// # Errors
    /// When what it is in cannot be read.
    pub fn reader(&mut self) -> io::Result<ContentReader<'_>> {
        let outside = match (&mut self.base, self.peels.is_empty()) {
            (Base::Spool(spool), true) => return Ok(ContentReader(Reading::Spool(spool.reader()?))),
            (Base::Spool(spool), false) => spool.reread()?,
            (Base::Source(source, _), _) => source.reread()?,
        };
        let inside = self.peels.iter().try_fold(outside, |outside, peel| peel.open(outside))?;
        Ok(ContentReader(Reading::Again(inside)))
    }

    /// To be kept when the message is gone: what is not held yet is put down.
    ///
    /// # Errors
    /// When what it is in cannot be read, or it cannot be put down.
    pub fn into_spool(mut self) -> io::Result<Spool> {
        let limits = match self.base {
            Base::Spool(spool) if self.peels.is_empty() => return Ok(spool),
            Base::Spool(ref spool) => spool.limits().clone(),
            Base::Source(_, ref limits) => limits.clone(),
        };
        let mut spool = Spool::new(limits);
        pass(&mut self.reader()?, &mut spool)?;
        Ok(spool)
    }
}

impl From<Spool> for Content<'_> {
    fn from(spool: Spool) -> Self {
        Self { base: Base::Spool(spool), peels: Vec::new() }
    }
}

/// Reads content from its start.
///
/// An error in the middle means that the file which the message is in was changed: what was read until then is what was
/// checked, and there is no more of it.
#[derive(Debug)]
pub struct ContentReader<'c>(Reading<'c>);

enum Reading<'c> {
    Spool(SpoolReader<'c>),
    Again(Box<dyn BufRead + 'c>),
}

impl std::fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Spool(_) => "held",
            Self::Again(_) => "read again",
        })
    }
}

impl BufRead for ContentReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match &mut self.0 {
            Reading::Spool(reader) => reader.fill_buf(),
            Reading::Again(reader) => reader.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        match &mut self.0 {
            Reading::Spool(reader) => reader.consume(count),
            Reading::Again(reader) => reader.consume(count),
        }
    }
}

impl Read for ContentReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Reading::Spool(reader) => reader.read(buffer),
            Reading::Again(reader) => reader.read(buffer),
        }
    }
}
