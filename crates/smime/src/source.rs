use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek as _, SeekFrom, Write};

use cms::Spool;

/// A mail, or a file that is none, that can be read from its start more than once: so it passes in flat memory.
///
/// What comes from a pipe is put into a [`Spool`] first.
pub trait Source {
    /// Reads from the start.
    ///
    /// # Errors
    /// When that cannot be done.
    fn reread(&mut self) -> io::Result<Box<dyn BufRead + '_>>;

    /// Whether each reading gives the same for certain. What others implement is never believed to: it is compared.
    #[doc(hidden)]
    fn constancy(&self) -> Constancy {
        Constancy::UNKNOWN
    }
}

/// Whether a [`Source`] may change from one reading to the next. It has no name outside, so that nobody else claims it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Constancy(bool);

impl Constancy {
    /// It may: somebody may write to a file while it is read.
    pub const UNKNOWN: Self = Self(false);
    /// Nobody can change it.
    pub(crate) const CERTAIN: Self = Self(true);
}

impl<S: Source + ?Sized> Source for &mut S {
    fn reread(&mut self) -> io::Result<Box<dyn BufRead + '_>> {
        (**self).reread()
    }

    fn constancy(&self) -> Constancy {
        (**self).constancy()
    }
}

impl Source for &[u8] {
    fn reread(&mut self) -> io::Result<Box<dyn BufRead + '_>> {
        Ok(Box::new(*self))
    }

    // As long as it is borrowed here, nobody else can change it.
    fn constancy(&self) -> Constancy {
        Constancy::CERTAIN
    }
}

impl Source for File {
    fn reread(&mut self) -> io::Result<Box<dyn BufRead + '_>> {
        self.seek(SeekFrom::Start(0))?;
        Ok(Box::new(BufReader::with_capacity(STEP, &*self)))
    }
}

impl Source for Spool {
    fn reread(&mut self) -> io::Result<Box<dyn BufRead + '_>> {
        Ok(Box::new(self.reader()?))
    }

    // What it has put down is sealed, block by block, with a key that nobody else has.
    fn constancy(&self) -> Constancy {
        Constancy::CERTAIN
    }
}

/// What is handed on at once: it fits the nearer cache.
const STEP: usize = 64 * 1024;

/// Hands over everything, a cache-sized step at a time.
pub(crate) fn pass(source: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<()> {
    loop {
        let available = match source.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            available => available?,
        };
        let step = available.len().min(STEP);
        if step == 0 {
            return Ok(());
        }
        out.write_all(available.get(..step).unwrap_or_default())?;
        source.consume(step);
    }
}

/// Passes over so many octets.
pub(crate) fn skip(source: &mut dyn BufRead, mut octets: usize) -> io::Result<()> {
    while octets > 0 {
        let step = source.fill_buf()?.len().min(octets);
        if step == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        source.consume(step);
        octets -= step;
    }
    Ok(())
}

/// Writes to two sinks.
pub(crate) struct Both<A, B>(pub(crate) A, pub(crate) B);

impl<A: Write, B: Write> Write for Both<A, B> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write_all(octets)?;
        self.1.write_all(octets)?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()?;
        self.1.flush()
    }
}

/// Writes fields before the first of what comes.
pub(crate) struct Behind<'a> {
    pub(crate) fields: Vec<u8>,
    pub(crate) out: &'a mut dyn Write,
}

impl Write for Behind<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if !self.fields.is_empty() {
            self.out.write_all(&std::mem::take(&mut self.fields))?;
        }
        self.out.write_all(octets)?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
