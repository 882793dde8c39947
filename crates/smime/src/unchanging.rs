//! A source that is read more than once, and gives the same each time or fails.

use std::io::{self, BufRead, Read};

use crypto::BlockTags;

use crate::Source;
use crate::source::Constancy;

/// Holds a source to what it gave in the first reading.
///
/// What is checked in one reading (a tag, a signature) and handed out in the next must be the same octets, and a file may
/// be changed by others in between (CASES T-22, T-35). So a tag is kept of each block of the first reading, and a block
/// is handed on in a later one after it was found to be the same. 64 GiB take 8 MiB of tags.
pub(crate) struct Unchanging<'s> {
    source: Box<dyn Source + 's>,
    /// `None` when the source cannot change.
    tags: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    blocks: BlockTags,
    /// Whether the first reading came to the end.
    to_end: bool,
}

/// What is compared at once.
const BLOCK: usize = 128 * 1024;

impl<'s> Unchanging<'s> {
    pub(crate) fn new(source: impl Source + 's) -> io::Result<Self> {
        let tags = if source.constancy() == Constancy::CERTAIN {
            None
        } else {
            Some(Seen { blocks: BlockTags::generate().map_err(io::Error::other)?, to_end: false })
        };
        Ok(Self { source: Box::new(source), tags })
    }

    /// Reads from the start.
    pub(crate) fn reread(&mut self) -> io::Result<Box<dyn BufRead + '_>> {
        let source = self.source.reread()?;
        Ok(match &mut self.tags {
            None => source,
            Some(seen) => Box::new(Comparing { source, seen, number: 0, block: Vec::new(), position: 0, ended: false }),
        })
    }
}

impl std::fmt::Debug for Unchanging<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unchanging").field("tags", &self.tags).finish_non_exhaustive()
    }
}

/// One reading. Blocks beyond those that were seen are remembered, all others compared.
struct Comparing<'r> {
    source: Box<dyn BufRead + 'r>,
    seen: &'r mut Seen,
    number: usize,
    block: Vec<u8>,
    position: usize,
    ended: bool,
}

impl Comparing<'_> {
    fn refill(&mut self) -> io::Result<()> {
        self.block.clear();
        self.position = 0;
        // Blocks are full but for the last, however the source gives them.
        while self.block.len() < BLOCK && !self.ended {
            let available = match self.source.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                available => available?,
            };
            let now = available.len().min(BLOCK - self.block.len());
            self.block.extend_from_slice(available.get(..now).unwrap_or_default());
            self.source.consume(now);
            self.ended = now == 0;
        }
        let known = self.number < self.seen.blocks.len();
        let result = match (known, self.block.is_empty()) {
            (true, _) => self.seen.blocks.check(self.number, &self.block),
            (false, true) => {
                self.seen.to_end = true;
                return Ok(());
            }
            (false, false) if self.seen.to_end => Err(crypto::Error::BadValue),
            (false, false) => self.seen.blocks.remember(&self.block),
        };
        if result.is_err() {
            // Nothing of it is shown.
            self.block.clear();
            return Err(io::Error::other("the file was changed while it was read"));
        }
        self.number += 1;
        // A block that is not full is the last.
        self.seen.to_end |= self.ended;
        Ok(())
    }
}

impl BufRead for Comparing<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position == self.block.len() {
            self.refill()?;
        }
        Ok(self.block.get(self.position..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.position = self.block.len().min(self.position + count);
    }
}

impl Read for Comparing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let now = self.fill_buf()?.read(buffer)?;
        self.consume(now);
        Ok(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives another text in each reading, in small pieces.
    struct Fickle(Vec<Vec<u8>>);

    impl Source for Fickle {
        fn reread(&mut self) -> io::Result<Box<dyn BufRead + '_>> {
            let text = if self.0.len() > 1 { self.0.remove(0) } else { self.0[0].clone() };
            Ok(Box::new(io::BufReader::with_capacity(1000, io::Cursor::new(text))))
        }
    }

    fn read(source: &mut Unchanging<'_>) -> (Vec<u8>, bool) {
        let mut read = Vec::new();
        let ended = source.reread().unwrap().read_to_end(&mut read).is_ok();
        (read, ended)
    }

    #[test]
    fn a_source_that_stays_the_same_is_read_as_often_as_wanted() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5] {
            let text: Vec<u8> = (0..length).map(|at| at.to_le_bytes()[1]).collect();
            let mut fickle = Fickle(vec![text.clone()]);
            let mut source = Unchanging::new(&mut fickle).unwrap();
            for _ in 0..3 {
                assert!(read(&mut source) == (text.clone(), true), "{length}");
            }
        }
    }

    #[test]
    fn nothing_of_a_changed_block_is_given_and_the_reading_fails() {
        let text = vec![7; 3 * BLOCK + 5];
        for at in [0, BLOCK - 1, BLOCK, 2 * BLOCK + 17, 3 * BLOCK + 4] {
            let mut changed = text.clone();
            changed[at] ^= 1;
            let mut fickle = Fickle(vec![text.clone(), changed, text.clone()]);
            let mut source = Unchanging::new(&mut fickle).unwrap();
            assert!(read(&mut source).1);
            let (given, ended) = read(&mut source);
            assert!(!ended && given == text[..at / BLOCK * BLOCK], "{at}");
            assert!(read(&mut source) == (text.clone(), true));
        }
        for length in [0, 5, BLOCK, 3 * BLOCK, 3 * BLOCK + 4, 3 * BLOCK + 6, 5 * BLOCK] {
            let other = vec![7; length];
            let mut fickle = Fickle(vec![text.clone(), other]);
            let mut source = Unchanging::new(&mut fickle).unwrap();
            assert!(read(&mut source).1);
            let (given, ended) = read(&mut source);
            assert!(!ended && given.len() <= length.min(3 * BLOCK), "{length}");
        }
        // Grown where it ended with a full block.
        let mut fickle = Fickle(vec![vec![7; BLOCK], vec![7; BLOCK + 1]]);
        let mut source = Unchanging::new(&mut fickle).unwrap();
        assert!(read(&mut source).1);
        let (given, ended) = read(&mut source);
        assert!(!ended && given.len() == BLOCK);
    }

    #[test]
    fn what_the_first_reading_left_unread_is_held_to_the_second() {
        let text = vec![7; 2 * BLOCK];
        let mut changed = text.clone();
        changed[2 * BLOCK - 1] ^= 1;
        let mut fickle = Fickle(vec![text.clone(), changed.clone(), changed.clone(), text]);
        let mut source = Unchanging::new(&mut fickle).unwrap();
        assert_eq!(source.reread().unwrap().fill_buf().unwrap().len(), BLOCK);
        assert!(read(&mut source) == (changed.clone(), true));
        assert!(read(&mut source) == (changed.clone(), true));
        assert!(!read(&mut source).1);
    }

    #[test]
    fn memory_needs_no_comparison() {
        let mut source = Unchanging::new(&b"text"[..]).unwrap();
        assert!(source.tags.is_none());
        assert!(read(&mut source) == (b"text".to_vec(), true));
    }
}
