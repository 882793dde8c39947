use std::io::{self, Write};

use crate::writer::write_tag;
use crate::{Tag, write_header};

/// Writes BER with indefinite lengths, for content whose size is not known beforehand.
///
/// What is opened must be closed: [`StreamWriter::finish`] closes it all, and nothing is closed on
/// drop, so an unfinished message never parses as a shorter complete one.
#[derive(Debug)]
pub struct StreamWriter<W> {
    out: W,
    open: u32,
    pending: Vec<u8>,
    in_octets: bool,
}

impl<W: Write> StreamWriter<W> {
    const PIECE: usize = 32 * 1024;

    /// Writes to `out`.
    pub fn new(out: W) -> Self {
        Self { out, open: 0, pending: Vec::new(), in_octets: false }
    }

    /// Begins a constructed element of indefinite length.
    pub fn open(&mut self, tag: Tag) -> io::Result<()> {
        let mut header = Vec::with_capacity(8);
        write_tag(&mut header, tag.as_constructed());
        header.push(0x80);
        self.open += 1;
        self.out.write_all(&header)
    }

    /// Ends the innermost open element.
    pub fn close(&mut self) -> io::Result<()> {
        self.flush_piece()?;
        self.in_octets = false;
        match self.open.checked_sub(1) {
            Some(open) => self.open = open,
            None => return Err(io::Error::other("nothing is open")),
        }
        self.out.write_all(&[0, 0])
    }

    /// Writes an element that is already encoded.
    pub fn raw(&mut self, encoded: &[u8]) -> io::Result<()> {
        self.out.write_all(encoded)
    }

    /// Begins an OCTET STRING in pieces under `tag`; [`Self::octets`] fills it, [`Self::close`] ends it.
    pub fn open_octets(&mut self, tag: Tag) -> io::Result<()> {
        self.open(tag)?;
        self.in_octets = true;
        self.pending.reserve(Self::PIECE);
        Ok(())
    }

    /// More of the open OCTET STRING: in pieces of 32 KiB, whatever the sizes of the calls.
    pub fn octets(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        debug_assert!(self.in_octets, "open_octets comes first");
        if self.pending.is_empty() {
            while let Some((piece, rest)) = bytes.split_at_checked(Self::PIECE) {
                self.piece(piece)?;
                bytes = rest;
            }
        }
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(Self::PIECE - self.pending.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
            if self.pending.len() == Self::PIECE {
                self.flush_piece()?;
            }
        }
        Ok(())
    }

    fn flush_piece(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let mut pending = std::mem::take(&mut self.pending);
        let result = self.piece(&pending);
        pending.clear();
        self.pending = pending;
        result
    }

    fn piece(&mut self, octets: &[u8]) -> io::Result<()> {
        let mut header = Vec::with_capacity(8);
        write_header(&mut header, Tag::OCTET_STRING, octets.len() as u64);
        self.out.write_all(&header)?;
        self.out.write_all(octets)
    }

    /// Closes what is open and gives back the sink.
    pub fn finish(mut self) -> io::Result<W> {
        while self.open > 0 {
            self.close()?;
        }
        Ok(self.out)
    }
}
