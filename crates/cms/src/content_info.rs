use std::io::BufRead;

use asn1::{Encoding, Limits, Oid, Reader, StreamReader, Tag};

use crate::{Error, limits, oids};

/// What a ContentInfo holds (RFC 5652 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are the standard's")]
pub enum ContentType {
    AuthEnvelopedData,
    CompressedData,
    EnvelopedData,
    SignedData,
    Other(Oid),
}

impl ContentType {
    /// From its object identifier.
    pub fn from_oid(oid: Oid) -> Self {
        match oid {
            oids::ID_CT_AUTH_ENVELOPED_DATA => Self::AuthEnvelopedData,
            oids::ID_CT_COMPRESSED_DATA => Self::CompressedData,
            oids::ID_ENVELOPED_DATA => Self::EnvelopedData,
            oids::ID_SIGNED_DATA => Self::SignedData,
            oid => Self::Other(oid),
        }
    }
}

/// What the first octets of a ContentInfo say that it is; `None` when they are not the beginning of one.
///
/// A label or a file name may lie; this does not (CASES S-09). Some 32 octets are enough.
pub fn sniff(beginning: &[u8]) -> Option<ContentType> {
    if beginning.first() != Some(&0x30) {
        return None;
    }
    // The SEQUENCE's length: one octet, or 0x80 and none, or 0x8n and n.
    let second = *beginning.get(1)?;
    let header = if second < 0x80 { 2 } else { 2 + usize::from(second & 0x7F) };
    let mut reader = Reader::new(beginning.get(header..)?, Encoding::Ber);
    let oid = reader.oid().ok()?;
    reader.rest().first().is_none_or(|&tag| tag == 0xA0).then(|| ContentType::from_oid(oid))
}

/// Opens a ContentInfo: reads its type and stands before the content, inside `[0]`.
pub(crate) fn open<R: BufRead>(source: R) -> Result<(Oid, StreamReader<R>), Error> {
    let mut reader = StreamReader::new(source, Limits { element: limits::STRUCTURES, ..Limits::DEFAULT });
    let header = reader.expect(Tag::SEQUENCE, "ContentInfo")?;
    reader.enter(&header, "ContentInfo")?;
    let oid = reader.oid("contentType")?;
    let content = reader.expect(Tag::context_constructed(0), "content")?;
    reader.enter(&content, "content")?;
    Ok((oid, reader))
}
