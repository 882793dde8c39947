//! Forms that protect nothing: compressed mails, and certificates by themselves.

use std::io::Write;

use cms::{CompressedDataWriter, oids};
use mime::Base64Writer;
use pki::Certificate;

use crate::sign::pkcs7_mime_fields;
use crate::split::{Headers, Split};
use crate::{Error, Source};

/// Compresses a mail (RFC 8551 §3.6): before it is encrypted, never instead. Nothing does so by itself (CASES S-55).
///
/// # Errors
/// When the mail cannot be read or the output not be written.
pub fn compress(mail: &mut dyn Source, out: &mut dyn Write) -> Result<(), Error> {
    let split = Split::read(mail, Headers::Outside, &mime::Limits::default())?;
    split.write_outer(pkcs7_mime_fields("compressed-data"), out)?;
    let mut writer = CompressedDataWriter::new(oids::ID_DATA, Base64Writer::new(out))?;
    split.write_entity(mail, &mut writer)?;
    writer.finish()?.finish()?;
    Ok(())
}

/// Certificates as an entity of their own (RFC 8551 §3.8): the body of a mail, behind whatever header it has.
///
/// # Errors
/// Never in memory.
pub fn certificates_only(certificates: &[Certificate]) -> Result<Vec<u8>, Error> {
    let mut entity = pkcs7_mime_fields("certs-only").as_bytes().to_vec();
    entity.extend_from_slice(b"\r\n");
    let mut writer = Base64Writer::new(entity);
    writer.write_all(&cms::certificates_only(certificates))?;
    Ok(writer.finish()?)
}
