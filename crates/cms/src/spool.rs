use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crypto::{LocalKey, Wiped};

/// How much is held in memory, and where the rest goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolLimits {
    /// Octets in memory; beyond that an unlinked temporary file takes over.
    pub memory: usize,
    /// Octets in all.
    pub total: u64,
    /// The folder for the temporary file.
    pub folder: PathBuf,
}

impl SpoolLimits {
    /// 8 MiB in memory, 64 GiB in all, in `folder`.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { memory: 8 << 20, total: 64 << 30, folder: folder.into() }
    }
}

/// Holds back content that may not be shown yet: in memory, then in an unlinked file encrypted with a key of its own
/// that never leaves this process (CASES T-35).
pub struct Spool {
    limits: SpoolLimits,
    /// The beginning, up to the limit: all blocks but the last are full.
    memory: Vec<Wiped>,
    /// What does not fit there, in whole blocks.
    file: Option<Sealed>,
    /// What does not fill a block yet.
    block: Wiped,
    length: u64,
    when_full: WhenFull,
}

/// What happens to content that does not fit in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhenFull {
    PutDown,
    LetGo,
    /// Nothing is held any more.
    HasLetGo,
}

struct Sealed {
    file: File,
    key: LocalKey,
}

const BLOCK: usize = 64 * 1024;
const SEALED_BLOCK: usize = BLOCK + LocalKey::TAG_LENGTH;

impl Spool {
    /// An empty one.
    pub fn new(limits: SpoolLimits) -> Self {
        Self {
            limits,
            memory: Vec::new(),
            file: None,
            block: Wiped::default(),
            length: 0,
            when_full: WhenFull::PutDown,
        }
    }

    /// An empty one that lets go of all of its content when that is large or does not fit in memory, for content that
    /// can be had once more: see [`Self::has_let_go`].
    pub fn letting_go(limits: SpoolLimits) -> Self {
        // Memory that has to be had from the system first takes longer than to decode and decrypt as much once more.
        const WORTH_HOLDING: usize = 1 << 20;
        let limits = SpoolLimits { memory: limits.memory.min(WORTH_HOLDING), ..limits };
        Self { when_full: WhenFull::LetGo, ..Self::new(limits) }
    }

    /// Whether the content was too large to be held: it cannot be read from here then.
    pub fn has_let_go(&self) -> bool {
        self.when_full == WhenFull::HasLetGo
    }

    /// How much it holds, and where.
    pub fn limits(&self) -> &SpoolLimits {
        &self.limits
    }

    /// Octets written.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Reads it from the start; as often as wanted, one after the other.
    ///
    /// # Errors
    /// When the file cannot be read, or nothing is held: see [`Self::has_let_go`].
    pub fn reader(&mut self) -> io::Result<SpoolReader<'_>> {
        if self.has_let_go() {
            return Err(io::Error::other("the content was too large to be held"));
        }
        if let Some(sealed) = &mut self.file {
            sealed.file.seek(SeekFrom::Start(0))?;
        }
        Ok(SpoolReader { spool: self, place: Place::Memory(0), buffer: Wiped::default(), position: 0, end: 0 })
    }

    fn remember(&mut self, mut content: &[u8]) {
        while !content.is_empty() {
            if self.memory.last().is_none_or(|block| block.len() == BLOCK) {
                // Only what begins small may stay small.
                let capacity = if self.memory.is_empty() { content.len().next_power_of_two() } else { BLOCK };
                self.memory.push(Wiped::with_capacity(capacity.clamp(1024, BLOCK)));
            }
            let Some(block) = self.memory.last_mut() else { return };
            let (now, later) = content.split_at(content.len().min(BLOCK - block.len()));
            let needed = block.len() + now.len();
            if needed > block.capacity() {
                let mut larger = Wiped::with_capacity(needed.next_power_of_two());
                larger.extend_from_slice(block);
                *block = larger;
            }
            block.extend_from_slice(now);
            content = later;
        }
    }

    fn put_down_block(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            let file = tempfile::tempfile_in(&self.limits.folder)?;
            self.file = Some(Sealed { file, key: LocalKey::generate().map_err(io::Error::other)? });
        }
        let Some(sealed) = &mut self.file else { return Ok(()) };
        sealed.key.seal(&mut self.block).map_err(io::Error::other)?;
        sealed.file.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }
}

impl Write for Spool {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.length = self.length.saturating_add(content.len() as u64);
        if self.length > self.limits.total {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the content is larger than the limit"));
        }
        if self.when_full != WhenFull::PutDown && self.length > self.limits.memory as u64 {
            self.when_full = WhenFull::HasLetGo;
            self.memory = Vec::new();
            return Ok(content.len());
        }
        // The order is kept: once something is behind the memory, everything is.
        let before = usize::try_from(self.length - content.len() as u64).unwrap_or(usize::MAX);
        let room = self.limits.memory.saturating_sub(before);
        let (now, mut later) = content.split_at(content.len().min(room));
        self.remember(now);
        while !later.is_empty() {
            if self.block.capacity() < SEALED_BLOCK {
                self.block = Wiped::with_capacity(SEALED_BLOCK);
            }
            let (now, rest) = later.split_at(later.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(now);
            later = rest;
            if self.block.len() == BLOCK {
                self.put_down_block()?;
            }
        }
        Ok(content.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Spool({} octets)", self.length)
    }
}

/// Reads a [`Spool`] from its start.
#[derive(Debug)]
pub struct SpoolReader<'s> {
    spool: &'s mut Spool,
    place: Place,
    buffer: Wiped,
    position: usize,
    /// Octets of the buffer that are content.
    end: usize,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// In this block of the memory.
    Memory(usize),
    /// In the buffer; this block comes next.
    File(u64),
    LastBlock,
}

impl SpoolReader<'_> {
    fn advance(&mut self) -> io::Result<()> {
        self.position = 0;
        let next = match self.place {
            Place::Memory(block) if block + 1 < self.spool.memory.len() => {
                self.place = Place::Memory(block + 1);
                return Ok(());
            }
            Place::Memory(_) => 0,
            Place::File(next) => next,
            Place::LastBlock => return Ok(()),
        };
        let Some(sealed) = self.spool.file.as_mut().filter(|sealed| next < sealed.key.blocks()) else {
            self.place = Place::LastBlock;
            self.end = self.spool.block.len();
            return Ok(());
        };
        self.place = Place::File(next + 1);
        if self.buffer.len() < SEALED_BLOCK {
            self.buffer = Wiped::with_capacity(SEALED_BLOCK);
            self.buffer.resize(SEALED_BLOCK, 0);
        }
        sealed.file.read_exact(&mut self.buffer)?;
        self.end = sealed.key.open(next, &mut self.buffer).map_err(io::Error::other)?.len();
        Ok(())
    }

    fn available(&self) -> &[u8] {
        match self.place {
            Place::Memory(block) => self.spool.memory.get(block).and_then(|block| block.get(self.position..)),
            Place::File(_) => self.buffer.get(self.position..self.end),
            Place::LastBlock => self.spool.block.get(self.position..),
        }
        .unwrap_or_default()
    }
}

impl io::BufRead for SpoolReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.available().is_empty() && !matches!(self.place, Place::LastBlock) {
            self.advance()?;
        }
        Ok(self.available())
    }

    fn consume(&mut self, count: usize) {
        self.position += count;
    }
}

impl Read for SpoolReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use io::BufRead as _;
        let now = self.fill_buf()?.read(buffer)?;
        self.consume(now);
        Ok(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_content_comes_back_and_rests_encrypted() {
        let folder = tempfile::tempdir().unwrap();
        for length in [0, 1, BLOCK - 1, BLOCK, 5 * BLOCK + 17] {
            let content: Vec<u8> = b"canary ".iter().copied().cycle().take(length).collect();
            for memory in [0, 1000, 1 << 20] {
                let mut spool = Spool::new(SpoolLimits { memory, total: 1 << 30, folder: folder.path().into() });
                content.chunks(777).for_each(|chunk| spool.write_all(chunk).unwrap());
                for _ in 0..2 {
                    let mut back = Vec::new();
                    spool.reader().unwrap().read_to_end(&mut back).unwrap();
                    assert!(back == content, "{length} {memory}");
                }
                if let Some(sealed) = &mut spool.file {
                    let mut raw = Vec::new();
                    sealed.file.seek(SeekFrom::Start(0)).unwrap();
                    sealed.file.read_to_end(&mut raw).unwrap();
                    assert!(!raw.windows(7).any(|window| window == b"canary "));
                }
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_lets_go_gives_all_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for (length, held) in [(0, true), (1000, true), (1001, false), (200_000, false)] {
            for piece in [1, 777, 200_000] {
                let limits = SpoolLimits { memory: 1000, total: 1 << 30, folder: folder.path().into() };
                let mut spool = Spool::letting_go(limits);
                vec![7; length].chunks(piece).for_each(|chunk| spool.write_all(chunk).unwrap());
                assert_eq!((spool.has_let_go(), spool.len()), (!held, length as u64));
                let mut back = Vec::new();
                let read = spool.reader().and_then(|mut reader| reader.read_to_end(&mut back));
                assert_eq!((read.is_ok(), back.len()), (held, if held { length } else { 0 }));
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_limit_holds() {
        let mut spool = Spool::new(SpoolLimits { memory: 10, total: 100, folder: std::env::temp_dir() });
        assert!(spool.write_all(&[0; 101]).is_err());
    }
}
