use std::io::{self, BufRead, Read, Write};

use asn1::{Encoding, Oid, Reader, StreamReader, StreamWriter, Tag, Writer};
use crypto::AlgorithmIdentifier;
use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;

use crate::{Error, Spool, SpoolLimits, content_info, oids};

/// Content may be so many times as large as it is compressed (CASES T-53); the first 64 KiB are not counted.
pub const MOST_COMPRESSION: u64 = 100;
const UNCOUNTED: u64 = 64 * 1024;

/// Reads a CompressedData.
///
/// ```text
/// CompressedData ::= SEQUENCE {
///   version CMSVersion,  -- always set to 0
///   compressionAlgorithm CompressionAlgorithmIdentifier,
///   encapContentInfo EncapsulatedContentInfo }
/// ```
/// RFC 3274 §1.1, §2, §2.1.
#[derive(Debug)]
pub struct CompressedDataReader<R> {
    reader: StreamReader<R>,
    content_type: Oid,
}

impl<R: BufRead> CompressedDataReader<R> {
    /// Reads up to the content.
    ///
    /// # Errors
    /// [`Error::OtherContentType`] when it is no CompressedData.
    pub fn open(source: R) -> Result<Self, Error> {
        let (found, mut reader) = content_info::open(source)?;
        if found != oids::ID_CT_COMPRESSED_DATA {
            return Err(Error::OtherContentType { found });
        }
        let outer = reader.expect(Tag::SEQUENCE, "CompressedData")?;
        reader.enter(&outer, "CompressedData")?;
        let version = reader.expect(Tag::INTEGER, "version")?;
        reader.skip(&version, "version")?;
        let header = reader.expect(Tag::SEQUENCE, "compressionAlgorithm")?;
        let raw = reader.element(&header, "compressionAlgorithm")?;
        let algorithm = AlgorithmIdentifier::parse(&mut Reader::new(&raw, Encoding::Ber))?;
        if algorithm.oid != oids::ID_ALG_ZLIB_COMPRESS {
            return Err(crypto::Error::Unknown { oid: algorithm.oid }.into());
        }
        let info = reader.expect(Tag::SEQUENCE, "EncapsulatedContentInfo")?;
        reader.enter(&info, "EncapsulatedContentInfo")?;
        let content_type = reader.oid("eContentType")?;
        Ok(Self { reader, content_type })
    }

    /// The type of the content inside.
    pub fn content_type(&self) -> Oid {
        self.content_type
    }

    /// Decompresses.
    ///
    /// # Errors
    /// [`Error::TooCompressed`] beyond [`MOST_COMPRESSION`], and when the content exceeds `limits`.
    pub fn decompress(self, limits: SpoolLimits) -> Result<Spool, Error> {
        let mut reader = self.reader;
        let explicit = reader.expect(Tag::context_constructed(0), "eContent")?;
        reader.enter(&explicit, "eContent")?;
        let header = reader.expect(Tag::OCTET_STRING, "eContent")?;
        let mut spool = Spool::new(limits);
        let octets = reader.octets(&header, "eContent")?;
        let mut decoder = ZlibDecoder::new(octets);
        let mut buffer = vec![0; 32 * 1024];
        loop {
            let count = decoder.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            if decoder.total_out() > UNCOUNTED.max(decoder.total_in().saturating_mul(MOST_COMPRESSION)) {
                return Err(Error::TooCompressed { limit: MOST_COMPRESSION });
            }
            spool.write_all(buffer.get(..count).unwrap_or_default())?;
        }
        // Nothing may hide behind the end of the compressed content.
        let mut octets = decoder.into_inner();
        if !octets.fill_buf()?.is_empty() {
            let because = asn1::Because::BadValue;
            return Err(asn1::Error::Malformed { what: "compressed content", offset: header.offset, because }.into());
        }
        for what in ["eContent", "EncapsulatedContentInfo"] {
            reader.leave(what)?;
        }
        reader.finish("CompressedData")?;
        Ok(spool)
    }
}

/// Writes a CompressedData in one pass. Nothing is complete before [`Self::finish`].
pub struct CompressedDataWriter<W: Write> {
    encoder: ZlibEncoder<Octets<W>>,
}

struct Octets<W>(StreamWriter<W>);

impl<W: Write> CompressedDataWriter<W> {
    /// Compresses content of `content_type` and writes to `out`.
    ///
    /// # Errors
    /// When writing fails.
    pub fn new(content_type: Oid, out: W) -> Result<Self, Error> {
        let mut stream = StreamWriter::new(out);
        let encoded = |write: &dyn Fn(&mut Writer)| {
            let mut writer = Writer::new();
            write(&mut writer);
            writer.into_vec()
        };
        stream.open(Tag::SEQUENCE)?;
        stream.raw(&encoded(&|w| w.oid(&oids::ID_CT_COMPRESSED_DATA)))?;
        stream.open(Tag::context_constructed(0))?;
        stream.open(Tag::SEQUENCE)?;
        stream.raw(&encoded(&|w| {
            w.unsigned(0);
            AlgorithmIdentifier::new(oids::ID_ALG_ZLIB_COMPRESS).encode(w);
        }))?;
        stream.open(Tag::SEQUENCE)?;
        stream.raw(&encoded(&|w| w.oid(&content_type)))?;
        stream.open(Tag::context_constructed(0))?;
        stream.open_octets(Tag::OCTET_STRING)?;
        Ok(Self { encoder: ZlibEncoder::new(Octets(stream), Compression::default()) })
    }

    /// Writes the end and gives back the sink.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(self) -> Result<W, Error> {
        Ok(self.encoder.finish()?.0.finish()?)
    }
}

impl<W: Write> Write for CompressedDataWriter<W> {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.encoder.write(content)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> std::fmt::Debug for CompressedDataWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CompressedDataWriter(…)")
    }
}

impl<W: Write> Write for Octets<W> {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.0.octets(content)?;
        Ok(content.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
