use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crypto::{ContentCipher, Opener, Sealer};
use zeroize::Zeroizing;

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
    memory: Zeroizing<Vec<u8>>,
    file: Option<Sealed>,
    length: u64,
}

struct Sealed {
    file: File,
    key: Zeroizing<[u8; 32]>,
    blocks: u64,
}

const BLOCK: usize = 64 * 1024;
const SEALED_BLOCK: usize = BLOCK + Sealer::TAG_LENGTH;

impl Spool {
    /// An empty one.
    pub fn new(limits: SpoolLimits) -> Self {
        Self { limits, memory: Zeroizing::new(Vec::new()), file: None, length: 0 }
    }

    /// Octets written.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The content, when all of it is in memory.
    pub fn in_memory(&self) -> Option<&[u8]> {
        self.file.is_none().then_some(&self.memory)
    }

    /// Reads it from the start; as often as wanted, one after the other.
    pub fn reader(&mut self) -> io::Result<SpoolReader<'_>> {
        if let Some(sealed) = &mut self.file {
            sealed.file.seek(SeekFrom::Start(0))?;
        }
        Ok(SpoolReader { spool: self, next_block: 0, buffer: Zeroizing::new(Vec::new()), position: 0, tail: false })
    }

    // Whole blocks go to the file; what does not fill one stays in memory until more comes.
    fn flush_blocks(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            let file = tempfile::tempfile_in(&self.limits.folder)?;
            let key = Zeroizing::new(crypto::random_array().map_err(io::Error::other)?);
            self.file = Some(Sealed { file, key, blocks: 0 });
        }
        let Some(sealed) = &mut self.file else { return Ok(()) };
        let whole = self.memory.len() - self.memory.len() % BLOCK;
        for block in self.memory.get(..whole).unwrap_or_default().chunks(BLOCK) {
            let mut out = Vec::with_capacity(SEALED_BLOCK + 16);
            let mut sealer = Sealer::new(ContentCipher::Aes256Gcm, &*sealed.key, &nonce(sealed.blocks), b"")
                .map_err(io::Error::other)?;
            sealer.update(block, &mut out).map_err(io::Error::other)?;
            let tag = sealer.finish(&mut out).map_err(io::Error::other)?;
            out.extend_from_slice(tag.as_ref().map_or(&[], |tag| tag));
            sealed.file.write_all(&out)?;
            sealed.blocks += 1;
        }
        self.memory.drain(..whole);
        Ok(())
    }
}

fn nonce(block: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    let (_, counter) = nonce.split_at_mut(4);
    counter.copy_from_slice(&block.to_be_bytes());
    nonce
}

impl Write for Spool {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.length += content.len() as u64;
        if self.length > self.limits.total {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the content is larger than the limit"));
        }
        self.memory.extend_from_slice(content);
        let limit = if self.file.is_some() { BLOCK * 4 } else { self.limits.memory };
        if self.memory.len() > limit {
            self.flush_blocks()?;
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
    next_block: u64,
    buffer: Zeroizing<Vec<u8>>,
    position: usize,
    tail: bool,
}

impl io::BufRead for SpoolReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if !self.tail && self.position == self.buffer.len() {
            self.buffer.clear();
            self.position = 0;
            match &mut self.spool.file {
                Some(sealed) if self.next_block < sealed.blocks => {
                    let mut block = vec![0; SEALED_BLOCK];
                    sealed.file.read_exact(&mut block)?;
                    let (ciphertext, tag) = block.split_at(BLOCK);
                    let mut opener = Opener::new(ContentCipher::Aes256Gcm, &*sealed.key, &nonce(self.next_block), b"")
                        .map_err(io::Error::other)?;
                    opener.update(ciphertext, &mut self.buffer).map_err(io::Error::other)?;
                    opener.finish(tag, &mut self.buffer).map_err(io::Error::other)?;
                    self.next_block += 1;
                }
                _ => self.tail = true,
            }
        }
        let source: &[u8] = if self.tail { &self.spool.memory } else { &self.buffer };
        Ok(source.get(self.position..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.position += count;
    }
}

impl Read for SpoolReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use io::BufRead as _;
        let available = self.fill_buf()?;
        let now = available.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..now), available.get(..now)) {
            to.copy_from_slice(from);
        }
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
    fn the_limit_holds() {
        let mut spool = Spool::new(SpoolLimits { memory: 10, total: 100, folder: std::env::temp_dir() });
        assert!(spool.write_all(&[0; 101]).is_err());
    }
}
