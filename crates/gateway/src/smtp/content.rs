use std::io::{self, BufRead as _};

use cms::{Spool, SpoolReader};

/// What is sent: some octets, then those of a spool from some place on. They are never joined (CASES N-17).
#[derive(Debug)]
pub(crate) struct Content<'s> {
    pub(crate) head: Vec<u8>,
    pub(crate) spool: &'s mut Spool,
    /// Octets at the spool's beginning that are left out.
    pub(crate) skip: usize,
}

impl Content<'_> {
    /// Octets in all.
    pub(crate) fn len(&self) -> u64 {
        let head = u64::try_from(self.head.len()).unwrap_or(u64::MAX);
        let skip = u64::try_from(self.skip).unwrap_or(u64::MAX);
        self.spool.len().saturating_sub(skip).saturating_add(head)
    }
}

/// Reads a spool from some place on.
///
/// # Errors
/// When it cannot be read, or ends before.
pub(crate) fn reader_behind(spool: &mut Spool, mut skip: usize) -> io::Result<SpoolReader<'_>> {
    let mut reader = spool.reader()?;
    while skip > 0 {
        let step = reader.fill_buf()?.len().min(skip);
        if step == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        reader.consume(step);
        skip -= step;
    }
    Ok(reader)
}
