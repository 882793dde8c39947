//! BER and DER reading and writing: streaming, bounded.
//!
//! Two readers and two writers, each for one job:
//!
//! | | in memory | as a stream |
//! |---|---|---|
//! | reading | [`Reader`] over a slice: certificates, signer infos, keys | [`StreamReader`] over [`std::io::Read`]: messages of any size |
//! | writing | [`Writer`]: DER into a `Vec` | [`StreamWriter`]: BER with indefinite lengths over [`std::io::Write`] |
//!
//! What was received is never re-encoded: an [`Element`] keeps its exact bytes, and what is to be
//! hashed or verified is taken from there.
//!
//! ```
//! use asn1::{Encoding, Oid, Reader, Writer};
//!
//! const ID_DATA: Oid = Oid::new("1.2.840.113549.1.7.1");
//! let mut writer = Writer::new();
//! writer.sequence(|w| {
//!     w.oid(&ID_DATA);
//!     w.unsigned(65_537);
//! });
//! let der = writer.into_vec();
//!
//! let mut outer = Reader::new(&der, Encoding::Der);
//! let mut inner = outer.sequence("example")?;
//! assert_eq!(inner.oid()?, ID_DATA);
//! assert_eq!(inner.integer()?.to_u64(), Some(65_537));
//! inner.finish()?;
//! outer.finish()?;
//! # Ok::<(), asn1::Error>(())
//! ```

mod error;
mod integer;
mod limits;
mod oid;
mod pem;
mod reader;
mod stream_reader;
mod stream_writer;
mod strings;
mod tag;
mod time;
mod writer;

pub use error::{Because, Error};
pub use integer::Integer;
pub use limits::Limits;
pub use oid::Oid;
pub use pem::{Pem, PemError, encode_pem, parse_pem};
pub use reader::{BitString, Element, Encoding, Reader};
pub use stream_reader::{Header, OctetString, OctetsProgress, StreamReader};
pub use stream_writer::StreamWriter;
pub use tag::{Class, Tag};
pub use time::{Time, TimeParts};
pub use writer::{Writer, write_header};
